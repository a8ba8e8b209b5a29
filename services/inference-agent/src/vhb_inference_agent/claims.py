"""Claims: an agent's expiring right to host one replica of a backend."""

import asyncio

import structlog

from vhb_shared.bus.client import Bus
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.state import Claim
from vhb_shared.errors import Conflict, Unavailable

log = structlog.get_logger(__name__)

RENEW_EVERY_S = topology.CLAIM_TTL_S / 4


class HeldClaim:
    """One claim, renewed until it is released or lost."""

    def __init__(self, bus: Bus, claim: Claim, revision: int) -> None:
        self._bus = bus
        self.claim = claim
        self._revision = revision
        self.lost = asyncio.Event()
        """Set when somebody else may hold it: stop serving."""
        self._task = asyncio.create_task(self._renew())

    @property
    def key(self) -> str:
        """Its key in the bucket."""
        return subjects.claim_key(self.claim.backend_id, self.claim.replica)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                self._revision = await self._bus.claims.update(self.key, self.claim, self._revision)
            except Unavailable as error:
                # The server may be restarting; whether the claim survived is decided by the next write.
                log.warning("claim_not_renewed", claim=self.key, reason=str(error))
            except Conflict:
                if not await self._take_back():
                    log.warning("claim_lost", claim=self.key)
                    self.lost.set()
                    return

    async def _take_back(self) -> bool:
        """After a conflict: it may be our own write that timed out, or the key expired while the server was away."""
        try:
            found = await self._bus.claims.get(self.key, Claim)
            if found is None:
                self._revision = await self._bus.claims.create(self.key, self.claim)
                return True
            if found[0] == self.claim:
                self._revision = found[1]
                return True
        except (Unavailable, Conflict):
            return False
        return False

    async def release(self) -> None:
        """Gives the claim up at once, so that nobody has to wait for it to expire."""
        self._task.cancel()
        if self.lost.is_set():
            return
        try:
            await self._bus.claims.delete(self.key)
        except Unavailable:
            log.warning("claim_left_to_expire", claim=self.key)


async def try_claim(bus: Bus, claim: Claim) -> HeldClaim | None:
    """Claims one replica of a backend; None when somebody holds it.

    Raises:
        Unavailable: the server does not answer.
    """
    try:
        revision = await bus.claims.create(subjects.claim_key(claim.backend_id, claim.replica), claim)
    except Conflict:
        return None
    return HeldClaim(bus, claim, revision)


async def reclaim(bus: Bus, claim: Claim) -> HeldClaim | None:
    """Takes back what a former life of this agent held; None when another agent holds it now.

    Raises:
        Unavailable: the server does not answer.
    """
    key = subjects.claim_key(claim.backend_id, claim.replica)
    while True:
        found = await bus.claims.get(key, Claim)
        if found is not None and found[0].agent_id != claim.agent_id:
            return None
        try:
            revision = await (
                bus.claims.create(key, claim) if found is None else bus.claims.update(key, claim, found[1])
            )
        except Conflict:
            continue
        return HeldClaim(bus, claim, revision)
