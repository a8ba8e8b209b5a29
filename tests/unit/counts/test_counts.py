"""Nothing is dropped in silence: readers, answers, scores, metric rows and reports count the same samples."""

import asyncio
import json
import math
import tempfile
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from vhb_evaluator.metrics.registry import bind_all, higher_is_better
from vhb_shared.contracts.events import RunEvaluationCompleted
from vhb_shared.contracts.plan import Plan, RunSpec
from vhb_shared.contracts.results import OUTCOMES
from vhb_shared.datasets.pin import load_manifest
from vhb_shared.errors import UserError
from vhb_shared.store import layout

from .drawing import DERIVED, FORMATS, NO_ANSWER, NUMBERS, Benchmark, benchmarks
from .journey import Journey
from .reported import check_report
from .writing import write

SCORED = ("scored", "unparsable")
quick = settings(
    max_examples=3, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip


@pytest.mark.parametrize("fmt", FORMATS)
@quick
@given(data=st.data())
def test_what_came_in_and_what_went_out_agree(fmt: str, data: st.DataObject) -> None:
    _travel(data.draw(benchmarks(fmt)))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(quick, max_examples=40)
@given(drawn=st.sampled_from(FORMATS).flatmap(benchmarks))
def test_what_came_in_and_what_went_out_agree_in_many_cases(drawn: Benchmark) -> None:
    _travel(drawn)


def _travel(drawn: Benchmark) -> None:
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(_journey(drawn, Journey(Path(name))))


async def _journey(drawn: Benchmark, journey: Journey) -> None:
    source = write(drawn, journey.folder / "data")
    can_run = bool(drawn.selected) and (not drawn.circular or any(row.choices for row in drawn.selected))
    event(f"{drawn.format}, {'refused' if not can_run else 'imported' if drawn.imported else 'asked'}")
    try:
        plan = await journey.plan(drawn, source)
    except UserError as error:
        assert not can_run, error.lines
        return
    assert can_run
    await _check_data(drawn, journey, plan)
    done = []
    for run, shards in zip(plan.runs, drawn.models, strict=True):
        done.append(await journey.evaluate(run, shards, drawn.ending))
        _check_answers(drawn, journey, run, done[-1])
        _check_scores(drawn, journey, run)
        _check_metrics(drawn, journey, run, done[-1])
    check_report(drawn, journey, plan, done, await journey.report())


async def _check_data(drawn: Benchmark, journey: Journey, plan: Plan) -> None:
    """Every row is a sample or a bad row; the run asks those that its task selects."""
    dataset = plan.runs[0].dataset
    assert dataset.samples + dataset.skipped_rows == len(drawn.rows)
    manifest = await load_manifest(dataset.digest, journey.store)
    assert manifest.dataset == dataset and len(manifest.bad_rows) == dataset.skipped_rows
    samples = pl.read_parquet(journey.path(layout.dataset_samples(dataset.digest)))
    assert samples["id"].to_list() == [row.id for row in drawn.good]
    assert samples["index"].to_list() == [place for place, row in enumerate(drawn.rows) if row.fault is None]
    assert samples["doc_class"].to_list() == [row.doc_class for row in drawn.good]
    names = {name for images in samples["images"].to_list() for name in images}
    assert manifest.images == len(names) == len({row.image for row in drawn.good})
    for name in names:
        assert await journey.store.exists(layout.dataset_media(dataset.digest, name))
    asked = sum(len(drawn.turns(row)) for row in drawn.selected)
    for run in plan.runs:
        assert run.samples == asked
        assert [sum(count) for count in zip(*map(run.shard_range, range(run.shards)), strict=True)][1] == asked


def _check_answers(drawn: Benchmark, journey: Journey, run: RunSpec, done: RunEvaluationCompleted) -> None:
    """One row for each question, once, in order, with what was stored for it and nothing else."""
    expected = journey.expected[run.run_id]
    ids = [name for name, _ in drawn.asked]
    assert [name for name, _ in expected] == ids and len(set(ids)) == len(ids) == run.samples
    parquet, lines = journey.table(run, "answers.parquet"), journey.rows(run, "answers.csv")
    assert parquet.select("id", "outcome", "model_answer").rows() == [
        (name, reply.outcome, reply.text) for name, reply in expected
    ]
    assert parquet["index"].is_sorted() and parquet["index"].is_unique().all()
    assert [(line["id"], line["outcome"], line["model_answer"]) for line in lines] == [
        (name, reply.outcome, reply.text or "") for name, reply in expected
    ]
    unanswered = parquet.filter(pl.col("outcome").is_in(NO_ANSWER))
    assert unanswered["error"].null_count() == 0, "what failed says why"
    counted = Counter(reply.outcome for _, reply in expected)
    assert done.counts.model_dump() == {outcome: counted[outcome] for outcome in OUTCOMES}
    assert done.counts.total == run.samples
    if drawn.imported:
        return
    figures = json.loads(journey.path(layout.run_file(run.run_id, "performance.json")).read_bytes())
    parts = ("measured", "failed", "withdrawn", "not_asked", "reused")
    assert figures["samples"] == run.samples == sum(figures[part] for part in parts)


def _check_scores(drawn: Benchmark, journey: Journey, run: RunSpec) -> None:
    """One score for each question and metric; what samples say together has one for each sample."""
    scores, asked = journey.table(run, "scores.parquet"), drawn.asked
    outcomes = dict(journey.table(run, "answers.parquet").select("id", "outcome").iter_rows())
    labels = [bound.label for bound in bind_all(run.task.metrics)]
    found = scores["metric"].unique(maintain_order=True).to_list()
    assert [label for label in found if not DERIVED.search(label)] == labels
    for (label,), rows in scores.group_by("metric", maintain_order=True):
        if DERIVED.search(str(label)):
            several = drawn.epochs if str(label).endswith("[circular]") else 1
            assert rows.height == rows["id"].n_unique() == len(drawn.selected) * several
            assert set(rows["sample"]) == {row.id for row in drawn.selected}
            continue
        assert rows["id"].to_list() == [name for name, _ in asked]
        assert rows["sample"].to_list() == [row.id for _, row in asked]
        assert rows["document"].null_count() == 0
        for score, (name, row) in zip(rows.iter_rows(named=True), asked, strict=True):
            assert score["outcome"] == outcomes[name]
            if outcomes[name] in NO_ANSWER:
                assert score["status"] == outcomes[name] and score["value"] is None
            elif row.references or drawn.format == "tsv":
                assert score["status"] in SCORED and math.isfinite(score["value"])
            else:
                assert score["status"] == "no_reference" and score["value"] is None


_GROUPS = {
    "general": lambda row: "all",
    "by_doc_type": lambda row: row["doc_class"] or "(none)",
    "by_question_type": lambda row: row["question_type"] or "(none)",
    "by_doc_question": lambda row: f"{row['doc_class'] or '(none)'} {row['question_type'] or '(none)'}",
    "by_id": lambda row: row["id"],
}


def _check_metrics(drawn: Benchmark, journey: Journey, run: RunSpec, done: RunEvaluationCompleted) -> None:
    """Rows of every level count the scores below them; bounds are on the right side of the value."""
    scores = journey.table(run, "scores.parquet")
    lines = journey.rows(run, "metrics.csv")
    wanted: dict[tuple[str, ...], Counter[str]] = {}
    for row in scores.iter_rows(named=True):
        name = row["metric"].replace(f"@{row['normalisation']}", "")
        for level, group in _GROUPS.items():
            statuses = wanted.setdefault((name, row["normalisation"], level, group(row)), Counter())
            statuses[row["status"]] += 1
            statuses["bounded"] += row["worst_denominator"] is not None
    spread = [line for line in lines if line["metric"].endswith("[epoch_sd]")]
    counted = {_key(line): line for line in lines if line not in spread}
    assert len(counted) == len(lines) - len(spread) and counted.keys() == wanted.keys()
    for key, line in counted.items():
        n, n_scored, n_failed = (int(line[part]) for part in ("n", "n_scored", "n_failed"))
        statuses = wanted[key]
        bounded = statuses.pop("bounded")
        assert n == statuses.total()
        assert n_scored == sum(statuses[status] for status in SCORED)
        assert n_failed == sum(statuses[status] for status in NO_ANSWER)
        assert n - n_scored - n_failed == statuses["no_reference"] + statuses["not_scored"]
        assert (line["value"] == "") == (n_scored == 0)
        _check_bounds(line, bounded, n_failed)
    for level in _GROUPS:
        total = Counter[tuple[str, str]]()
        for line in lines:
            if line["level"] == level:
                total[line["metric"], line["normalisation"]] += int(line["n"])
        everything = {(line["metric"], line["normalisation"]): int(line["n"]) for line in lines
                      if line["level"] == "general" and (level != "by_id" or line not in spread)}  # fmt: skip
        assert total == everything, level
    for name in ("by_id", "by_doc_question", "by_doc_type", "general"):
        assert journey.rows(run, f"metrics_{name}.csv") == [line for line in lines if line["level"] == name]
    general = [line for line in lines if line["level"] == "general"]
    assert [(each.n, each.n_scored, each.n_failed, each.value) for each in done.metrics] == [
        (int(line["n"]), int(line["n_scored"]), int(line["n_failed"]), float(line["value"]) if line["value"] else None)
        for line in general
    ]


def _key(line: dict[str, str]) -> tuple[str, ...]:
    return line["metric"], line["normalisation"], line["level"], line["group"]


def _check_bounds(line: dict[str, str], bounded: int, n_failed: int) -> None:
    """Bounds are there where a sample was scored or could have been, and take the value in."""
    value, low, high, worst, best = (float(line[name]) if line[name] else None for name in NUMBERS)
    assert (worst is None) == (best is None) == (bounded == 0), line
    if worst is None or best is None:
        return
    if value is None:
        value = worst
    elif not n_failed:
        assert worst == pytest.approx(value) == best
    sign = 1 if higher_is_better(line["metric"]) else -1
    assert sign * worst <= sign * value + 1e-9 and sign * value <= sign * best + 1e-9, line
    if low is not None and high is not None:
        assert low <= value + 1e-5 and value <= high + 1e-5, line
