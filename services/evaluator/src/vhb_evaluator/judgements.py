"""What judges said, kept in object storage by fingerprint, so that nothing is asked twice."""

import asyncio
from collections.abc import Mapping, Sequence

from vhb_evaluator.threads import wait_for_loop
from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

_AT_ONCE = 32


class StoredJudgements:
    """`metrics.context.Judgements` over object storage. Called in worker threads; the storage's own work runs in the
    event loop that it belongs to.

    Args:
        store: where they lie.
        loop: the loop that the store is used in.
    """

    def __init__(self, store: ObjectStore, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._loop = loop

    def find(self, fingerprints: Sequence[str]) -> dict[str, bytes]:
        """See `Judgements.find`."""

        async def read(turns: asyncio.Semaphore, fingerprint: str) -> bytes | None:
            async with turns:
                try:
                    return await self._store.get(layout.judgement(fingerprint))
                except NotFound:
                    return None

        async def read_all() -> dict[str, bytes]:
            turns = asyncio.Semaphore(_AT_ONCE)
            found = await asyncio.gather(*(read(turns, each) for each in fingerprints))
            return {each: data for each, data in zip(fingerprints, found, strict=True) if data is not None}

        return wait_for_loop(self._loop, read_all())

    def keep(self, judgements: Mapping[str, bytes]) -> None:
        """See `Judgements.keep`."""

        async def write(turns: asyncio.Semaphore, fingerprint: str, data: bytes) -> None:
            async with turns:
                await self._store.put(layout.judgement(fingerprint), data)

        async def write_all() -> None:
            turns = asyncio.Semaphore(_AT_ONCE)
            await asyncio.gather(*(write(turns, *each) for each in judgements.items()))

        wait_for_loop(self._loop, write_all())
