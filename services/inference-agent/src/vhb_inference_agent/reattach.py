"""An agent's next life: finds what the last one left running, and takes back what is still its own."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import structlog

from vhb_inference_agent.claims import HeldClaim, reclaim
from vhb_inference_agent.placement import holder
from vhb_inference_agent.resources.pool import ResourcePool
from vhb_inference_agent.survivors import Survivor, SurvivorFiles
from vhb_shared.bus.client import Bus
from vhb_shared.contracts import subjects
from vhb_shared.contracts.state import Claim
from vhb_shared.environments.base import Environment, EnvironmentFailed
from vhb_shared.errors import Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")
PAUSE_S = 1.0


async def reattach(
    bus: Bus,
    files: SurvivorFiles,
    environment_named: Callable[[str], Awaitable[Environment | None]],
    pool: ResourcePool,
) -> list[tuple[HeldClaim, Survivor]]:
    """Recovers each backend of the last life whose claim and lease this agent can have again; ends the others.

    Claims are looked at first: another agent may have taken a replica's place meanwhile, and then answers for it.

    Args:
        bus: where claims are.
        files: what the last life wrote down.
        environment_named: None for what this agent does not have any more.
        pool: the host's books; leases are entered.

    Waits for the bus: what runs goes on meanwhile, and nothing else may take its devices.
    """
    kept: list[tuple[HeldClaim, Survivor]] = []
    for survivor in await asyncio.to_thread(files.load):
        key = (survivor.claim.backend_id, survivor.claim.replica)
        environment = await environment_named(survivor.handle.environment)
        if environment is None or not await environment.recover(survivor.handle):
            log.info("survivor_gone", backend_id=key[0], handle=survivor.handle.id)
            await asyncio.to_thread(files.drop, survivor.claim)
            continue
        held = await _patiently(partial(reclaim, bus, survivor.claim))
        if held is not None and pool.adopt(holder(key), survivor.lease):
            log.info("survivor_reattached", backend_id=key[0], handle=survivor.handle.id)
            kept.append((held, survivor))
            continue
        why = "another agent took its place" if held is None else "its devices are not there any more"
        log.info("survivor_ended", backend_id=key[0], handle=survivor.handle.id, reason=why)
        try:
            await environment.stop(survivor.handle)
        except EnvironmentFailed as error:
            log.warning("survivor_not_ended", backend_id=key[0], reason=str(error))
            continue
        finally:
            if held is not None:
                await held.release()
        await asyncio.to_thread(files.drop, survivor.claim)
    return kept


async def drop_old_claims(bus: Bus, agent_id: str, keep: set[str]) -> None:
    """Gives up claims of the last life that nothing is left of, so that nobody waits for them to expire.

    Args:
        bus: where claims are.
        agent_id: whose.
        keep: keys of those that this life holds.
    """

    async def drop() -> None:
        for claim in await bus.claims.values(Claim):
            key = subjects.claim_key(claim.backend_id, claim.replica)
            if claim.agent_id == agent_id and key not in keep:
                await bus.claims.delete(key)

    await _patiently(drop)


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await ask()
        except Unavailable as error:
            log.warning("agent_waits", reason=str(error))
            await asyncio.sleep(PAUSE_S)
