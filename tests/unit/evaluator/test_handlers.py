"""The evaluator's handlers on a directory store: what is written, and what happens when things are missing."""

import csv
import io
from typing import Any

import polars as pl
import pytest

from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.tables import ANSWER_SCHEMA, METRIC_SCHEMA, SCORE_SCHEMA
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.results import ANSWERS_CSV_COLUMNS
from vhb_shared.store import layout

REFERENCES = [["abcd"], ["ab"], ["x"], ["y"], ["abcdefghij"]]
CLASSES = {"doc_class": ["a", "a", "b", "b", None], "question_type": ["q"] * 5}


async def _two_shards(bench: Any, tmp_path: Any, make_samples: Any, make_answers: Any, **options: Any) -> list[Any]:
    await bench.start(tmp_path, make_samples(REFERENCES, **CLASSES), metrics=["cer", "exact_match"], **options)
    return [
        await bench.commit(tmp_path, 0, make_answers([(1, "ab", "answered"), (0, "abc", "truncated")])),
        await bench.commit(tmp_path, 1, make_answers([(2, "", "empty"), (3, None, "failed")])),
        await bench.commit(tmp_path, 2, make_answers([(4, "abcdefghij", "answered")])),
    ]


async def test_a_run_is_collected_scored_and_aggregated(bench, tmp_path, make_samples, make_answers):
    events = await _two_shards(bench, tmp_path, make_samples, make_answers)
    await bench.handlers.on_shard_completed(events[0])
    done = await bench.handlers.evaluate_run(bench.completed(round=2, announcement=3))

    assert (done.round, done.announcement, done.name) == (2, 3, "m__t")
    assert done.counts.model_dump() == {
        "answered": 2, "empty": 1, "truncated": 1, "refused": 0, "failed": 1, "withdrawn": 0
    }  # fmt: skip
    cer, exact = done.metrics
    assert (cer.metric, cer.n, cer.n_scored, cer.n_failed, cer.higher_is_better) == ("cer", 5, 4, 1, False)
    assert cer.value == pytest.approx(2 / 17)  # edits 1+0+1+0 over lengths 4+2+1+10
    assert cer.value_if_failed_worst == pytest.approx(3 / 18)
    assert cer.value_if_failed_best == pytest.approx(2 / 18)
    assert (exact.value, exact.value_if_failed_worst, exact.value_if_failed_best) == (0.5, 0.4, 0.6)

    answers = await bench.table("answers.parquet")
    assert answers.schema == ANSWER_SCHEMA
    assert answers["index"].to_list() == [0, 1, 2, 3, 4]
    assert answers["model_answer"].to_list() == ["abc", "ab", "", None, "abcdefghij"]
    text = (await bench.store.get(layout.run_file(bench.run_id, "answers.csv"))).decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert tuple(rows[0]) == ANSWERS_CSV_COLUMNS
    assert [row[:3] for row in rows[1:]] == [
        ["0", "abc", "truncated"], ["1", "ab", "answered"], ["2", "", "empty"], ["3", "", "failed"],
        ["4", "abcdefghij", "answered"],
    ]  # fmt: skip

    scores = await bench.table("scores.parquet")
    assert scores.schema == SCORE_SCHEMA
    assert scores["index"].to_list() == [index for index in range(5) for _ in range(2)]
    metrics = await bench.table("metrics.csv")
    assert metrics.columns == METRIC_SCHEMA.names()
    assert set(done.artefacts) == {
        "answers.csv", "answers.parquet", "performance.json", "scores.parquet", "metrics.csv", "metrics_by_id.csv",
        "metrics_by_doc_question.csv", "metrics_by_doc_type.csv", "metrics_general.csv",
    }  # fmt: skip
    for name, key in done.artefacts.items():
        assert key == layout.run_file(bench.run_id, name)
        assert await bench.store.exists(key)
    by_class = await bench.table("metrics_by_doc_type.csv")
    assert by_class.filter(metric="cer")["group"].to_list() == ["(none)", "a", "b"]
    assert list(bench.scratch.iterdir()) == []


async def test_repetitions_and_rotations_are_rows_of_one_sample(bench, tmp_path, make_samples, make_answers):
    """Every variant is scored against its references as they were shown, and knows its sample and document."""
    samples = make_samples([["B"], ["red"]], choices=[["red", "green"]] * 2, document=[None, "doc"])
    task = {"metrics": ["exact_match"], "circular": True, "epochs": 2}
    await bench.start(tmp_path, samples, selected=8, shard_size=3, **task)
    ids = [f"{sample}{epoch}{turn}" for sample in "01" for epoch in ("", "~e2") for turn in ("", "~r1")]
    index = [52 * sample + 26 * epoch + turn for sample in (0, 1) for epoch in (0, 1) for turn in (0, 1)]
    said = ["B", "A", "B", "B", "red", "red", "A", None]
    answers = make_answers([(0, text, "failed" if text is None else "answered") for text in said])
    answers = answers.with_columns(pl.Series("id", ids), pl.Series("index", index, dtype=pl.UInt32))
    for shard in range(3):
        await bench.commit(tmp_path, shard, answers.slice(shard * 3, 3))
    done = await bench.handlers.evaluate_run(bench.completed())
    assert (done.counts.answered, done.counts.failed) == (7, 1)
    rows = await bench.table("answers.parquet")
    assert rows["id"].to_list() == ids and rows["index"].to_list() == index
    everything = await bench.table("scores.parquet")
    scores = everything.head(8)
    assert scores["id"].to_list() == ids
    assert scores["sample"].to_list() == ["0"] * 4 + ["1"] * 4
    assert scores["document"].to_list() == ["0"] * 4 + ["doc"] * 4
    assert scores["value"].to_list() == [1, 1, 1, 0, 1, 1, 0, None]
    # Right only with every rotation right; one wrong one decides, whatever became of the other.
    circular = everything.filter(metric="exact_match[circular]").sort("index")
    assert circular.select("id", "value").rows() == [("0", 1), ("0~e2", 0), ("1", 1), ("1~e2", 0)]
    passes = everything.filter(pl.col("metric").str.contains("pass@", literal=True)).sort("metric", "index")
    assert passes.select("metric", "id", "value").rows() == [
        (f"exact_match[circular][pass@{k}]", id_, value) for k, value in ((1, 0.5), (2, 1)) for id_ in ("0", "1")
    ]


@pytest.mark.parametrize("known", [0, 1, 2])
async def test_scores_keep_their_order_when_some_parts_are_known(bench, tmp_path, make_samples, make_answers, known):
    await bench.handlers.warm_up()
    events = await _two_shards(bench, tmp_path, make_samples, make_answers)
    await bench.handlers.on_shard_completed(events[known])
    await bench.handlers.evaluate_run(bench.completed())
    scores = (await bench.table("scores.parquet")).filter(metric="cer")
    assert scores["id"].to_list() == ["0", "1", "2", "3", "4"]
    for shard in range(3):
        assert await bench.store.exists(layout.scores_part(bench.run_id, shard, "t0"))


async def test_shard_events_and_the_final_pass_give_the_same_bytes(bench, tmp_path, make_samples, make_answers):
    events = await _two_shards(bench, tmp_path, make_samples, make_answers)
    await bench.handlers.evaluate_run(bench.completed())
    keys = [layout.scores_part(bench.run_id, shard, "t0") for shard in range(3)]
    keys += [layout.run_file(bench.run_id, name) for name in ("answers.csv", "metrics.csv", "scores.parquet")]
    first = [await bench.store.get(key) for key in keys]
    for key in keys:
        await bench.store.delete(key)
    for event in [*reversed(events), *events]:
        await bench.handlers.on_shard_completed(event)
    await bench.handlers.evaluate_run(bench.completed())
    assert [await bench.store.get(key) for key in keys] == first


async def test_stored_scores_of_a_part_are_not_computed_again(bench, tmp_path, make_samples, make_answers, monkeypatch):
    for event in await _two_shards(bench, tmp_path, make_samples, make_answers):
        await bench.handlers.on_shard_completed(event)

    def refuse(*_: Any) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr("vhb_evaluator.evaluation.score_bound", refuse)
    done = await bench.handlers.evaluate_run(bench.completed())
    assert done.metrics[0].n == 5


async def test_scores_of_other_metrics_under_the_key_are_not_believed(bench, tmp_path, make_samples, make_answers):
    await _two_shards(bench, tmp_path, make_samples, make_answers)
    stale = pl.DataFrame(schema=SCORE_SCHEMA)
    await bench.put_table(layout.scores_part(bench.run_id, 0, "t0"), stale, tmp_path)
    done = await bench.handlers.evaluate_run(bench.completed())
    assert done.metrics[0].n == 5


async def test_shards_without_a_part_carry_the_failure_of_the_run(bench, tmp_path, make_samples, make_answers):
    await bench.start(tmp_path, make_samples(REFERENCES), metrics=["cer"])
    await bench.commit(tmp_path, 1, make_answers([(2, "x", "answered")]))  # one of its two samples is missing
    done = await bench.handlers.evaluate_run(bench.failed("the backend could not be started"))
    answers = await bench.table("answers.parquet")
    assert answers["outcome"].to_list() == ["failed", "failed", "answered", "failed", "failed"]
    assert answers["error"].to_list() == [
        "the backend could not be started", "the backend could not be started", None,
        "the backend could not be started", "the backend could not be started",
    ]  # fmt: skip
    (cer,) = done.metrics
    assert (cer.n, cer.n_scored, cer.n_failed, cer.value) == (5, 1, 4, 0)
    assert cer.value_if_failed_worst == pytest.approx(17 / 18)


async def test_a_cancelled_run_withdraws_what_was_not_answered(bench, tmp_path, make_samples, make_answers):
    await bench.start(tmp_path, make_samples(REFERENCES), metrics=["cer"])
    await bench.commit(tmp_path, 0, make_answers([(0, "abcd", "answered"), (1, "ab", "answered")]))
    bench.state = bench.state.model_copy(update={"cancel_requested": True, "failure": Failure(kind="x", message="y")})
    done = await bench.handlers.evaluate_run(bench.completed())
    answers = await bench.table("answers.parquet")
    assert answers["outcome"].to_list() == ["answered"] * 2 + ["withdrawn"] * 3
    assert all(error.startswith("cancelled") for error in answers["error"][2:])
    assert done.counts.withdrawn == 3
    assert done.metrics[0].n_failed == 3


async def test_scores_from_before_a_job_was_cancelled_say_what_answers_say(bench, tmp_path, make_samples, make_answers):
    await bench.start(tmp_path, make_samples(REFERENCES[:2]), metrics=["cer", "exact_match"])
    event = await bench.commit(tmp_path, 0, make_answers([(0, "abcd", "answered")]))  # one of its two is missing
    await bench.handlers.on_shard_completed(event)
    bench.state = bench.state.model_copy(update={"cancel_requested": True})
    await bench.handlers.evaluate_run(bench.completed())
    assert (await bench.table("answers.parquet"))["outcome"].to_list() == ["answered", "withdrawn"]
    scores = await bench.table("scores.parquet")
    assert scores["outcome"].to_list() == ["answered"] * 2 + ["withdrawn"] * 2
    assert scores["status"].to_list() == ["scored"] * 2 + ["withdrawn"] * 2


async def test_a_retry_given_up_keeps_the_answers_it_started_from(bench, tmp_path, make_samples, make_answers):
    await bench.start(tmp_path, make_samples(REFERENCES[:2]))
    await bench.commit(tmp_path, 0, make_answers([(0, "abcd", "answered"), (1, None, "failed")]))
    bench.state = bench.state.model_copy(update={"committed": {}, "keep": {0: "t0"}})
    done = await bench.handlers.evaluate_run(bench.failed("gone"))
    assert (done.counts.answered, done.counts.failed) == (1, 1)


@pytest.mark.parametrize("options", [{"metrics": []}, {"metrics": ["cer"], "stages": ("inference", "reporting")}])
async def test_answers_are_collected_when_nothing_is_scored(bench, tmp_path, make_samples, make_answers, options):
    await bench.start(tmp_path, make_samples(REFERENCES[:2]), **options)
    event = await bench.commit(tmp_path, 0, make_answers([(0, "abcd", "answered"), (1, "b", "answered")]))
    await bench.handlers.on_shard_completed(event)
    done = await bench.handlers.evaluate_run(bench.completed())
    assert done.metrics == ()
    assert set(done.artefacts) == {"answers.csv", "answers.parquet", "performance.json"}
    assert not await bench.store.exists(layout.scores_part(bench.run_id, 0, "t0"))
    assert (await bench.table("answers.csv")).height == 2


async def test_filter_and_limit_select_the_samples(bench, tmp_path, make_samples, make_answers):
    samples = make_samples(REFERENCES, doc_class=["a", "b", "a", "b", "b"])
    await bench.start(tmp_path, samples, metrics=["cer"], filter={"doc_class": "b"}, limit=2, selected=2)
    await bench.commit(tmp_path, 0, make_answers([(3, "y", "answered"), (1, "ab", "answered"), (4, "no", "answered")]))
    done = await bench.handlers.evaluate_run(bench.completed())
    assert (await bench.table("answers.csv"))["id"].to_list() == ["1", "3"]
    assert done.metrics[0].n == 2


async def test_imported_answers_are_scored(bench, tmp_path, make_samples):
    key = layout.imported_answers("a" * 64)
    # A directory store hands files out as they are; the digest in the name is the importer's business.
    imported = pl.DataFrame({"id": [3, 0, 99, 1, 2], "model_answer": ["y", "abcd", "stray", "", None]})
    await bench.start(tmp_path, make_samples(REFERENCES), metrics=["cer"], answers_key=key, stages=("evaluation",))
    await bench.put_table(key, imported, tmp_path)
    done = await bench.handlers.evaluate_run(bench.completed())
    answers = await bench.table("answers.parquet")
    assert answers["outcome"].to_list() == ["answered", "empty", "failed", "answered", "failed"]
    assert answers["error"].to_list()[2:] == ["no answer in the imported file", None, "no answer in the imported file"]
    assert (done.metrics[0].n, done.metrics[0].n_scored) == (5, 3)


async def test_by_question_type_and_the_old_name_of_general(bench, tmp_path, make_samples, make_answers):
    await bench.start(
        tmp_path, make_samples(REFERENCES[:2]), metrics=["cer"], aggregators=["overall", "by_question_type"]
    )
    await bench.commit(tmp_path, 0, make_answers([(0, "abcd", "answered"), (1, "b", "answered")]))
    done = await bench.handlers.evaluate_run(bench.completed())
    assert {name for name in done.artefacts if name.startswith("metrics_")} == {
        "metrics_general.csv", "metrics_by_question_type.csv"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"metrics": ["cet"]}, "unknown metric 'cet': did you mean 'cer'"),
        ({"metrics": [{"name": "cer", "normalisation": "txt"}]}, "unknown normalisation 'txt': did you mean 'text@1'"),
        ({"metrics": [{"name": "anls", "profile": "x"}]}, "unknown profile 'x' of metric 'anls': known are vlmevalkit"),
        ({"metrics": ["cer"], "aggregators": ["by_moon"]}, "unknown aggregator 'by_moon'"),
    ],
)
async def test_what_cannot_be_evaluated_is_a_failure_in_words(bench, tmp_path, make_samples, options, sentence):
    await bench.start(tmp_path, make_samples(REFERENCES[:1]), **options)
    with pytest.raises(EvaluationFailed, match=sentence):
        await bench.handlers.evaluate_run(bench.completed())


async def test_a_lost_or_unreadable_part_is_a_failure_not_a_missing_answer(bench, tmp_path, make_samples, make_answers):
    await bench.start(tmp_path, make_samples(REFERENCES[:2]), metrics=["cer"])
    event = await bench.commit(tmp_path, 0, make_answers([(0, "abcd", "answered")]))
    await bench.store.delete(event.part_key)
    with pytest.raises(EvaluationFailed, match=r"part-00000.t0.parquet is missing"):
        await bench.handlers.evaluate_run(bench.completed())
    await bench.store.put(event.part_key, b"not parquet")
    await bench.handlers.on_shard_completed(event)  # logged, not raised
    with pytest.raises(EvaluationFailed, match="cannot be read"):
        await bench.handlers.evaluate_run(bench.completed())


async def test_any_column_of_the_data_set_is_a_level(bench, tmp_path, make_samples, make_answers):
    samples = make_samples(
        REFERENCES, fields=['{"lang":"ru"}', '{"lang":"en","x":"1"}', None, '{"lang":"ru"}', '{"lang":"ru"}'],
        split=["a", "a", "b", "b", "b"],
    )  # fmt: skip
    await bench.start(tmp_path, samples, metrics=["cer"], aggregators=["general", "column:lang", "column:split"])
    event = await bench.commit(tmp_path, 0, make_answers([(0, "abcd", "answered"), (1, "", "empty")]))
    await bench.commit(tmp_path, 1, make_answers([(2, "x", "answered"), (3, None, "failed")]))
    await bench.commit(tmp_path, 2, make_answers([(4, "abcdefghi", "answered")]))
    await bench.handlers.on_shard_completed(event)  # one part is scored ahead of time, without the columns
    done = await bench.handlers.evaluate_run(bench.completed())
    assert {name for name in done.artefacts if name.startswith("metrics_")} == {
        "metrics_general.csv", "metrics_lang.csv", "metrics_split.csv"
    }  # fmt: skip
    lang = await bench.table("metrics_lang.csv")
    assert lang.select("level", "group", "value", "n", "n_failed").rows() == [
        ("column:lang", "(none)", "0.0", "1", "0"),
        ("column:lang", "en", "1.0", "1", "0"),
        ("column:lang", "ru", str(1 / 14), "3", "1"),
    ]
    everything = await bench.table("metrics.csv")
    assert everything.filter(level="column:split")["group"].to_list() == ["a", "b"]
    assert list(dict.fromkeys(everything["level"]))[-3:] == ["column:lang", "column:split", "by_id"]
    scores = await bench.table("scores.parquet")
    assert scores["column:lang"].to_list() == ["ru", "en", None, "ru", "ru"]
