"""The contract of a place that data sets are fetched from."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeVar

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.errors import UserError
from vhb_shared.settings import SourceSettings

T = TypeVar("T")
OnBytes = Callable[[int, int | None], None]
"""(bytes so far, bytes in all where known)."""


class Fetched(NamedTuple):
    """A data set that is here, whole."""

    path: Path
    """A file or a folder; read only."""
    how: DatasetSource
    """How it is to be read, with what the address said of it; the source without secrets, the revision exact."""
    name: str


@dataclass
class Fetching:
    """One fetch: how much has come, and whether it is still wanted. Used from the thread that fetches."""

    limit: int
    """Bytes it may take."""
    source: str
    on_bytes: OnBytes
    stopped: threading.Event = field(default_factory=threading.Event)
    total: int | None = None
    done: int = 0

    def expect(self, total: int) -> None:
        """Says how much will come.

        Raises:
            UserError: more than is allowed.
        """
        self.total = total
        if total > self.limit:
            raise UserError(
                f'data set "{self.source}": has {total / (1 << 30):.1f} GiB, more than VHB_SOURCE_GIB allows '
                f"({self.limit / (1 << 30):g}); raise it, or name a part of the data set"
            )

    def came(self, count: int) -> None:
        """Counts what has come.

        Raises:
            UserError: more than is allowed.
            InterruptedError: it is no longer wanted.
        """
        if self.stopped.is_set():
            raise InterruptedError
        self.done += count
        if self.done > self.limit:
            self.expect(self.done)
        self.on_bytes(self.done, self.total)


class Fetcher(ABC):
    """Fetches data sets of some kinds of address. What it returns is whole: of what was interrupted nothing is used,
    and nobody sees a part of it."""

    schemes: ClassVar[tuple[str, ...]]
    """`hf` for `hf://...`."""
    describe: ClassVar[str]

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings

    async def fetch(self, how: DatasetSource, on_bytes: OnBytes | None = None) -> Fetched:
        """Fetches a data set, or finds that it is here already. Ends soon when it is cancelled.

        Args:
            how: its source has one of the schemes.
            on_bytes: called in the event loop.

        Raises:
            UserError: malformed address, nothing there, no permission, too big, checksum wrong.
            Unavailable: the server does not answer, or the disk is full.
        """
        loop = asyncio.get_running_loop()

        def tell(done: int, total: int | None) -> None:
            if on_bytes is not None:
                loop.call_soon_threadsafe(on_bytes, done, total)

        fetching = Fetching(self._settings.source_bytes(), how.source, tell)
        task = asyncio.ensure_future(asyncio.to_thread(self._fetch, how, fetching))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            fetching.stopped.set()
            await asyncio.wait([task])
            task.exception()  # seen
            raise

    @abstractmethod
    def _fetch(self, how: DatasetSource, fetching: Fetching) -> Fetched:
        """The same, in a thread; tells `fetching` of every piece."""
