"""Wherever a number stands, its interval and its bounds stand beside it."""

import io
import json
import re
from typing import Any

import polars as pl

from vhb_shared.contracts.job import TaskEntry
from vhb_shared.store import layout

GOOD = [f"Total {index}.00 EUR" for index in range(8)]


async def with_intervals(world: Any, run: Any, half: float = 0.02) -> None:
    """Fills the interval columns of a stored metrics.csv, as the evaluator does."""
    key = layout.run_file(run.run_id, "metrics.csv")
    frame = pl.read_csv(await world.store.get(key), schema_overrides={"ci_low": pl.Float64, "ci_high": pl.Float64})
    frame = frame.with_columns(ci_low=(pl.col("value") - half).clip(0), ci_high=(pl.col("value") + half).clip(0, 1))
    await world.store.put(key, frame.write_csv().encode())


async def compared(world: Any) -> dict[str, Any]:
    await world.dataset()
    task = TaskEntry(name="read", dataset="./pages", metrics=("anls",))
    small, large = world.plan_run("small", task), world.plan_run("large", task)
    await world.answer(small, [*GOOD[:7], None], [0.5] * 7 + [None], "anls")
    await world.answer(large, GOOD, [0.75] * 8, "anls")
    for run in (small, large):
        await with_intervals(world, run)
    return await world.job()


def section(page: str, name: str) -> str:
    return page.split(f'<section id="{name}"')[1].split("</section>")[0]


async def test_the_leaderboard_has_both_in_the_cell(world: Any) -> None:
    files = await compared(world)
    board = section(files["report.html"], "leaderboard")
    assert '<small class="ci">[0.4800, 0.5200]</small><small class="outer">(0.5625 to 0.4375)</small>' in board
    assert '<small class="ci">[0.7300, 0.7700]</small>' in board
    assert "In square brackets: the confidence interval." in board and "In round brackets" in board
    rows = files["report.md"].split("## Leaderboard")[1].split("##")[0]
    assert "| small | 0.5000 \\[0.4800, 0.5200\\] (0.5625 to 0.4375) | 8 | 7 | 1 |" in rows
    assert "| large | **0.7500** \\[0.7300, 0.7700\\] | 8 | 8 | 0 |" in rows


async def test_the_summary_and_the_breakdown_have_them_too(world: Any) -> None:
    files = await compared(world)
    assert "with 0.7500 [0.7300, 0.7700]" in " ".join(section(files["report.html"], "summary").split())
    assert "with 0.7500 \\[0.7300, 0.7700\\], of 2 runs" in files["report.md"]
    table = section(files["report.html"], "breakdown")
    # The failed sample is of the class letter: 3 scored of 4.
    assert '[0.4800, 0.5200]</small><small class="outer">(0.6250 to 0.3750)</small><small>1 failed' in table
    broken = files["report.md"].split("## By document class")[1].split("\n## ")[0]
    assert "0.5000 \\[0.4800, 0.5200\\] (0.6250 to 0.3750), 1 failed" in broken
    assert "In square brackets" in broken


async def test_charts_draw_them(world: Any) -> None:
    page = (await compared(world))["report.html"]
    charts, plots = section(page, "charts"), section(page, "tradeoffs")
    # Two bars with three lines each, and two points with one.
    assert (charts.count('class="whisker"'), plots.count('class="whisker"')) == (6, 2)
    assert "small: 0.5000 [0.4800, 0.5200] (0.5625 to 0.4375)" in charts
    spans = re.findall(r'class="whisker" x1="([\d.]+)%" x2="\1%" y1="([\d.]+)%" y2="([\d.]+)%"', plots)
    assert sorted(float(low) - float(high) for _, low, high in spans) == [4.0, 4.0]


async def test_programs_get_them(world: Any) -> None:
    files = await compared(world)
    (small, large) = json.loads(files["job.json"])["runs"]
    assert (small["metrics"][0]["ci_low"], small["metrics"][0]["ci_high"]) == (0.48, 0.52)
    assert (small["metrics"][0]["value_if_failed_worst"], large["metrics"][0]["ci_high"]) == (0.4375, 0.77)
    csv = pl.read_csv(io.StringIO(files["metrics.csv"]))
    assert csv.filter(pl.col("level") == "general")["ci_low"].to_list() == [0.48, 0.73]


async def test_without_intervals_there_is_no_word_of_them(world: Any) -> None:
    await world.dataset()
    await world.answer(world.plan_run("small"), GOOD, [0.1] * 8)
    files = await world.job()
    assert "confidence interval" not in files["report.html"] + files["report.md"]
    assert 'class="ci"' not in files["report.html"] and 'class="whisker"' not in files["report.html"]
