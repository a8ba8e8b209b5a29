"""Metrics that ask models: the run waits for a job of their questions, whatever dies or comes twice."""

import tempfile
from pathlib import Path
from typing import Any

import pytest

from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.commands import CancelJob, RetryJob, SubmitJob
from vhb_shared.contracts.events import Questions, RunEvaluationCompleted, RunQuestionsAsked, RunShardCompleted
from vhb_shared.contracts.job import JobSpec, MetricSpec, ModelEntry, TaskEntry
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.results import OutcomeCounts
from vhb_shared.contracts.state import RunState
from vhb_shared.datasets.questions import ModelQuestion, QuestionTable, store_questions
from vhb_shared.store import layout

MODEL = ModelEntry(name="m", backend="openai", base_url="http://127.0.0.1:9/v1")
CHILD = "j-0-q0-0"


async def submitted(desk: Any, *judges: ModelEntry) -> RunState:
    """A job whose run has all its answers."""
    metric = MetricSpec(name="judge", models=judges or (MODEL,))
    task = TaskEntry(
        name="t", dataset=f"sha256:{desk.dataset.digest}", prompt="Read: {{ question }}", metrics=(metric,)
    )
    job = JobSpec(name="j", models=(MODEL,), tasks=(task,), shard_size=2)
    await desk.handlers.submit(SubmitJob(job_id="j", job=job))
    for shard in range(3):
        await desk.complete(shard)
    run = await desk.run()
    assert run.stage == "evaluation" and not run.asking
    return run


async def asked(desk: Any, round_: int = 0) -> RunQuestionsAsked:
    """The evaluator has stored six questions and says so."""
    run = RunSpec.model_validate_json(await desk.store.get(layout.run_spec("j-0")))
    with tempfile.TemporaryDirectory() as folder:
        table = QuestionTable(Path(folder) / "questions")
        for number in range(6):
            table.add(ModelQuestion("Judge.", f"{{{{ question }}}} {number}"))
        digest, file = table.finish(run.dataset.media_digest)
        await store_questions(digest, file, len(table), run, desk.store)
        table.close()
    questions = (Questions(metric=0, dataset_digest=digest, samples=6),)
    return RunQuestionsAsked(job_id="j", run_id="j-0", name="m__t", round=round_, questions=questions)


async def answer(desk: Any, child: str = CHILD) -> None:
    """Agents answer all questions of a job, and the evaluator collects them."""
    job = await desk.job(child)
    for run_id in job.run_ids:
        run = await desk.run(run_id)
        for shard in range(run.shards):
            await desk.handlers.shard_completed(
                RunShardCompleted(
                    job_id=child, run_id=run_id, name=run.name, shard=shard, attempt=0, token=f"{shard:012x}",
                    part_key="k", sha256="s", counts=OutcomeCounts(answered=2), seconds=1, agent_id="a",
                )
            )  # fmt: skip
        await desk.handlers.evaluation_completed(
            RunEvaluationCompleted(job_id=child, run_id=run_id, name=run.name, counts=OutcomeCounts(answered=6))
        )


async def announced(desk: Any) -> int:
    """How often it was said that the run's answers are complete."""
    subject = subjects.event("j", "run.inference.completed")
    info = await desk.bus.js.stream_info(topology.EVENTS, subjects_filter=subject)
    return int((info.state.subjects or {}).get(subject, 0))


async def test_the_run_waits_for_its_questions(desk: Any) -> None:
    await submitted(desk, MODEL, MODEL.model_copy(update={"name": "n"}))
    await desk.handlers.questions_asked(await asked(desk))
    await desk.handlers.questions_asked(await asked(desk))
    run, child = await desk.run(), await desk.job(CHILD)
    assert run.asking == {0: CHILD} and run.stage == "evaluation"
    assert child.asked_by == "j-0" and child.status == "running" and len(child.run_ids) == 2
    first = await desk.run(f"{CHILD}-0")
    assert first.model == "m" and await desk.shards(first) == {0, 1, 2}

    assert await announced(desk) == 1
    await desk.look_twice()
    assert await announced(desk) == 1, "nothing is said again while models are asked"

    await answer(desk)
    run = await desk.run()
    assert run.asking == {} and run.asked == {0: CHILD} and run.announcement == 1
    assert await announced(desk) == 2
    await desk.handlers.questions_asked(await asked(desk))  # a late repeat
    assert (await desk.run()).asked == {0: CHILD}


async def test_the_end_of_questions_is_found_although_nobody_said_it(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await submitted(desk)
    await desk.handlers.questions_asked(await asked(desk))
    announcer = desk.handlers._announcer
    with monkeypatch.context() as broken:

        async def killed(run_id: str) -> None:
            return None

        broken.setattr(announcer, "note_models_answered", killed)
        await answer(desk)
    assert (await desk.run()).asking
    await desk.reconciler.look()
    assert (await desk.run()).asked == {0: CHILD}


async def test_a_process_that_died_before_it_wrote_down_the_questions_goes_on(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await submitted(desk)
    with monkeypatch.context() as broken:

        def killed(*_: object) -> None:
            raise ConnectionError("killed")

        broken.setattr("vhb_scheduler.lifecycle.ask_models", killed)
        with pytest.raises(ConnectionError):
            await desk.handlers.questions_asked(await asked(desk))
    await answer(desk)  # agents are quicker than the scheduler is back
    assert not (await desk.run()).asked
    await desk.handlers.questions_asked(await asked(desk))
    run = await desk.run()
    assert run.asked == {0: CHILD} and run.announcement == 1


async def test_cancelling_cancels_the_questions(desk: Any) -> None:
    await submitted(desk)
    await desk.handlers.questions_asked(await asked(desk))
    await desk.handlers.cancel(CancelJob(job_id="j"))
    assert (await desk.job(CHILD)).status == "cancelled"
    assert not await desk.shards(await desk.run(f"{CHILD}-0"))
    assert (await desk.run()).asking, "what was answered is collected first"
    await answer(desk)
    run = await desk.run()
    assert run.asked == {0: CHILD} and run.stage == "evaluation"


async def test_questions_of_a_cancelled_run_are_cancelled_too(desk: Any) -> None:
    await submitted(desk)
    await desk.handlers.cancel(CancelJob(job_id="j"))
    await desk.handlers.questions_asked(await asked(desk))
    assert (await desk.job(CHILD)).status == "cancelled"


async def test_questions_that_cannot_be_asked_do_not_hold_the_run(desk: Any) -> None:
    await submitted(desk)
    event = await asked(desk)
    lost = event.questions[0].model_copy(update={"dataset_digest": "e" * 64})
    await desk.handlers.questions_asked(event.model_copy(update={"questions": (lost,)}))
    child, run = await desk.job(CHILD), await desk.run()
    assert child.status == "rejected" and child.asked_by == "j-0" and "not in storage" in child.problems[0]
    assert run.asked == {0: CHILD} and run.announcement == 1


async def test_a_retry_asks_in_a_job_of_its_own(desk: Any) -> None:
    await submitted(desk)
    await desk.handlers.questions_asked(await asked(desk))
    await answer(desk)
    run = await desk.run()
    counts = OutcomeCounts(answered=5, failed=1)
    await desk.handlers.evaluation_completed(
        RunEvaluationCompleted(job_id="j", run_id="j-0", name="m__t", announcement=1, counts=counts)
    )
    await desk.bus.jobs.change(
        subjects.run_key("j-0"),
        RunState,
        lambda state: state.model_copy(update={"stage": "done", "shard_counts": {1: OutcomeCounts(failed=1)}}),
    )
    job = await desk.job()
    await desk.bus.jobs.change(
        subjects.job_key("j"), type(job), lambda state: state.model_copy(update={"status": "completed"})
    )
    await desk.handlers.retry(RetryJob(job_id="j"))
    run = await desk.run()
    assert run.round == 1 and run.stage == "inference" and not run.asked
    await desk.complete(1, round=1)
    await desk.handlers.questions_asked(await asked(desk))  # of the round before
    assert not (await desk.run()).asking
    await desk.handlers.questions_asked(await asked(desk, round_=1))
    assert (await desk.run()).asking == {0: "j-0-q1-0"}
