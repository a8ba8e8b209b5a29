"""Puts a run's shards on the work queue and its backend in demand."""

import asyncio
import time
from collections.abc import Iterable

from vhb_shared.bus.client import Bus
from vhb_shared.bus.provision import ensure_consumer
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.commands import InferShard, ReuseAnswers
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.state import BackendDemand, RunState
from vhb_shared.errors import Conflict

AT_ONCE = 64
"""Publishes in flight."""


def shard_work(state: RunState, shard: int) -> InferShard:
    """The message for a shard in the state's present round and attempt."""
    return InferShard(
        job_id=state.job_id,
        run_id=state.run_id,
        backend_id=state.backend_id,
        shard=shard,
        attempt=state.attempts.get(shard, 0),
        keep=state.keep.get(shard),
        ask_withdrawn=state.ask_withdrawn,
    )


async def publish_shards(bus: Bus, state: RunState, shards: Iterable[int]) -> None:
    """Publishes shards in order; a repeat of the same round and attempt is dropped by the server."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def publish(shard: int) -> None:
        async with gate:
            work = shard_work(state, shard)
            await bus.command(
                subjects.inference(state.backend_id, state.run_id, shard),
                work,
                f"shard:{state.run_id}:{state.round}:{shard}:{work.attempt}",
            )

    pending: list[asyncio.Task[None]] = []
    async with asyncio.TaskGroup() as group:
        for shard in shards:
            pending.append(group.create_task(publish(shard)))
            if len(pending) >= AT_ONCE * 4:
                await asyncio.wait(pending)
                pending.clear()


async def look_up(bus: Bus, state: RunState) -> None:
    """Has answers of earlier runs looked for; the run's shards are published when `RunAnswersReused` says so."""
    await bus.command(
        subjects.reuse(state.run_id),
        ReuseAnswers(job_id=state.job_id, run_id=state.run_id, round=state.round, announcement=state.announcement),
        f"reuse:{state.run_id}:{state.round}:{state.announcement}",
    )


async def withdraw(bus: Bus, state: RunState) -> None:
    """Removes what of a run's work still waits.

    Raises:
        Unavailable: the bus does not answer.
    """
    await bus.purge_work(subjects.inference_of_run(state.backend_id, state.run_id))
    await bus.purge_work(subjects.reuse(state.run_id))


async def open_inference(bus: Bus, run: RunSpec, state: RunState) -> None:
    """Makes agents want the run: its backend's durable, its shards, then the demand that wakes them."""
    await ensure_consumer(bus.js, topology.backend_consumer(state.backend_id))
    await publish_shards(bus, state, state.to_ask)
    await demand(bus, run)


async def demand(bus: Bus, run: RunSpec) -> None:
    """Adds a run to its backend's demand."""
    fresh = BackendDemand(
        backend_id=run.backend_id,
        model=run.model,
        job_ids=(run.job_id,),
        run_ids=(run.run_id,),
        since={run.run_id: time.time()},
        shard_size=run.shard_size,
    )

    def add(current: BackendDemand) -> BackendDemand:
        if not current.run_ids:
            return fresh
        return current.model_copy(
            update={
                "job_ids": tuple(dict.fromkeys((*current.job_ids, run.job_id))),
                "run_ids": tuple(dict.fromkeys((*current.run_ids, run.run_id))),
                "since": fresh.since | current.since,
                "shard_size": min(current.shard_size, run.shard_size),
            }
        )

    while True:
        if await bus.backends.get(run.backend_id, BackendDemand) is not None:
            await bus.backends.change(run.backend_id, BackendDemand, add)
            return
        try:
            await bus.backends.create(run.backend_id, fresh)
        except Conflict:
            continue
        return


async def release(bus: Bus, state: RunState) -> None:
    """Takes a run out of its backend's demand; an empty one tells agents that they may stop it."""

    def remove(current: BackendDemand) -> BackendDemand:
        if state.run_id not in current.run_ids:
            return current
        run_ids = tuple(run_id for run_id in current.run_ids if run_id != state.run_id)
        still = {run_id.rsplit("-", 1)[0] for run_id in run_ids}
        return current.model_copy(
            update={
                "run_ids": run_ids,
                "job_ids": tuple(job for job in current.job_ids if job in still),
                "since": {run_id: since for run_id, since in current.since.items() if run_id in run_ids},
                "withdrawn": not run_ids and state.cancel_requested,
                "unwanted_since": 0 if run_ids else time.time(),
            }
        )

    await bus.backends.change(state.backend_id, BackendDemand, remove)
