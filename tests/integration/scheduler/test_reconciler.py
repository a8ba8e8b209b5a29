"""What the reconciler finds missing and what it leaves alone, on a real server."""

from typing import Any

import pytest

from vhb_shared.contracts import subjects
from vhb_shared.contracts.commands import CancelJob, InferShard, RetryJob
from vhb_shared.contracts.results import OutcomeCounts
from vhb_shared.contracts.state import BackendDemand, RunState
from vhb_shared.errors import UserError


async def test_a_lost_shard_is_announced_again_under_a_new_attempt(desk: Any) -> None:
    run = await desk.submit()
    assert await desk.shards(run) == {0, 1, 2}
    await desk.look_twice()
    assert (await desk.run()).attempts == {}  # nothing is missing
    await desk.bus.purge_work(subjects.inference(run.backend_id, run.run_id, 1))
    await desk.reconciler.look()
    assert await desk.shards(run) == {0, 2}  # missing in one look only
    await desk.look_twice()
    assert await desk.shards(run) == {0, 1, 2}
    state = await desk.run()
    assert state.attempts == {1: 1}
    message = await desk.bus.js.get_last_msg("VHB_WORK", subjects.inference(run.backend_id, run.run_id, 1))
    assert InferShard.model_validate_json(message.data).attempt == 1


async def test_one_job_that_cannot_be_looked_at_holds_up_no_other(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await desk.submit("j")
    await desk.submit("i")
    look = desk.reconciler._look_at_shards

    async def denied(state: RunState) -> None:
        if state.job_id == "i":
            raise UserError("the bus user 'scheduler' may not publish this")
        await look(state)

    monkeypatch.setattr(desk.reconciler, "_look_at_shards", denied)
    await desk.bus.purge_work(subjects.inference(run.backend_id, run.run_id, 1))
    await desk.look_twice()
    assert await desk.shards(run) == {0, 1, 2}


async def test_a_committed_shard_is_not_missing(desk: Any) -> None:
    run = await desk.submit()
    await desk.bus.purge_work(subjects.inference_of_run(run.backend_id, run.run_id))
    await desk.complete(0)
    await desk.complete(2)
    await desk.look_twice()
    assert await desk.shards(run) == {1}


async def test_a_lost_demand_is_put_back(desk: Any) -> None:
    run = await desk.submit()
    await desk.bus.backends.delete(run.backend_id)
    await desk.reconciler.look()
    found = await desk.bus.backends.get(run.backend_id, BackendDemand)
    assert found is not None and found[0].run_ids == ("j-0",)


async def test_a_retry_of_failures_never_asks_what_was_left_out(desk: Any) -> None:
    run = await desk.submit()
    await desk.complete(0, failed=1)
    await desk.complete(1)
    await desk.handlers.cancel(CancelJob(job_id="j"))
    await desk.evaluated()
    assert (await desk.job()).status == "cancelled"
    await desk.handlers.retry(RetryJob(job_id="j", failed_only=True))
    assert await desk.shards(run) == {0}
    await desk.look_twice()
    await desk.look_twice()
    assert await desk.shards(run) == {0}

    await desk.complete(0, round=1)
    state = await desk.run()
    assert (state.stage, state.left_out) == ("evaluation", (2,))
    assert state.counts == OutcomeCounts(answered=4, withdrawn=2)
    await desk.evaluated()
    assert (await desk.job()).status == "completed"
    await desk.bus.purge_work(subjects.inference_of_run(run.backend_id, run.run_id))
    await desk.handlers.retry(RetryJob(job_id="j"))
    assert await desk.shards(run) == {2}
