"""What the evaluator notes for later runs, and what it counts of earlier ones."""

import hashlib
from typing import Any

import polars as pl
import pytest

from vhb_evaluator.errors import EvaluationFailed
from vhb_shared.reuse.index import AnswerIndex, decode_index

REFERENCES = [["abcd"], ["ab"], ["x"], ["y"]]
TOKENS = ("0123456789ab", "ba9876543210")


def fingerprint(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


async def two_shards(bench: Any, tmp_path: Any, make_samples: Any, make_answers: Any, **options: Any) -> None:
    await bench.start(tmp_path, make_samples(REFERENCES), metrics=["cer"], **options)
    first, second = [(0, "abcd", "answered"), (1, "", "empty")], [(2, "x", "answered"), (3, None, "failed")]
    for shard, rows in enumerate((first, second)):
        answers = make_answers(rows).with_columns(
            fingerprint=pl.Series([fingerprint(row[0]) for row in rows]),
            reused_from=pl.Series(["old-job-0" if row[0] == 2 else None for row in rows], dtype=pl.String),
        )
        await bench.commit(tmp_path, shard, answers, token=TOKENS[shard])


async def index_of(bench: Any) -> AnswerIndex:
    keys = [info.key async for info in bench.store.list("reuse/")]
    return AnswerIndex({key: decode_index(key, await bench.store.get(key)) for key in keys})


async def test_answers_are_noted_and_reused_ones_counted(bench, tmp_path, make_samples, make_answers):
    await two_shards(bench, tmp_path, make_samples, make_answers)
    done = await bench.handlers.evaluate_run(bench.completed())
    assert (done.reused.count, done.reused.jobs) == (1, ("old-job",))
    places = (await index_of(bench)).find([fingerprint(number) for number in range(4)])
    assert set(places) == {fingerprint(0), fingerprint(1)}  # not what failed, nor what another run got
    assert {(place.run_id, place.shard, place.token) for place in places.values()} == {(bench.run_id, 0, TOKENS[0])}
    await bench.handlers.evaluate_run(bench.completed())
    assert len([info async for info in bench.store.list("reuse/")]) == 1


async def test_answers_are_noted_although_a_metric_fails(bench, tmp_path, make_samples, make_answers, monkeypatch):
    await two_shards(bench, tmp_path, make_samples, make_answers)

    def broken(*_: object) -> None:
        raise EvaluationFailed("the metric is broken")

    monkeypatch.setattr("vhb_evaluator.evaluation.score_bound", broken)
    with pytest.raises(EvaluationFailed):
        await bench.handlers.evaluate_run(bench.completed())
    assert len(await index_of(bench)) == 2


async def test_shards_that_a_retry_left_out_are_withdrawn(bench, tmp_path, make_samples, make_answers):
    await two_shards(bench, tmp_path, make_samples, make_answers)
    bench.state = bench.state.model_copy(update={"committed": {0: TOKENS[0]}, "left_out": (1,)})
    done = await bench.handlers.evaluate_run(bench.completed())
    assert (done.counts.answered, done.counts.empty, done.counts.withdrawn, done.counts.failed) == (1, 1, 2, 0)
    answers = await bench.table("answers.parquet")
    assert "left out of the retry" in answers["error"][3]
