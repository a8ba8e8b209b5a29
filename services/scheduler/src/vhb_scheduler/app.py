"""The scheduler's subscriptions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vhb_scheduler.announcer import Announcer
from vhb_scheduler.handlers import SchedulerHandlers
from vhb_scheduler.reconcile import Reconciler
from vhb_shared.bus.advisories import Advisory, DeadLetterMover
from vhb_shared.bus.handling import subscribe
from vhb_shared.bus.service import Service
from vhb_shared.contracts import events, topology
from vhb_shared.contracts.commands import CancelJob, RetryJob, SubmitJob
from vhb_shared.contracts.events import JobRejected
from vhb_shared.registry.registry import Registry

CONSUMERS = tuple(consumer for consumer in topology.CONSUMERS if consumer.durable.startswith("scheduler--"))


@asynccontextmanager
async def setup(service: Service) -> AsyncIterator[None]:
    """Subscribes the scheduler's handlers and keeps its reconciler running."""
    bus, broker = service.bus, service.broker
    announcer = Announcer(bus)
    handlers = SchedulerHandlers(bus, service.store, Registry.load(), announcer)
    mover = DeadLetterMover(bus)

    async def give_up_submission(command: SubmitJob, error: Exception) -> None:
        problem = f"The job could not be planned: {type(error).__name__}: {error}"
        await bus.publish(JobRejected(job_id=command.job_id, name=command.job_id, problems=(problem,)))

    subscribe(broker, bus, topology.SCHEDULER_SUBMIT, SubmitJob, handlers.submit, give_up=give_up_submission, workers=4)
    subscribe(broker, bus, topology.SCHEDULER_CANCEL, CancelJob, handlers.cancel)
    subscribe(broker, bus, topology.SCHEDULER_RETRY, RetryJob, handlers.retry)
    subscribe(broker, bus, topology.SCHEDULER_REUSED, events.RunAnswersReused, handlers.answers_reused)
    subscribe(broker, bus, topology.SCHEDULER_STARTED, events.RunInferenceStarted, handlers.inference_started)
    subscribe(broker, bus, topology.SCHEDULER_SHARD, events.RunShardCompleted, handlers.shard_completed, workers=4)
    subscribe(broker, bus, topology.SCHEDULER_BACKEND_FAILED, events.BackendFailed, handlers.backend_failed)
    subscribe(broker, bus, topology.SCHEDULER_QUESTIONS, events.RunQuestionsAsked, handlers.questions_asked)
    subscribe(broker, bus, topology.SCHEDULER_EVALUATED, events.RunEvaluationCompleted, handlers.evaluation_completed)
    subscribe(broker, bus, topology.SCHEDULER_EVALUATION_FAILED, events.RunEvaluationFailed, handlers.evaluation_failed)
    subscribe(broker, bus, topology.SCHEDULER_RUN_REPORTED, events.RunReportCompleted, handlers.run_reported)
    subscribe(broker, bus, topology.SCHEDULER_JOB_REPORTED, events.JobReportCompleted, handlers.job_reported)
    subscribe(broker, bus, topology.SCHEDULER_ADVISORIES, Advisory, mover.move)

    reconciler = asyncio.create_task(Reconciler(bus, service.store, announcer).run())
    try:
        yield
    finally:
        reconciler.cancel()
