"""What judges said, kept in object storage by fingerprint, so that nothing is asked twice."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

from vhb_shared.errors import NotFound, Unavailable
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

T = TypeVar("T")
_AT_ONCE = 32
_LOOK_S = 1.0
"""Seconds between looks whether the loop still runs: a thread that waits for ever would keep the process alive."""


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

        return self._in_loop(read_all())

    def keep(self, judgements: Mapping[str, bytes]) -> None:
        """See `Judgements.keep`."""

        async def write(turns: asyncio.Semaphore, fingerprint: str, data: bytes) -> None:
            async with turns:
                await self._store.put(layout.judgement(fingerprint), data)

        async def write_all() -> None:
            turns = asyncio.Semaphore(_AT_ONCE)
            await asyncio.gather(*(write(turns, *each) for each in judgements.items()))

        self._in_loop(write_all())

    def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        while True:
            try:
                return future.result(timeout=_LOOK_S)
            except FutureTimeout:
                if future.done():
                    raise  # what the work itself raised
                if not self._loop.is_running():
                    raise Unavailable("the evaluator is being stopped") from None
