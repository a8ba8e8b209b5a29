"""Sections over per-sample scores and over several tasks: trade-offs, maps, spreads, confusion, fields, robustness."""

import json
import re
from typing import Any

import polars as pl
import pytest

from vhb_reporter import per_sample
from vhb_reporter.measures import Confusion, FieldCount
from vhb_reporter.sections.tradeoffs import pareto
from vhb_shared.contracts.job import ModelEntry, TaskEntry
from vhb_shared.contracts.judges import Agreement, JudgeTally, Panel, Panels
from vhb_shared.contracts.performance import Distribution
from vhb_shared.store import layout

from .test_hostile import HOSTILE, assert_inert
from .test_intervals import section, with_intervals
from .test_performance import GIB, measured

GOOD = [f"Total {index}.00 EUR" for index in range(8)]


def plain(page: str) -> str:
    """What a reader reads."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


async def with_details(world: Any, run: Any, details: list[Any]) -> None:
    """Puts details beside stored scores, as metrics do."""
    key = layout.run_file(run.run_id, "scores.parquet")
    texts = [None if item is None else item if isinstance(item, str) else json.dumps(item) for item in details]
    frame = pl.read_parquet(await world.store.get(key)).with_columns(detail=pl.Series(texts, dtype=pl.String))
    await world.put_parquet(key, frame)


# --- trade-offs ---


@pytest.mark.parametrize(
    ("points", "higher", "front"),
    [
        ([(1, 0.5), (2, 0.9), (3, 0.8)], True, [True, True, False]),
        ([(1, 0.5), (2, 0.9), (3, 0.8)], False, [True, False, False]),
        ([(1, 0.5), (1, 0.5), (1, 0.6)], True, [False, False, True]),
        ([(1, 0.5), (1, 0.5)], True, [True, True]),
        ([(2, 0.5), (1, 0.5)], True, [False, True]),
    ],
)
def test_the_front_is_what_nothing_beats(points: Any, higher: bool, front: list[bool]) -> None:
    assert pareto(points, higher_is_better=higher) == front


async def test_quality_against_latency_memory_energy_and_device_time(world: Any) -> None:
    await world.dataset()
    for model, value, latency, memory in (("small", 0.3, 100, 8), ("large", 0.1, 900, 71), ("bad", 0.5, 950, 80)):
        run = world.plan_run(ModelEntry(name=model, backend="vllm"))
        await world.answer(run, GOOD, [value] * 8)
        found = measured(
            run, latency_ms=Distribution(n=8, mean=latency, p50=latency, p90=latency, p99=latency), devices=2,
            device_memory_peak=memory * GIB, energy_j_per_answer=memory / 2, active_s=latency / 100,
        )  # fmt: skip
        await world.store.put(layout.run_file(run.run_id, "performance.json"), found.model_dump_json().encode())
    files = await world.job()
    part = section(files["report.html"], "tradeoffs")
    assert part.count("<figure") == 4 and part.count('class="ring"') == 8
    rows = files["report.md"].split("## Quality against cost")[1].split("\n## ")[0]
    assert "| large | 0.1000 | 900 ms ◆ | 71.0 GiB ◆ | 35.5 J ◆ | 2.25 s ◆ |" in rows
    assert "| bad | 0.5000 | 950 ms | 80.0 GiB | 40.0 J | 2.38 s |" in rows


async def test_without_a_direction_there_is_no_front(world: Any) -> None:
    await world.dataset()
    for model in ("small", "large"):
        await world.answer(world.plan_run(model), GOOD, [0.2] * 8)
    world.states.clear()
    assert 'id="tradeoffs"' not in (await world.job())["report.html"]


# --- class by type ---


async def test_every_run_has_a_map_of_classes_and_types(world: Any) -> None:
    await world.dataset()
    for number, sample in enumerate(world.samples):
        sample |= {"doc_class": ("tax form", "letter")[number % 2], "question_type": ("a b", "c")[number // 4]}
    await world.save_samples()
    run = world.plan_run("small")
    await world.answer(run, GOOD, [0.1] * 8)
    key = layout.run_file(run.run_id, "metrics.csv")
    frame = pl.read_csv(await world.store.get(key), infer_schema=False)
    both = frame.filter(pl.col("level") == "general").select(pl.exclude("level", "group", "value")).join(
        pl.DataFrame({
            "level": ["by_doc_question"] * 3, "group": ["tax form a b", "letter a b", "letter c"],
            "value": ["0.25", "0.5", "0.75"],
        }), how="cross",
    )  # fmt: skip
    await world.store.put(key, pl.concat([frame, both.select(frame.columns)]).write_csv().encode())
    files = await world.job()
    rows = files["report.md"].split("## Document class by question type")[1].split("\n## ")[0]
    assert "| tax form | 0.2500 | — |" in rows and "| letter | 0.5000 | 0.7500 |" in rows
    assert "--good:100%" in section(files["report.html"], "class-map")


# --- spreads ---


async def test_scores_are_counted_in_steps(world: Any, tmp_path: Any) -> None:
    values = [0.0, 0.0, 0.049, 0.05, 0.5, 0.99, 1.0, 1.7, None, float("nan")]
    path = tmp_path / "scores.parquet"
    pl.DataFrame({"metric": ["cer"] * 10, "value": values}, strict=False).write_parquet(path)
    spread = per_sample.read_spreads(path)["cer"]
    assert (spread.bins[0], spread.bins[1], spread.bins[10], spread.bins[19], spread.bins[20]) == (3, 1, 1, 2, 1)
    assert sum(spread.bins) == spread.n == 8 and (spread.zeros, spread.ones) == (2, 1)


async def test_spreads_are_drawn_with_what_is_perfect(world: Any) -> None:
    await world.dataset()
    await world.answer(world.plan_run("small"), GOOD, [0.0] * 4 + [0.2, 0.2, 0.3, 1.5])
    files = await world.job()
    part = section(files["report.html"], "distributions")
    assert part.count("<rect") == 4 and "0 to 1, then above" in part
    assert "| small | 0.0000 | 0.2000 | 0.3000 | 50 % | 8 |" in files["report.md"]


# --- confusion ---


async def test_confusions_are_counted_over_both_wordings(world: Any, tmp_path: Any) -> None:
    details = [
        '{"expected":"a","predicted":"b"}', '{"expected":"a","predicted":"b"}', '{"predicted":"a","expected":"a"}',
        '{"picked":null,"expected":"b"}', '{"pages":[1],"expected":[2]}', None, "not json \"expected\" \"predicted\"",
    ]  # fmt: skip
    path = tmp_path / "scores.parquet"
    pl.DataFrame({"metric": ["m"] * 7, "detail": details}).write_parquet(path)
    found = per_sample.read_confusions(path)["m"]
    assert found[0] == Confusion("a", "b", 2)
    assert set(found[1:]) == {Confusion("a", "a", 1), Confusion("b", None, 1), Confusion(None, None, 1)}


async def test_a_matrix_for_every_run(world: Any) -> None:
    await world.dataset()
    for model, predicted in (("small", "letter"), ("large", "receipt")):
        run = world.plan_run(model)
        await world.answer(run, GOOD, [0.5] * 8)
        said = [{"expected": sample["doc_class"], "predicted": predicted} for sample in world.samples[:7]]
        await with_details(world, run, [*said, {"expected": "letter", "predicted": None}])
    files = await world.job()
    part = section(files["report.html"], "confusion")
    assert part.count("<table") == 2 and "(none)" in part
    small = part.split("<table")[1]
    assert "letter 0 3 1 4" in plain(small) or "letter 3 0 1 4" in plain(small)
    assert "receipt 0 4 0 4" in plain(small) or "receipt 4 0 0 4" in plain(small)
    assert "| receipt | letter | 4 |" in files["report.md"]


async def test_hostile_classes_and_fields(world: Any) -> None:
    await world.dataset()
    run = world.plan_run("small")
    await world.answer(run, GOOD, [0.5] * 8)
    await with_details(world, run, [
        {"expected": evil, "predicted": evil * 50, "fields": {evil: {"right": True}, "x": evil}} for evil in HOSTILE
    ])  # fmt: skip
    files = await world.job()
    assert 'id="confusion"' in files["report.html"] and 'id="fields"' in files["report.html"]
    assert_inert(files["report.html"])


# --- fields ---


def test_fields_are_added_up(tmp_path: Any) -> None:
    details = [
        {"fields": {"total": {"tp": 1, "fp": 0, "fn": 0}, "date": {"tp": 0, "fp": 1, "fn": 1}}},
        {"fields": {"total": {"tp": 1, "fp": 2, "fn": 0}, "odd": 3, "worse": {"tp": "x", "fn": -1, "fp": True}}},
        {"fields": []},
        {"fields": {"date": {"right": True}, "total": {"right": False}}},
    ]
    path = tmp_path / "scores.parquet"
    pl.DataFrame({"metric": ["f"] * 4, "detail": [json.dumps(item) for item in details]}).write_parquet(path)
    found = {field.name: field for field in per_sample.read_fields(path)["f"]}
    assert found["total"] == FieldCount("total", 2, 2, 1) and found["date"] == FieldCount("date", 1, 1, 1)
    assert found["total"].share == pytest.approx(2 / 3) and found["worse"].share is None
    assert "odd" not in found


async def test_fields_by_models(world: Any) -> None:
    await world.dataset()
    for model, right in (("small", False), ("large", True)):
        run = world.plan_run(model)
        await world.answer(run, GOOD, [0.5] * 8)
        await with_details(world, run, [{"fields": {"total": {"right": right}, "date": {"right": True}}}] * 8)
    files = await world.job()
    rows = files["report.md"].split("## Fields")[1].split("\n## ")[0]
    assert "| total | 0 % | 100 % | 8 |" in rows and "| date | 100 % | 100 % | 8 |" in rows
    assert "--good:0%" in section(files["report.html"], "fields")


# --- disagreement ---


async def test_samples_on_which_runs_differ_most(world: Any) -> None:
    await world.dataset()
    await world.answer(world.plan_run("small"), GOOD, [0.0, 0.5, 0.9, 0.1, 0.1, 0.1, 0.1, None])
    await world.answer(world.plan_run("large"), GOOD, [0.0, 0.1, 0.0, 0.1, 0.1, 0.1, 0.1, 0.9])
    files = await world.job()
    rows = files["report.md"].split("## Where models differ most")[1].split("\n## ")[0].split("\n\n")[1].splitlines()
    assert rows[2:] == [
        "| 2 | 0.9000 | large | 0.0000 | small | 0.9000 |",
        "| 1 | 0.4000 | large | 0.1000 | small | 0.5000 |",
    ]
    part = section(files["report.html"], "disagreement")
    assert 'href="samples.html#t0-i2"' in part and "Total 2.00 EUR" in part


async def test_one_run_differs_from_nobody(world: Any) -> None:
    await world.dataset()
    await world.answer(world.plan_run("small"), GOOD, [0.1] * 8)
    assert 'id="disagreement"' not in (await world.job())["report.html"]


# --- robustness ---


async def test_curves_by_severity(world: Any) -> None:
    await world.dataset()
    for model, worse in (("small", 0.2), ("large", 0.05)):
        for name, value in (("read", 0.1), ("read~blur-1", 0.1 + worse), ("read~blur-3", 0.1 + 3 * worse)):
            task = TaskEntry(name=name, dataset="./pages", metrics=("cer",))
            run = world.plan_run(model, task)
            await world.answer(run, GOOD, [value] * 8)
            await with_intervals(world, run)
    files = await world.job()
    part = section(files["report.html"], "robustness")
    assert part.count("<figure") == 1 and part.count("<polyline") == 2 and part.count("<circle") == 6
    assert part.count('class="whisker"') == 6
    rows = files["report.md"].split("## Robustness")[1].split("\n## ")[0]
    assert "| read\\~blur" not in rows and "| read, blur: cer | 0 | 1 | 3 |" in rows
    assert "| large | 0.1000 \\[0.0800, 0.1200\\] | 0.1500 \\[0.1300, 0.1700\\] | 0.2500" in rows


async def test_tasks_of_other_names_have_no_curves(world: Any) -> None:
    await world.dataset()
    for name in ("read", "read~blur", "read-3"):
        task = TaskEntry(name=name, dataset="./pages", metrics=("cer",))
        await world.answer(world.plan_run("small", task), GOOD, [0.1] * 8)
    assert 'id="robustness"' not in (await world.job())["report.html"]


# --- judges ---


def panel(*judges: tuple[str, int, float | None], alpha: float | None = None, said: str = "Judge.") -> Panel:
    return Panel(
        judges=tuple(JudgeTally(model=name, asked=8, failed=failed, mean_score=mean) for name, failed, mean in judges),
        scale=(1, 5),
        agreement=Agreement(krippendorff_alpha_interval=alpha, samples=7),
        images=False,
        protocol="p",
        prompt=({"role": "system", "content": said},),
    )


async def test_judges_failures_and_agreement_are_shown(world: Any) -> None:
    await world.dataset()
    run = world.plan_run("small")
    await world.answer(run, GOOD, [0.2] * 8)
    hostile = "\n".join(HOSTILE)
    panels = {"judge": panel(("jack", 0, 4.25), (hostile, 1, None), alpha=0.5, said=hostile)}
    await world.store.put(layout.run_file(run.run_id, "judges.json"), Panels.dump_json(panels))
    other = world.plan_run("large")
    await world.answer(other, GOOD, [0.2] * 8)
    files = await world.job()
    part = section(files["report.html"], "judges")
    assert "jack 8 0 4.25 1 … 5 0.50" in plain(part)
    assert 'class="n alarm">1<' in part and part.count("<tr>") == 3
    assert_inert(files["report.html"])
    assert "| small\\_\\_read | judge | jack | 8 | 0 | 4.25 | 1 … 5 | 0.50 |" in files["report.md"]


async def test_without_judges_or_with_a_file_of_something_else_there_is_no_such_section(world: Any) -> None:
    await world.dataset()
    run = world.plan_run("small")
    await world.answer(run, GOOD, [0.2] * 8)
    await world.store.put(layout.run_file(run.run_id, "judges.json"), b'{"judge": [1]}')
    assert 'id="judges"' not in (await world.job())["report.html"]
