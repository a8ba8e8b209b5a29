"""The evaluator's subscriptions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vhb_evaluator.handlers import EvaluatorHandlers
from vhb_evaluator.isolation.pool import WorkerPool
from vhb_evaluator.settings import EvaluatorSettings
from vhb_shared.bus.handling import subscribe
from vhb_shared.bus.service import Service
from vhb_shared.bus.states import StateReader
from vhb_shared.contracts import topology
from vhb_shared.contracts.events import (
    Failure,
    RunEvaluationFailed,
    RunInferenceCompleted,
    RunInferenceFailed,
    RunShardCompleted,
)
from vhb_shared.settings import StoreSettings
from vhb_shared.store.cache import ObjectCache

CONSUMERS = (topology.EVALUATOR_SHARD, topology.EVALUATOR_RUN, topology.EVALUATOR_RUN_FAILED)

Ended = RunInferenceCompleted | RunInferenceFailed


@asynccontextmanager
async def setup(service: Service) -> AsyncIterator[None]:
    """Subscribes the evaluator's handlers."""
    bus, broker = service.bus, service.broker
    stored = StoreSettings()
    cache = ObjectCache(service.store, stored.cache_directory(), stored.cache_bytes())
    settings = EvaluatorSettings()
    pool = WorkerPool(settings, cache)
    states = StateReader(bus)
    handlers = EvaluatorHandlers(service.store, cache, states.run, states.job, pool=pool)

    async def evaluate(event: Ended) -> None:
        happened = await handlers.evaluate_run(event)
        if happened is not None:
            await bus.publish(happened)

    async def give_up(event: Ended, error: Exception) -> None:
        await bus.publish(
            RunEvaluationFailed(
                job_id=event.job_id,
                run_id=event.run_id,
                name=event.name,
                round=event.round,
                announcement=event.announcement,
                failure=Failure(kind=type(error).__name__, message=str(error) or type(error).__name__),
            )
        )

    subscribe(
        broker,
        bus,
        topology.EVALUATOR_SHARD,
        RunShardCompleted,
        handlers.on_shard_completed,
        workers=settings.shards_at_once,
    )
    subscribe(broker, bus, topology.EVALUATOR_RUN, RunInferenceCompleted, evaluate, give_up=give_up)
    subscribe(broker, bus, topology.EVALUATOR_RUN_FAILED, RunInferenceFailed, evaluate, give_up=give_up)
    async with pool:
        yield
