"""The reporter's subscriptions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vhb_reporter.handlers import ReporterHandlers
from vhb_shared.bus.handling import subscribe
from vhb_shared.bus.service import Service
from vhb_shared.bus.states import StateReader
from vhb_shared.contracts import topology
from vhb_shared.contracts.events import (
    Failure,
    JobEvaluated,
    JobReportCompleted,
    RunEvaluationCompleted,
    RunReportCompleted,
)
from vhb_shared.settings import StoreSettings
from vhb_shared.store.cache import ObjectCache

CONSUMERS = (topology.REPORTER_RUN, topology.REPORTER_JOB)


@asynccontextmanager
async def setup(service: Service) -> AsyncIterator[None]:
    """Subscribes the reporter's handlers."""
    bus, broker = service.bus, service.broker
    states = StateReader(bus)
    stored = StoreSettings()
    cache = ObjectCache(service.store, stored.cache_directory(), stored.cache_bytes())
    handlers = ReporterHandlers(service.store, cache, states.run, states.job)

    async def report_run(event: RunEvaluationCompleted) -> None:
        state = await states.run(event.run_id)
        if "reporting" in state.stages:
            await bus.publish(await handlers.report_run(event))

    async def report_job(event: JobEvaluated) -> None:
        await bus.publish(await handlers.report_job(event))

    # A report that cannot be written fails no results: it is announced as missing, with the reason.
    async def no_run_report(event: RunEvaluationCompleted, error: Exception) -> None:
        common = event.model_dump(include={"job_id", "run_id", "name", "round", "announcement"})
        await bus.publish(RunReportCompleted(**common, failure=_failure(error)))

    async def no_job_report(event: JobEvaluated, error: Exception) -> None:
        common = event.model_dump(include={"job_id", "name", "round", "announcement"})
        await bus.publish(JobReportCompleted(**common, failure=_failure(error)))

    subscribe(broker, bus, topology.REPORTER_RUN, RunEvaluationCompleted, report_run, give_up=no_run_report)
    subscribe(broker, bus, topology.REPORTER_JOB, JobEvaluated, report_job, give_up=no_job_report)
    yield


def _failure(error: Exception) -> Failure:
    return Failure(kind=type(error).__name__, message=f"The report could not be written: {error}")
