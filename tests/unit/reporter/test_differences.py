"""The best run against the others: the section, the sign in the leaderboard, and what is left out of it."""

import io
import json
import random
from typing import Any

import numpy as np
import polars as pl
import pytest

from vhb_reporter import differences
from vhb_reporter.differences import against_best
from vhb_shared.contracts.job import JobSpec, ReportOptions
from vhb_shared.contracts.results import REPLICATE_COLUMNS
from vhb_shared.statistics.comparison import compare_scores, with_holm
from vhb_shared.statistics.intervals import RESAMPLES
from vhb_shared.statistics.replicates import WEIGHTING
from vhb_shared.statistics.verdict import verdict
from vhb_shared.store import layout

from .test_exports import rows_of
from .test_hostile import assert_inert
from .test_intervals import section
from .test_more_sections import plain

COUNT = 40


async def scored(world: Any, model: str, level: float, task: str = "read", failed: int = 0) -> Any:
    """A run whose error rates lie around a level."""
    noise = random.Random(f"{model} {task}")
    values: list[float | None] = [round(level + noise.uniform(-0.05, 0.05), 4) for _ in range(COUNT)]
    for place in range(failed):
        values[place] = None
    run = world.plan_run(model, task)
    await world.answer(run, [None if value is None else "x" for value in values], values)
    return run


async def three(world: Any) -> tuple[Any, Any, Any]:
    await world.dataset(COUNT, images=False)
    return await scored(world, "far", 0.6), await scored(world, "good", 0.2), await scored(world, "near", 0.202)


async def scores(world: Any, run: Any) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(await world.store.get(layout.run_file(run.run_id, "scores.parquet"))))


async def test_verdicts_are_those_of_vhb_compare(world: Any) -> None:
    far, good, near = await three(world)
    files = await world.job()
    tables = {run.model.name: await scores(world, run) for run in (far, good, near)}
    best, *others = sorted(tables, key=lambda name: tables[name]["value"].mean())
    expected = with_holm([
        compare_scores(tables[best], tables[name], names=(best, name), higher_is_better={"cer": False})
        for name in others
    ])  # fmt: skip
    said = [verdict(one.differences[0], best, one.candidate) for one in expected]
    assert [sentence.split(" on cer")[0] for sentence in said] == [
        f"no difference shown between {others[0]} and {best}", f"{best} beats far",
    ]  # fmt: skip
    page, text = plain(section(files["report.html"], "differences")), files["report.md"]
    for sentence, one in zip(said, expected, strict=True):
        assert sentence.replace("<", "&lt;") in page
        found = one.differences[0]
        counts = f"{found.baseline_better} | {found.candidate_better} | 40 | 40 |"
        assert any(line.startswith(f"| {one.candidate} |") and line.endswith(counts) for line in text.splitlines())
    assert f"- {best} beats far on cer by" in text
    assert "p is corrected for 2 comparisons (Holm)." in page and "power of 80%." in page and "95% interval" in page


async def test_differences_are_data_too(world: Any) -> None:
    far, good, near = await three(world)
    spec = JobSpec(name="pages", report=ReportOptions(language="ru"))
    files = await world.job(spec=spec)
    tables = {run.model.name: await scores(world, run) for run in (far, good, near)}
    best, *others = sorted(tables, key=lambda name: tables[name]["value"].mean())
    expected = with_holm([
        compare_scores(tables[best], tables[name], names=(best, name), higher_is_better={"cer": False})
        for name in others
    ])  # fmt: skip
    rows = json.loads(files["job.json"])["differences"]
    sheet = rows_of(files["results.xlsx"], "differences")
    assert [(row["baseline"], row["candidate"], row["metric"]) for row in rows] == [
        (f"{best}__read", f"{name}__read", "cer") for name in others
    ]
    for row, line, one in zip(rows, sheet, expected, strict=True):
        found = one.differences[0]
        same = ("difference", "ci_low", "ci_high", "p_value", "p_holm", "test", "n_pairs", "n_documents")
        assert {name: row[name] for name in same} == found.model_dump(include=set(same))
        assert (row["baseline_value"], row["candidate_value"]) == (found.baseline, found.candidate)
        assert {name: value for name, value in line.items() if isinstance(value, str)} == {
            name: value for name, value in row.items() if isinstance(value, str)
        }
        assert line["p_holm"] == pytest.approx(row["p_holm"]) and row["left_out"] is None
    assert " beats far on cer by " in rows[-1]["verdict"]


async def test_the_leaderboard_marks_what_is_not_distinguishable(world: Any) -> None:
    await three(world)
    files = await world.job()
    board = section(files["report.html"], "leaderboard")
    assert board.count("≈") == 2  # one run, and the explanation
    marked = board.split('class="near"')[0].rsplit("<tr>", 1)[1]
    assert "far" not in marked
    assert 'href="#differences"' in board and "may be the luck of the samples" in board
    rows = files["report.md"].split("## Leaderboard")[1].split("##")[0].splitlines()
    assert [" ≈ " in row for row in rows if row.startswith("| ") and "---" not in row] == [False, False, True, False]
    assert any("≈ not distinguishable from the best: " in row for row in rows)


async def test_p_values_are_corrected_over_all_comparisons_of_the_report(world: Any) -> None:
    await three(world)
    alone = await world.job()
    for model in ("far", "good", "near"):
        await scored(world, model, {"far": 0.6, "good": 0.2, "near": 0.202}[model], task="other")
    files = await world.job()
    assert "corrected for 2 comparisons" in alone["report.md"]
    assert "corrected for 4 comparisons" in files["report.md"]


async def test_a_run_alone_or_without_scores_has_no_section(world: Any) -> None:
    await world.dataset(COUNT, images=False)
    await scored(world, "good", 0.2)
    world.fail(world.plan_run("broken"), "no memory")
    await world.answer(world.plan_run("unscored"), ["x"] * COUNT)
    files = await world.job()
    assert 'id="differences"' not in files["report.html"] and "## Differences" not in files["report.md"]


def say_composite(world: Any) -> None:
    for name, state in world.states.items():
        metrics = tuple(value.model_copy(update={"composite": True}) for value in state.metrics)
        world.states[name] = state.model_copy(update={"metrics": metrics})


async def test_composite_metrics_are_compared_by_their_replicates(world: Any) -> None:
    runs = await three(world)
    say_composite(world)
    for number, (run, value) in enumerate(zip(runs, (0.6, 0.2, 0.202), strict=True)):
        drawn = np.random.default_rng(number).normal(value, 0.01, RESAMPLES).tolist()
        row = ("cer", "general", "all", value, None, None, WEIGHTING, drawn)
        replicates = pl.DataFrame([dict(zip(REPLICATE_COLUMNS, row, strict=True))], infer_schema_length=None)
        await world.put_parquet(layout.run_file(run.run_id, "replicates.parquet"), replicates)
        # Comparisons of such metrics need to know which samples were asked.
        table = (await scores(world, run)).with_columns(sample="id", document="id")
        await world.put_parquet(layout.run_file(run.run_id, "scores.parquet"), table)
    files = await world.job()
    text = files["report.md"]
    assert "- good beats far on cer by 0.400 (0.37" in text and "no difference shown between near and good" in text
    (row,) = (
        line for line in text.split("## Differences")[1].split("\n## ")[0].splitlines() if line.startswith("| near |")
    )
    assert row.endswith("| — | — | 40 | 40 |"), row  # which run is better on a sample says nothing of the metric
    assert section(files["report.html"], "leaderboard").count("≈") == 2


async def test_composite_metrics_of_runs_evaluated_before_say_so(world: Any) -> None:
    await three(world)
    say_composite(world)
    files = await world.job()
    assert "Runs are not compared by cer here: a run was evaluated before" in section(
        files["report.html"], "differences"
    )
    assert "Runs are not compared by cer here" in files["report.md"]
    (row,) = json.loads(files["job.json"])["differences"]
    assert (row["metric"], row["candidate"], row["left_out"]) == ("cer", None, "evaluate")
    assert "≈" not in files["report.html"] + files["report.md"]


async def test_without_states_nobody_knows_what_adds_up(world: Any) -> None:
    await world.dataset(COUNT, images=False)
    await scored(world, "good", 0.2)
    await scored(world, "far", 0.6, failed=3)
    world.states.clear()
    assert "Runs are not compared by cer here: their state is gone" in (await world.job())["report.md"]


@pytest.mark.parametrize(("name", "most", "said"), [
    ("MOST_SAMPLES", COUNT - 1, "Too many samples to be compared in a report by cer: vhb compare does it."),
    ("MOST_PAIRS", 1, "Too many runs to be compared in one report by cer: vhb compare does it."),
])  # fmt: skip
async def test_what_would_take_too_long_is_said(
    world: Any, monkeypatch: pytest.MonkeyPatch, name: str, most: int, said: str
) -> None:
    await three(world)
    monkeypatch.setattr(differences, name, most)
    files = await world.job()
    assert said in section(files["report.html"], "differences") and said in files["report.md"].replace("\\", "")


async def test_failed_samples_are_bounds_and_no_pairs(world: Any) -> None:
    await world.dataset(COUNT, images=False)
    await scored(world, "good", 0.2)
    await scored(world, "far", 0.6, failed=3)
    page = plain(section((await world.job())["report.html"], "differences"))
    assert "good beats far on cer by" in page and "n=37 documents" in page
    assert "3 failed, with them the difference could be anything from" in page


async def test_differences_in_russian_and_hostile_names(world: Any) -> None:
    await world.dataset(COUNT, images=False)
    await scored(world, "<script>%(lead)s 100%<b>", 0.6)
    await scored(world, "good", 0.2)
    spec = JobSpec(name="pages", report=ReportOptions(language="ru"))
    files = await world.job(spec=spec)
    assert_inert(files["report.html"])
    page = section(files["report.html"], "differences")
    assert "good лучше &lt;script&gt;%(lead)s 100%&lt;b&gt; по cer на 0." in page
    assert "n=40 документов" in page and "с поправкой на 1 сравнение" in page


def test_nothing_to_compare_costs_nothing() -> None:
    assert against_best((), {}, {}) == {}
