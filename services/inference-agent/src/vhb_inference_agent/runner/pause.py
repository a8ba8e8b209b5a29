"""Waits out what does not answer for now (storage, a full disk): says so, starts nothing new, loses nothing."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from vhb_shared.contracts.live import Live, Notice
from vhb_shared.errors import Unavailable

T = TypeVar("T")
Emit = Callable[[Live], Awaitable[None]]

SAY_AGAIN_S = 10.0
_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT})
_log = structlog.get_logger(__name__)


class Pause:
    """Shared by all shards of a session: while one of them waits for storage, none starts new requests.

    Args:
        emit: publishes a live message; may fail, live messages may be lost.
        source: who says so, in notices.
        first_wait_s: before the second try; doubled with each further one.
        longest_wait_s: between two tries.
        silent_s: a try that takes longer counts as waiting; it goes on.
    """

    def __init__(
        self,
        emit: Emit,
        source: str,
        first_wait_s: float = 0.25,
        longest_wait_s: float = 5.0,
        silent_s: float = 5.0,
    ) -> None:
        self._emit = emit
        self._source = source
        self._first_wait_s = first_wait_s
        self._longest_wait_s = longest_wait_s
        self._silent_s = silent_s
        self._waiting = 0
        self._open = asyncio.Event()
        self._open.set()

    @property
    def active(self) -> bool:
        """Whether something is being waited for."""
        return self._waiting > 0

    async def over(self) -> None:
        """Returns when nothing is being waited for."""
        await self._open.wait()

    async def until_done(self, job_id: str, what: str, work: Callable[[], Awaitable[T]]) -> T:
        """Does the work, again and again while storage is unavailable or a disk is full.

        Args:
            job_id: who is told.
            what: names the work in notices, e.g. "writing answers".
            work: does it once; it must be safe to repeat.
        """
        first = asyncio.ensure_future(work())
        reason = f"no answer for {self._silent_s:g} s"
        try:
            await asyncio.wait({first}, timeout=self._silent_s)
            if first.done():
                return first.result()
        except (Unavailable, OSError) as error:
            reason = _reason(error)
        except asyncio.CancelledError:
            first.cancel()
            raise
        self._waiting += 1
        self._open.clear()
        saying = asyncio.create_task(self._say_again(job_id, f"paused: {what}: {reason}; trying again until it works"))
        try:
            result = await self._in_the_end(first, work)
        finally:
            first.cancel()
            saying.cancel()
            self._waiting -= 1
            if not self._waiting:
                self._open.set()
        if not self._waiting:
            await self.tell(job_id, "info", f"resumed: {what} works again")
        return result

    async def _in_the_end(self, first: "asyncio.Future[T]", work: Callable[[], Awaitable[T]]) -> T:
        wait_s = self._first_wait_s
        attempt: Awaitable[T] = first  # may still be under way
        while True:
            try:
                return await attempt
            except (Unavailable, OSError) as error:
                _reason(error)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, self._longest_wait_s)
            attempt = work()

    async def _say_again(self, job_id: str, message: str) -> None:
        """Notices may be lost, and who begins to watch wants to know too."""
        while True:
            await self.tell(job_id, "warning", message)
            await asyncio.sleep(SAY_AGAIN_S)

    async def tell(self, job_id: str, level: str, message: str) -> None:
        """Publishes a notice and logs it."""
        _log.warning(message, job_id=job_id) if level == "warning" else _log.info(message, job_id=job_id)
        await self.publish(
            Notice.model_validate({"job_id": job_id, "level": level, "source": self._source, "message": message})
        )

    async def publish(self, message: Live) -> None:
        """Publishes a live message; one that cannot be sent is dropped, work does not wait for onlookers."""
        try:
            await self._emit(message)
        except Exception as error:  # whatever the bus has against it
            _log.debug("live message dropped", error=repr(error))


def _reason(error: Exception) -> str:
    """The condition in words; what will not pass by waiting is raised again."""
    if isinstance(error, Unavailable):
        return str(error)
    if isinstance(error, OSError) and error.errno in _PASSING:
        return f"the disk is full ({error.strerror})"
    raise error
