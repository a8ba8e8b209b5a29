"""Answers of earlier runs: used where they are in order, asked again where anything is amiss."""

import hashlib
import io
from typing import Any

import polars as pl
import pytest

from vhb_inference_agent.runner.parts import decode_part, encode_part
from vhb_inference_agent.runner.reuse import KnownAnswers
from vhb_shared.asking.questions import RunFiles, shard_questions
from vhb_shared.contracts.job import Generation
from vhb_shared.reuse.index import encode_index, part_rows
from vhb_shared.reuse.scope import reuse_scope
from vhb_shared.store import layout
from vhb_shared.store.cache import ObjectCache
from vhb_shared.testing.samples import store_samples


def known_by(desk: Any) -> KnownAnswers:
    return KnownAnswers(desk.store, ObjectCache(desk.store, desk.state_dir / "cache"))


async def note(desk: Any, run: Any, event: Any) -> str:
    """What the evaluator does when a run's answers are complete; the key of the index."""
    answers = pl.read_parquet(io.BytesIO(await desk.store.get(event.part_key)))
    rows, latest = part_rows(answers, event.shard, event.token)
    found = encode_index(reuse_scope(run.model), event.run_id, [rows], latest)
    assert found is not None
    await desk.store.put(found.key, found.data)
    return found.key


async def answered(desk: Any, endpoint: Any, samples: int = 12, **model: Any) -> tuple[Any, Any]:
    """A run that asked everything, with its index; counts are forgotten."""
    run = desk.run(await store_samples(desk.store, samples), **model)
    event = await desk.answer(run)
    await note(desk, run, event)
    endpoint.control(reset=True, rules=[])
    return run, event


def again(run: Any, **changes: Any) -> Any:
    return run.model_copy(update={"run_id": "other-0", "reuse": True, **changes})


def work_of(desk: Any, **more: Any) -> Any:
    return desk.work(**more).model_copy(update={"run_id": "other-0"})


async def ask(desk: Any, run: Any, known: KnownAnswers, **more: Any) -> Any:
    desk.known = known
    return await desk.answer(run, work_of(desk), **more)


async def test_known_answers_are_not_asked(desk, endpoint) -> None:
    run, first = await answered(desk, endpoint)
    second = await ask(desk, again(run), known_by(desk))
    assert endpoint.stats()["total"] == 0
    assert (second.reused, second.counts) == (12, first.counts)
    rows, before = await desk.rows(second), await desk.rows(first)
    assert {row.pop("reused_from") for row in rows} == {"run"} and {row.pop("reused_from") for row in before} == {None}
    assert rows == before


async def test_a_run_that_used_answers_again_names_who_got_them(desk, endpoint) -> None:
    run, _ = await answered(desk, endpoint)
    second = await ask(desk, again(run), known_by(desk))
    answers = pl.read_parquet(io.BytesIO(await desk.store.get(second.part_key)))
    assert part_rows(answers, 0, second.token)[0].is_empty()


@pytest.mark.parametrize(
    "change", [{"reuse": False}, {"seed": 1}, {"concurrency": 1}, {"prompt": "Other: {{ question }}"}], ids=str
)
async def test_other_requests_are_asked(desk, endpoint, change) -> None:
    run, _ = await answered(desk, endpoint)
    other = again(run)
    if "reuse" in change:
        other = again(run, reuse=False)
    elif "seed" in change:
        other = again(run, model=run.model.model_copy(update={"generation": Generation(seed=1)}))
    elif "concurrency" in change:
        other = again(run, model=run.model.model_copy(update=change))
    else:
        other = again(run, task=run.task.model_copy(update=change))
    assert (await ask(desk, other, known_by(desk))).reused == 0
    assert endpoint.stats()["total"] == 12


async def test_more_samples_cost_only_themselves(desk, endpoint) -> None:
    await answered(desk, endpoint)
    more = again(desk.run(await store_samples(desk.store, 15)))
    event = await ask(desk, more, known_by(desk))
    assert (event.reused, event.counts.answered, endpoint.stats()["total"]) == (12, 15, 3)


async def test_what_failed_is_asked_again(desk, endpoint) -> None:
    endpoint.control(
        rules=[{"match": "question 7", "status": 400}, {"match": "question 3", "action": "answer", "text": ""}]
    )
    run, first = await answered(desk, endpoint)
    assert (first.counts.failed, first.counts.empty) == (1, 1)
    event = await ask(desk, again(run), known_by(desk))
    assert (event.reused, event.counts.answered, event.counts.empty) == (11, 11, 1)
    assert endpoint.stats()["total"] == 1


async def test_an_index_that_comes_later_is_found_by_the_next_run(desk, endpoint) -> None:
    known = known_by(desk)
    run = desk.run(await store_samples(desk.store, 4))
    desk.known = known
    first = await desk.answer(run.model_copy(update={"reuse": True}))
    await note(desk, run, first)
    assert (await ask(desk, again(run), known)).reused == 4
    assert endpoint.stats()["total"] == 4


@pytest.mark.parametrize("damage", ["index gone", "index damaged", "part gone", "part damaged", "part forged"])
async def test_what_is_not_in_order_is_asked_again(desk, endpoint, damage) -> None:
    run, event = await answered(desk, endpoint)
    (key,) = [info.key async for info in desk.store.list("reuse/")]
    which = key if damage.startswith("index") else event.part_key
    data = await desk.store.get(which)
    known = known_by(desk)
    if damage == "part gone":  # after the index was read, as by `vhb clean` under a running agent
        assert (await ask(desk, again(run, run_id="third-0"), known)).reused == 12
        known._parts.clear()
    await desk.store.delete(which)
    if damage.endswith("damaged"):
        await desk.store.put(which, data[: len(data) // 2])
    elif damage == "part forged":
        rows = [row.model_copy(update={"model_answer": "forged"}) for row in decode_part(data)]
        await desk.store.put(which, encode_part(rows).data)
    event = await ask(desk, again(run), known)
    assert (event.reused, event.counts.answered) == (0, 12)
    assert endpoint.stats()["total"] == 12


async def test_rows_that_break_the_contract_are_asked_again(desk, endpoint) -> None:
    """A part whose name fits its content, written by somebody else."""
    run = desk.run(await store_samples(desk.store, 12))
    samples = await ObjectCache(desk.store, desk.state_dir / "cache").path(layout.dataset_samples(run.dataset.digest))
    questions = shard_questions(RunFiles(samples), run, 0)
    table = pl.DataFrame(
        {
            "index": pl.Series([0, 1], dtype=pl.UInt32),
            "id": ["x", "y"],
            "outcome": ["answered", "wonderful"],
            "model_answer": ["a", "b"],
            "attempts": [1, 1],
            "fingerprint": [question.fingerprint for question in questions[:2]],
            "answered_at": ["", ""],
        }
    )
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    data = buffer.getvalue()
    token = hashlib.sha256(data).hexdigest()[:12]
    await desk.store.put(layout.answers_part("run", 0, token), data)
    indexed, latest = part_rows(table.with_columns(outcome=pl.lit("answered")), 0, token)
    found = encode_index(reuse_scope(run.model), "run", [indexed], latest)
    assert found is not None and indexed.height == 2
    await desk.store.put(found.key, found.data)
    event = await ask(desk, again(run), known_by(desk))
    assert (event.reused, endpoint.stats()["total"]) == (0, 12)


async def test_two_samples_with_one_request_share_a_known_answer(desk, endpoint) -> None:
    run = desk.run(await store_samples(desk.store, 4, images=1))
    run = run.model_copy(update={"task": run.task.model_copy(update={"prompt": "Read."})})
    event = await desk.answer(run)
    await note(desk, run, event)
    endpoint.control(reset=True)
    event = await ask(desk, again(run), known_by(desk))
    assert (event.reused, endpoint.stats()["total"]) == (4, 0)
    assert [row["id"] for row in await desk.rows(event)] == ["s00000", "s00001", "s00002", "s00003"]
