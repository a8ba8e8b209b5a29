"""Every registered metric scores whatever a model may say: in bounded time, finite, in its range, never a crash."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vhb_evaluator.aggregation import aggregate
from vhb_evaluator.metrics.context import MetricContext
from vhb_evaluator.metrics.registry import bind, metric_class, metric_names
from vhb_evaluator.scoring import score
from vhb_shared.contracts.job import MetricSpec

OURS = tuple(name for name in metric_names() if metric_class(name).__module__.startswith("vhb_evaluator."))
CHOICES = ["Invoice", "letter", "a form"]
OPTIONS: dict[str, dict[str, Any]] = {
    name: {"classes": CHOICES} for name in OURS if "classes" in metric_class(name).options_type.model_fields
}
OPTIONS["structural_fidelity"] = {"schema": {"type": "object"}}
OPTIONS["judge"] = {"model": "m", "base_url": "http://127.0.0.1:9/v1"}
_JSON = ['{"a": "form", "b": [{"c": "letter"}]}']
_TABLE = ["<table><tr><td>a form</td><td>letter</td></tr></table>"]
OWN_REFERENCES: dict[str, list[str]] = {
    **dict.fromkeys(("field_f1", "field_accuracy", "item_count_accuracy", "anls_star"), _JSON),
    **dict.fromkeys(("teds", "teds_s"), _TABLE),
    **{key: ["[1, 0, 2]"] for key in ("kendall_tau", "spearman_rho", "positional_accuracy")},
    **{key: ["[0, 0, 9, 9]"] for key in ("iou", "iou_accuracy")},
}
"""Of metrics that compare with something else than a text."""
UNBOUNDED = {"cer", "cer_mean", "wer", "wer_mean", "ter"}
"""Error rates, which may exceed 1."""
REFERENCES = ["a form", "letter", "Invoice"]
MEGA = 10_000_000
TOO_SLOW_S = 60

HOSTILE = {
    "10 MB of one letter": "a" * MEGA,
    "10 MB of words": "a form " * (MEGA // 7),
    "10 MB without a space": "аб" * (MEGA // 4),
    "10 MB of different words": " ".join(map(str, range(MEGA // 8))),
    "10 MB of digits and commas": "1,2" * (MEGA // 3),
    "NUL bytes": "\x00letter\x00" * 50,
    "control characters": "".join(map(chr, range(32))) + "\x7f\x85\u2028\u2029\ufeff\u202e",
    "no characters": "\ufffe\uffff\U0010ffff\ufffd",
    "combining marks": "e" + "\u0301" * 5000,
    "what NFKC lengthens 18 times": "\ufdfa" * 100_000,
    "HTML": "<script>alert(1)</script><table><tr><td colspan='1e9'>letter</table>" * 20,
    "deep JSON": "[" * 100_000 + "]" * 100_000,
    "deep objects": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "nearly JSON": '{"a": [1, 2, {"b": "\\ud800"}], "a": 1e999}',
    "a CSV formula": '=HYPERLINK("http://x","y")\r\n"a";b',
    "a pattern": "(a+)+$[[:alpha:]]\\p{L}{1000}" * 10,
    "numbers": "1e999 nan inf -inf 1e-999 0x10 ١٢٣ ½",
    "a number alone": "1e999",
    "not a number": "NaN",
    "template and format codes": "{{ 7*7 }} %s %n {0} ${x}",
    "nothing": "",
    "white space": " \t\n\u00a0\u3000",
}


def _spec(name: str) -> MetricSpec:
    return MetricSpec(name=name, options=OPTIONS.get(name, {}))


class _Lenient:
    """A judge that has said the same of everything already."""

    def find(self, fingerprints: Sequence[str]) -> dict[str, bytes]:
        return dict.fromkeys(fingerprints, json.dumps({"raw": '{"score": 4}'}).encode())

    def keep(self, judgements: Mapping[str, bytes]) -> None:
        assert not judgements


CONTEXT = MetricContext(judgements=_Lenient())


def _samples(count: int, name: str) -> pl.DataFrame:
    rows = list(range(count))
    return pl.DataFrame({
        "index": rows, "id": [f"s{row}" for row in rows], "doc_class": ["x"] * count, "question_type": ["q"] * count,
        "references": [OWN_REFERENCES.get(name, REFERENCES)] * count, "choices": [CHOICES] * count,
        "answer_bbox": pl.Series([None] * count, dtype=pl.String), "fields": pl.Series([None] * count, dtype=pl.String),
    })  # fmt: skip


def _answers(texts: list[str | None]) -> pl.DataFrame:
    rows = list(range(len(texts)))
    outcomes = ["failed" if text is None else "answered" for text in texts]
    return pl.DataFrame({
        "index": rows, "id": [f"s{row}" for row in rows],
        "model_answer": pl.Series(texts, dtype=pl.String), "outcome": outcomes,
    })  # fmt: skip


def _check(rows: pl.DataFrame, name: str) -> None:
    for row in rows.iter_rows(named=True):
        assert row["status"] in ("scored", "unparsable"), row["status"]
        extremes = metric_class(name).extremes
        assert math.isfinite(row["value"]) and row["value"] >= (extremes[0] if extremes else 0), row["value"]
        assert row["value"] <= 1 or name in UNBOUNDED, row["value"]
        if row["detail"] is not None:
            json.loads(row["detail"])


@pytest.mark.slow
@pytest.mark.parametrize("name", OURS)
def test_hostile_answers_are_scored(name):
    """All of them in one batch, as they would come."""
    started = time.monotonic()
    rows = score(_samples(len(HOSTILE), name), _answers(list(HOSTILE.values())), (_spec(name),), CONTEXT)
    assert time.monotonic() - started < TOO_SLOW_S
    assert rows.height == len(HOSTILE)
    _check(rows, name)


@pytest.mark.parametrize("name", OURS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts=st.lists(st.one_of(st.none(), st.text(max_size=20), st.sampled_from(CHOICES)), min_size=1, max_size=6))
def test_any_answers_have_finite_values_between_their_bounds(name, texts):
    """worst <= value <= best in the metric's direction, in every group; nobody is lost."""
    rows = score(_samples(len(texts), name), _answers(texts), (_spec(name),), CONTEXT)
    _check(rows.filter(pl.col("outcome") != "failed"), name)
    table = aggregate(rows, "run", "model", "task").filter(level="general").row(0, named=True)
    assert (table["n"], table["n_failed"]) == (len(texts), texts.count(None))
    worst, value, best = (table[part] for part in ("value_if_failed_worst", "value", "value_if_failed_best"))
    value = worst if value is None else value
    if bind(_spec(name)).metric.direction == "lower":
        worst, value, best = -worst, -value, -best
    assert worst <= value + 1e-12 and value <= best + 1e-12


@pytest.mark.parametrize("name", OURS)
def test_lone_surrogates_cannot_arrive(name):
    """A text that is not Unicode is refused by the table itself, before any metric sees it."""
    with pytest.raises((UnicodeEncodeError, TypeError)):
        _answers(["\ud800"])
    escaped = "\ud800 letter".encode("utf-8", "replace").decode()
    _check(score(_samples(1, name), _answers([escaped]), (_spec(name),), CONTEXT), name)
