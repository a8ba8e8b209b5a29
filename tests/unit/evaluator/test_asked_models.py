"""What metrics ask models that agents serve, and what becomes of the replies."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vhb_evaluator.asking.collecting import NotedQuestions
from vhb_evaluator.asking.replies import GivenReplies
from vhb_evaluator.metrics.context import MetricContext, ModelReply
from vhb_evaluator.metrics.registry import bind, bind_all
from vhb_evaluator.scoring import score_bound
from vhb_shared.contracts.job import MetricSpec, ModelEntry
from vhb_shared.contracts.metric_label import parse_label
from vhb_shared.datasets.questions import ModelQuestion
from vhb_shared.errors import UserError

JACK, JILL = ModelEntry(name="jack", backend="openai"), ModelEntry(name="jill", backend="vllm")
SPEC = MetricSpec(name="judge", models=(JACK, JILL))
LABEL = 'judge{"models":["jack","jill"]}'


def rows(*answers: str | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    keys = {"index": range(len(answers)), "id": [str(n) for n in range(len(answers))]}
    samples = pl.DataFrame(
        {**keys, "references": [["right"]] * len(answers), "question": [f"q{n}" for n in range(len(answers))]}
    ).with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in ("doc_class", "question_type"))
    outcomes = ["failed" if answer is None else "answered" for answer in answers]
    return samples, pl.DataFrame(
        {**keys, "model_answer": answers, "outcome": outcomes}, schema_overrides={"model_answer": pl.String}
    )


def answers_file(path: Path, *said: tuple[str, str | None, str, str | None]) -> Path:
    pl.DataFrame(said, schema=["id", "model_answer", "outcome", "error"], orient="row").write_parquet(path)
    return path


def ruling(score: object) -> str:
    return json.dumps({"reason": "so", "score": score})


def test_questions_are_noted_and_replies_scored(tmp_path: Path) -> None:
    (bound,) = bind_all((SPEC,))
    assert bound.label == LABEL and bound.asks and bound.place == 0
    samples, answers = rows("a", "b", None, "d")
    noted = NotedQuestions(tmp_path / "noted", {LABEL: 2})
    first = score_bound(samples, answers, (bound.asking(noted),))
    assert first["status"].to_list() == ["not_scored", "not_scored", "failed", "not_scored"]
    table = noted.tables[LABEL]
    assert len(table) == 3  # nobody is asked about an answer that is not there
    _, file = table.finish("x")
    noted.close()
    ids = pl.read_parquet(file)["id"].to_list()

    replies = GivenReplies(tmp_path / "replies.sqlite")
    jack = [(ids[0], ruling(5), "answered", None), (ids[1], ruling(1), "truncated", None)]
    jill = [(ids[0], ruling(3), "answered", None), (ids[1], None, "failed", "HTTP 500"), (ids[2], "", "empty", None)]
    replies.add(LABEL, answers_file(tmp_path / "jack.parquet", *jack), None)
    replies.add(LABEL, answers_file(tmp_path / "jill.parquet", *jill), "the engine died")
    scores = score_bound(samples, answers, (bound.asking(replies),))
    replies.close()
    assert scores["status"].to_list() == ["scored", "not_scored", "failed", "not_scored"]
    assert scores["value"].to_list() == [0.75, None, None, None]
    details = [json.loads(detail)["judges"] for detail in scores["detail"] if detail is not None]
    assert details[0] == [
        {"model": "jack", "fingerprint": ids[0], "score": 5.0, "reason": "so", "raw": ruling(5)},
        {"model": "jill", "fingerprint": ids[0], "score": 3.0, "reason": "so", "raw": ruling(3)},
    ]
    assert details[1][0]["score"] == 1.0 and details[1][1]["failure"] == "HTTP 500"
    assert "not asked this question" in details[2][0]["failure"] and "score" not in details[2][1]


def test_a_model_that_could_not_be_asked_says_why(tmp_path: Path) -> None:
    replies = GivenReplies(tmp_path / "replies.sqlite")
    replies.add("m", None, "no such model")
    assert replies.replies("m", [ModelQuestion("s", "t")]) == [(ModelReply(None, "no such model"),)]
    replies.close()


def test_nobody_is_asked_after_a_cancellation() -> None:
    samples, answers = rows("a")
    scores = score_bound(samples, answers, bind_all((SPEC,)))
    assert scores["status"].to_list() == ["not_scored"] and "cancelled" in scores["detail"][0]


def test_the_gate_counts_in_what_is_asked(tmp_path: Path) -> None:
    schema = {"type": "object"}
    gated = SPEC.model_copy(
        update={"gate": MetricSpec.model_validate({"name": "judge", "gate": "structural_fidelity"}).gate}
    )
    (bound,) = bind_all((gated,), MetricContext(response_schema=schema))
    noted = NotedQuestions(tmp_path / "noted", {bound.label: 2})
    samples, answers = rows("{}", "no object")
    score_bound(samples, answers, (bound.asking(noted),))
    _, file = noted.tables[bound.label].finish("x")
    noted.close()
    asked = pl.read_parquet(file)["question"].to_list()
    assert len(asked) == 2 and "no object" not in asked[1]


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"name": "cer", "models": ["m"]}, "asks no models"),
        ({"name": "judge", "models": ["m"], "options": {"model": "x", "base_url": "http://h/v1"}}, "served by agents"),
        ({"name": "judge", "models": ["m"], "options": {"concurrency": 2}}, "set it in the model's entry"),
        ({"name": "judge"}, "say who judges"),
    ],
)
def test_what_does_not_go_together_is_refused(spec: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        bind(MetricSpec.model_validate(spec))


def test_a_label_is_read_back() -> None:
    spec = MetricSpec.model_validate(parse_label('judge{"highest":9,"models":["jack"]}'))
    assert (spec.models[0].name, spec.options) == ("jack", {"highest": 9})
    assert bind(spec).label == 'judge{"highest":9,"models":["jack"]}'
