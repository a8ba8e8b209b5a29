"""Every metric reproduces its hand-checked vectors, alone and in one batch."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vhb_evaluator.aggregation import aggregate
from vhb_evaluator.metrics.context import MetricContext
from vhb_evaluator.metrics.registry import metric_class, metric_names
from vhb_evaluator.scoring import score
from vhb_shared.contracts.job import MetricSpec

GOLDEN = Path(__file__).parents[2] / "golden"
FILES = sorted(GOLDEN.glob("*.json"))


def _cases(kind: str) -> list[Any]:
    found = []
    for path in FILES:
        content = json.loads(path.read_text(encoding="utf-8"))
        common = {"metric": content["metric"], "options": content.get("options", {})}
        found += [pytest.param(common | case, id=f"{path.stem}-{case['name']}") for case in content.get(kind, ())]
    return found


def _table(cases: list[dict[str, Any]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    rows = list(range(len(cases)))
    keys = {"index": rows, "id": [f"s{row}" for row in rows]}
    samples = pl.DataFrame({
        **keys, "doc_class": pl.Series([case.get("doc_class") for case in cases], dtype=pl.String),
        "question_type": pl.Series([case.get("question_type") for case in cases], dtype=pl.String),
        "references": [case["references"] for case in cases],
        "choices": pl.Series([case.get("choices", []) for case in cases], dtype=pl.List(pl.String)),
        "answer_bbox": pl.Series([case.get("answer_bbox") for case in cases], dtype=pl.String),
        "fields": pl.Series([case.get("fields") for case in cases], dtype=pl.String),
    }, schema_overrides={"references": pl.List(pl.String)})  # fmt: skip
    answers = pl.DataFrame(
        {**keys, "model_answer": [case["answer"] for case in cases], "outcome": ["answered"] * len(rows)}
    )
    return samples, answers.reverse()


def _spec(case: dict[str, Any]) -> MetricSpec:
    return MetricSpec(
        name=case["metric"], normalisation=case.get("normalisation"), profile=case.get("profile"),
        options=case["options"],
    )  # fmt: skip


class _Said:
    """What judges said, in the order in which they are asked."""

    def __init__(self, replies: list[str]) -> None:
        self._replies = replies

    def find(self, fingerprints: Sequence[str]) -> dict[str, bytes]:
        replies = (json.dumps({"raw": reply}).encode() for reply in self._replies)
        return dict(zip(fingerprints, replies, strict=True))

    def keep(self, judgements: Mapping[str, bytes]) -> None:
        assert not judgements


def _context(case: dict[str, Any]) -> MetricContext:
    return MetricContext(judgements=_Said(case["judges_said"]) if "judges_said" in case else None)


def _check(row: dict[str, Any], case: dict[str, Any]) -> None:
    assert row["status"] == case.get("status", "scored")
    if "detail" in case:
        assert json.loads(row["detail"]) == case["detail"]
    for field in ("value", "numerator", "denominator"):
        if field in case:
            wanted = case[field]
            assert row[field] == (wanted if wanted is None else pytest.approx(wanted, abs=1e-12)), field


@pytest.mark.parametrize("case", _cases("cases"))
def test_vector(case):
    (row,) = score(*_table([case]), (_spec(case),), _context(case)).to_dicts()
    _check(row, case)


@pytest.mark.parametrize("case", _cases("groups"))
def test_value_of_a_group(case):
    rows = aggregate(score(*_table(case["samples"]), (_spec(case),)), "run", "model", "task")
    assert rows.filter(level="general")["value"].to_list() == [pytest.approx(case["value"], abs=1e-12)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_batch_scores_as_its_samples_do(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    own = {"normalisation", "profile", "options"}
    plain = [case for case in content["cases"] if not own & set(case)]
    if not plain:
        return  # a metric that is nothing without options
    spec = MetricSpec(name=content["metric"], options=content.get("options", {}))
    rows = score(*_table(plain), (spec,)).to_dicts()
    assert [row["id"] for row in rows] == [f"s{place}" for place in range(len(plain))]
    for row, case in zip(rows, plain, strict=True):
        _check(row, case)


def test_every_metric_of_ours_has_vectors_and_says_what_it_is():
    ours = [name for name in metric_names() if metric_class(name).__module__.startswith("vhb_evaluator.")]
    assert {json.loads(path.read_text(encoding="utf-8"))["metric"] for path in FILES} == set(ours)
    for name in ours:
        metric = metric_class(name)
        assert metric.summary and metric.source and metric.version
        assert metric.direction in ("higher", "lower")
