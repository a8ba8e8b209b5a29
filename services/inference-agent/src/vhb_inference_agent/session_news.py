"""What the jobs that want a backend are told of its session."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Literal

import structlog

from vhb_shared.bus.client import Bus
from vhb_shared.contracts.events import BackendFailed, BackendReady, BackendStarting, BackendStopped, Failure
from vhb_shared.contracts.live import Notice
from vhb_shared.contracts.state import BackendDemand, Claim

log = structlog.get_logger(__name__)

MOST_CHARS = 500
"""Of a reason, of a line."""
MOST_LINES = 20
"""Of an engine's log."""


class SessionNews:
    """Tells each of them.

    Args:
        bus: the connection.
        claim: of the session.
        demand: who wants the backend, as it begins.
    """

    def __init__(self, bus: Bus, claim: Claim, demand: BackendDemand) -> None:
        self._bus = bus
        self._claim = claim
        self._demand = demand
        self._first = self._last = demand.job_ids
        """Jobs that heard of its start, and that wanted it when it was last wanted."""

    @property
    def demand(self) -> BackendDemand:
        """Who wants the backend, as far as it is known."""
        return self._demand

    @demand.setter
    def demand(self, demand: BackendDemand) -> None:
        self._demand = demand
        self._last = demand.job_ids or self._last

    async def starting(self) -> None:
        """It is started."""
        await self._tell(lambda job_id: BackendStarting(job_id=job_id, **self._names()))

    async def ready(self, seconds: float) -> None:
        """It takes requests, after so many seconds."""
        await self._tell(lambda job_id: BackendReady(job_id=job_id, seconds=seconds, **self._names()))

    async def stopped(self, reason: str) -> None:
        """To everybody who may believe that it runs: when it stops, often nobody wants it any more."""
        log.info("backend_stopped", backend_id=self._claim.backend_id, reason=reason)
        told = dict.fromkeys((*self._first, *self._last))
        await self._tell(
            lambda job_id: BackendStopped(job_id=job_id, reason=reason[:MOST_CHARS], **self._names()), told
        )

    async def failed(self, failure: Failure, log_tail: tuple[str, ...]) -> None:
        """It cannot be served; also to those who joined the demand meanwhile and wait for the same backend."""
        found = await self._bus.backends.get(self._claim.backend_id, BackendDemand)
        if found is not None and found[0].job_ids:
            self.demand = found[0]
        tail = tuple(line[:MOST_CHARS] for line in log_tail[-MOST_LINES:])
        await self._tell(lambda job_id: BackendFailed(job_id=job_id, failure=failure, log_tail=tail, **self._names()))

    async def tried_again(self, failure: Failure, seconds: float) -> None:
        """It could not be served, and will be tried again so many seconds later."""
        log.warning("backend_tried_again", backend_id=self._claim.backend_id, seconds=seconds, reason=str(failure))
        await self._say(f"{failure.message} Tried again in {seconds:.0f} s.", "warning")

    def progress(self, line: str) -> None:
        """A word to those who watch; lost where nobody hears it."""
        task = asyncio.ensure_future(self._say(line))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _names(self) -> dict[str, Any]:
        return {
            "backend_id": self._claim.backend_id,
            "model": self._demand.model.name,
            "agent_id": self._claim.agent_id,
            "replica": self._claim.replica,
            "session": self._claim.session,
        }

    async def _tell(self, event: Callable[[str], Any], jobs: Iterable[str] | None = None) -> None:
        for job_id in self._demand.job_ids if jobs is None else jobs:
            await self._bus.publish(event(job_id))

    async def _say(self, message: str, level: Literal["info", "warning"] = "info") -> None:
        text, model = message[:MOST_CHARS], self._demand.model.name
        for job_id in self._demand.job_ids:
            await self._bus.live(Notice(job_id=job_id, level=level, source=model, message=text))
