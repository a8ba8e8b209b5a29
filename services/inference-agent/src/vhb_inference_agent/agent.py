"""The agent's own loop: sees what is in demand, claims what it has room for, and says that it lives."""

import asyncio
import os
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import structlog
from nats.errors import Error as NatsError

from vhb_inference_agent.claims import HeldClaim, try_claim
from vhb_inference_agent.sessions import BackendSession
from vhb_inference_agent.settings import AgentSettings
from vhb_shared.bus.client import Bus
from vhb_shared.contracts import topology
from vhb_shared.contracts.state import AgentInfo, BackendDemand, Claim
from vhb_shared.errors import Unavailable

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 2.0
HEARTBEAT_S = topology.CLAIM_TTL_S / 4
GIVEN_UP_S = 10.0
"""How long the scheduler may take to withdraw the demand for a backend that failed here."""


class Agent:
    """Owns one host's places for backends."""

    def __init__(
        self,
        bus: Bus,
        settings: AgentSettings,
        *,
        backends: tuple[str, ...],
        environments: tuple[str, ...],
        is_remote: Callable[[BackendDemand], bool],
        make_session: Callable[[HeldClaim, BackendDemand], BackendSession],
    ) -> None:
        """Args:
        backends: names of the adapters it can run.
        is_remote: whether a backend takes no place on this host.
        """
        self._bus = bus
        self._settings = settings
        self._is_remote = is_remote
        self._make_session = make_session
        self._sessions: dict[tuple[str, int], tuple[BackendSession, asyncio.Task[None], bool]] = {}
        self._given_up: dict[str, float] = {}
        self._wake = asyncio.Event()
        self.info = AgentInfo(
            agent_id=settings.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=datetime.now(UTC).isoformat(),
            backends=backends,
            environments=environments,
            slots=settings.slots,
        )

    async def run(self) -> None:
        """Serves until cancelled, then stops every backend."""
        helpers = [asyncio.create_task(self._heartbeat()), asyncio.create_task(self._watch())]
        try:
            while True:
                try:
                    await self._look()
                except (Unavailable, NatsError, OSError) as error:
                    log.warning("agent_waits", reason=str(error))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), LOOK_EVERY_S)
                self._wake.clear()
        finally:
            for task in helpers:
                task.cancel()
            tasks = [task for _, task, _ in self._sessions.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(Unavailable):
                await self._bus.agents.delete(self.info.agent_id)

    async def _heartbeat(self) -> None:
        while True:
            try:
                await self._bus.agents.put(self.info.agent_id, self.info)
            except Unavailable as error:
                log.warning("heartbeat_failed", reason=str(error))
            await asyncio.sleep(HEARTBEAT_S)

    async def _watch(self) -> None:
        """A hint only: a watch may be blind after an outage, and the loop looks every few seconds anyway."""
        while True:
            try:
                kv = await self._bus.js.key_value(topology.BACKENDS_BUCKET)
                watcher = await kv.watchall()
                async for _ in watcher:
                    self._wake.set()
            except Exception as error:
                log.debug("watch_ended", error=str(error))
            await asyncio.sleep(5)

    async def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for key, (session, task, _) in list(self._sessions.items()):
            if task.done():
                del self._sessions[key]
                if session.failed:
                    self._given_up[key[0]] = now
        for demand in await self._bus.backends.values(BackendDemand):
            if not demand.run_ids:
                self._given_up.pop(demand.backend_id, None)
                continue
            if demand.model.backend not in self.info.backends:
                continue
            if now - self._given_up.get(demand.backend_id, -GIVEN_UP_S) < GIVEN_UP_S:
                continue  # its failure is announced; trying again before it is heard would announce it twice
            for replica in range(demand.model.replicas):
                if (demand.backend_id, replica) not in self._sessions:
                    await self._try(demand, replica)

    async def _try(self, demand: BackendDemand, replica: int) -> None:
        remote = self._is_remote(demand)
        here = [session for session, _, is_remote in self._sessions.values() if is_remote == remote]
        if len(here) >= (self._settings.remote_slots if remote else self._settings.slots):
            for session in here:
                session.make_room()
            return
        claim = Claim(
            backend_id=demand.backend_id, replica=replica, agent_id=self.info.agent_id, session=uuid.uuid4().hex[:8]
        )
        held = await try_claim(self._bus, claim)
        if held is None:
            return
        session = self._make_session(held, demand)
        task = asyncio.create_task(session.run(), name=f"session {demand.backend_id}")
        task.add_done_callback(lambda _: self._wake.set())
        self._sessions[(demand.backend_id, replica)] = (session, task, remote)
