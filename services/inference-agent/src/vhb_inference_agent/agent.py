"""The agent's own loop: sees what is in demand, claims what it has room for, and says that it lives."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from vhb_inference_agent.claims import HeldClaim, try_claim
from vhb_inference_agent.intake import shards_at_once
from vhb_inference_agent.placement import (
    GiveWay,
    Key,
    Situation,
    Start,
    Tenant,
    Wanted,
    holder,
    next_step,
    replicas_justified,
)
from vhb_inference_agent.resources.pool import ResourcePool
from vhb_inference_agent.sessions import BackendSession, OnFailure, Tenancy
from vhb_inference_agent.survivors import Survivor
from vhb_inference_agent.troubles import Troubles
from vhb_shared.bus.client import Bus
from vhb_shared.contracts import topology
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.state import AgentInfo, BackendDemand, Claim
from vhb_shared.errors import Unavailable
from vhb_shared.placement.needs import needs_of, obstacle

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 2.0
LOOK_AT_HOST_EVERY_S = 15.0
HEARTBEAT_S = topology.CLAIM_TTL_S / 4
STEADY_S = 60.0
"""A backend that has served for so long is well again: its earlier failures are not counted any more."""
SAID_AT_MOST_EVERY_S = 0.25
CONCURRENCY = 8
"""Taken for a backend's concurrency before it runs, where its entry does not say."""

MakeSession = Callable[[Tenancy, OnFailure, Callable[[], None]], BackendSession]
"""(tenancy, on_failure, on_change) -> its session."""
Reattach = Callable[[ResourcePool], Awaitable[Sequence[tuple[HeldClaim, Survivor]]]]
"""Takes back what a former life of this agent left running; leases are entered in the pool."""


class Agent:
    """Owns one host's devices and places for backends.

    Args:
        bus: where demand, claims and agents are.
        info: what this agent is and has.
        pool: the books of what it has.
        make_session: makes the session of what was claimed.
        reattach: called once, before anything is claimed.
        unusable: environments where nothing can be run now, and why; asked now and then.
        clock: Unix seconds.
    """

    def __init__(
        self,
        bus: Bus,
        info: AgentInfo,
        pool: ResourcePool,
        *,
        make_session: MakeSession,
        reattach: Reattach,
        unusable: Callable[[], Awaitable[dict[str, str]]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bus = bus
        self._info = info
        self._pool = pool
        self._make_session = make_session
        self._reattach = reattach
        self._unusable = unusable
        self._clock = clock
        self._troubles = Troubles(clock)
        self._sessions: dict[Key, tuple[BackendSession, asyncio.Task[None]]] = {}
        self._free_since: dict[Key, float] = {}
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()

    @property
    def info(self) -> AgentInfo:
        """What it says of itself now."""
        sessions = tuple(session.info for session, _ in self._sessions.values())
        held = {backend_id for backend_id, _ in self._sessions}
        troubles = tuple(trouble for trouble in self._troubles.shown if trouble.backend_id not in held)
        return self._info.model_copy(update={"sessions": sessions, "troubles": troubles})

    def jobs_of(self, backend_id: str) -> set[str]:
        """Jobs whose runs want a backend that it holds."""
        held = (session for (known, _), (session, _) in self._sessions.items() if known == backend_id)
        return {job_id for session in held for job_id in session.job_ids}

    async def run(self) -> None:
        """Serves until cancelled, then stops every backend."""
        helpers = [asyncio.create_task(work()) for work in (self._heartbeat, self._watch, self._look_at_host)]
        try:
            for held, survivor in await self._reattach(self._pool):
                self._begin(Tenancy(held, survivor.demand, survivor.lease, survivor))
            while True:
                try:
                    await self._look()
                except (TimeoutError, Unavailable, NatsError, OSError) as error:
                    log.warning("agent_waits", reason=str(error))
                except Exception:
                    # A fault of ours about one demand must not end what serves the others.
                    log.exception("look_failed")
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            for task in helpers:
                task.cancel()
            tasks = [task for _, task in self._sessions.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(Unavailable):
                await self._bus.agents.delete(self._info.agent_id)

    async def _heartbeat(self) -> None:
        """Says what it is, every few seconds and when something changes."""
        while True:
            self._changed.clear()
            try:
                await self._bus.agents.put(self._info.agent_id, self.info)
            except Unavailable as error:
                log.warning("heartbeat_failed", reason=str(error))
            await asyncio.sleep(SAID_AT_MOST_EVERY_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S - SAID_AT_MOST_EVERY_S):
                    await self._changed.wait()

    async def _watch(self) -> None:
        """A hint only: an outage swallows it, and the loop looks every few seconds anyway."""
        while True:
            try:
                await self._bus.backends.on_change(self._wake.set)
                return
            except Unavailable as error:
                log.debug("watch_waits", error=str(error))
            await asyncio.sleep(5)

    async def _look_at_host(self) -> None:
        """An engine may come up after the agent, or go away."""
        while True:
            await asyncio.sleep(LOOK_AT_HOST_EVERY_S)
            unusable = await self._unusable()
            if unusable != self._info.unusable:
                log.warning("environments_changed", unusable=unusable)
                self._info = self._info.model_copy(update={"unusable": unusable})
                self._say()
                self._wake.set()

    async def _look(self) -> None:
        demands = await self._bus.backends.values(BackendDemand)
        for demand in demands:
            if not demand.run_ids:
                self._troubles.forget(demand.backend_id)
        for (backend_id, _), (session, _) in self._sessions.items():
            if session.info.state == "serving" and self._clock() - session.info.since >= STEADY_S:
                self._troubles.forget(backend_id)
        mine = Counter(backend_id for backend_id, _ in self._sessions)
        open_ = [
            demand
            for demand in demands
            if demand.run_ids
            and mine[demand.backend_id] < demand.model.replicas
            and obstacle(demand.model, self._info) is None
        ]
        if not open_:
            self._free_since.clear()
            return
        claimed = {(claim.backend_id, claim.replica) for claim in await self._bus.claims.values(Claim)}
        others = [other for other in await self._bus.agents.values(AgentInfo) if other.agent_id != self._info.agent_id]
        wanted = [Wanted(demand, await self._replicas(demand)) for demand in open_]
        self._note_free(wanted, claimed)
        while True:
            step = next_step(self._situation(wanted, claimed, others), self._pool)
            if step is None:
                return
            if isinstance(step, GiveWay):
                for key in step.keys:
                    self._sessions[key][0].make_room()
            else:
                await self._start(step)
                claimed.add((step.demand.backend_id, step.replica))

    async def _replicas(self, demand: BackendDemand) -> int:
        """How many replicas its queue keeps busy."""
        if demand.model.replicas == 1:
            return 1
        consumer = topology.backend_consumer(demand.backend_id)
        try:
            info = await self._bus.js.consumer_info(consumer.stream, consumer.durable)
        except NotFoundError:
            return 1
        waiting = (info.num_pending or 0) + (info.num_ack_pending or 0)
        at_once = shards_at_once(demand.model.concurrency or CONCURRENCY, demand.shard_size)
        return replicas_justified(waiting, at_once, demand.model.replicas)

    def _note_free(self, wanted: Sequence[Wanted], claimed: set[Key]) -> None:
        free = {(entry.demand.backend_id, replica) for entry in wanted for replica in range(entry.replicas)} - claimed
        now = self._clock()
        self._free_since = {key: self._free_since.get(key, now) for key in free}

    def _situation(self, wanted: Sequence[Wanted], claimed: set[Key], others: Sequence[AgentInfo]) -> Situation:
        return Situation(
            now=self._clock(),
            agent=self._info,
            wanted=wanted,
            claimed=frozenset(claimed | self._sessions.keys()),
            tenants=tuple(self._tenant(key, session) for key, (session, _) in self._sessions.items()),
            others=others,
            free_since=self._free_since,
            barred=self._troubles.barred,
        )

    def _tenant(self, key: Key, session: BackendSession) -> Tenant:
        return Tenant(
            key=key,
            needs=needs_of(session.model, self._info.backends.get(session.model.backend or "", ())),
            unwanted_since=session.unwanted_since,
            wanted_since=session.wanted_since,
            leaving=session.leaving,
        )

    async def _start(self, step: Start) -> None:
        key = (step.demand.backend_id, step.replica)
        lease = self._pool.lease(holder(key), step.needs, step.room)
        if lease is None:
            return
        claim = Claim(
            backend_id=key[0], replica=step.replica, agent_id=self._info.agent_id, session=uuid.uuid4().hex[:8]
        )
        held: HeldClaim | None = None
        try:
            held = await try_claim(self._bus, claim)
        finally:
            if held is None:
                self._pool.release(holder(key))
        if held is not None:
            self._begin(Tenancy(held, step.demand, lease))

    def _begin(self, tenancy: Tenancy) -> None:
        """Runs the session of what was claimed and leased; both come back when it has ended."""
        key = (tenancy.held.claim.backend_id, tenancy.held.claim.replica)

        def failed(failure: Failure, served_elsewhere: bool, agents: Sequence[AgentInfo]) -> float | None:
            # What runs elsewhere was tried several times already, and its user waits for the reason.
            passing = failure.retryable and tenancy.lease.place != "remote"
            failure = failure.model_copy(update={"retryable": passing})
            elsewhere = served_elsewhere or self._troubles.may_work_elsewhere(
                failure, tenancy.demand, self._info, agents
            )
            return self._troubles.note(key[0], failure, served_elsewhere=elsewhere)

        def ended(task: asyncio.Task[None]) -> None:
            del self._sessions[key]
            self._pool.release(holder(key))
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("session_broke_off", backend_id=key[0], error=str(error))
            self._say()
            self._wake.set()

        session = self._make_session(tenancy, failed, self._say)
        task = asyncio.create_task(session.run(), name=f"session {key[0]}")
        self._sessions[key] = (session, task)
        task.add_done_callback(ended)
        self._say()

    def _say(self) -> None:
        self._changed.set()
