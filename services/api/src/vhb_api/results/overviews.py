"""Overviews of runs, made when they are asked for first, and kept within bounds."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
import polars as pl

from vhb_api.results.overview import Overview, read_facts, write_overview
from vhb_api.results.stored import RunTables, StoredRuns
from vhb_shared.errors import UserError
from vhb_shared.store.current import touched

T = TypeVar("T")
Order = npt.NDArray[np.uint32]
"""Numbers of rows in the order of a list; one column for each run."""
MOST_NUMBERS = 16 << 20
"""In all orders that are kept: 64 MiB."""
_MAKING_AT_ONCE = 2
_READING_AT_ONCE = 4
_FORM = 1
"""Of the overview; another number for another one."""


class Overviews:
    """Those of one process.

    Args:
        runs: whose overviews they are.
    """

    def __init__(self, runs: StoredRuns) -> None:
        self._runs = runs
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._making = asyncio.Semaphore(_MAKING_AT_ONCE)
        self._reading = asyncio.Semaphore(_READING_AT_ONCE)
        self._orders: OrderedDict[Hashable, Order] = OrderedDict()

    async def of(self, tables: RunTables) -> Overview:
        """The overview of a run as it is now.

        Raises:
            UserError: its tables cannot be read.
        """
        name = hashlib.sha256(f"{_FORM}/{tables.version}".encode()).hexdigest()
        path = self._runs.current.directory / "overviews" / f"{name}.parquet"
        turn = self._turns.setdefault(name, asyncio.Lock())
        async with turn:
            if await asyncio.to_thread(touched, path):
                await asyncio.to_thread(touched, path.with_suffix(".json"))
                facts = await asyncio.to_thread(read_facts, path)
                if facts is not None:
                    return Overview(path, facts, tables.version)
            async with self._making:
                scores = tables.scores.path if tables.scores is not None else None
                made = await self._read(
                    lambda: write_overview(tables.answers.path, scores, tables.samples, path), tables.spec.name
                )
            await self._runs.current.bound()
            return Overview(path, made, tables.version)

    async def order(self, key: Hashable, compute: Callable[[], Order], name: str) -> Order:
        """An order of rows, computed once for as long as it is remembered.

        Args:
            key: of the versions of all that it follows from, and of what was asked.
            compute: blocking.
            name: of the run, for errors.
        """
        found = self._orders.get(key)
        if found is None:
            found = await self.read(compute, name)
            self._orders[key] = found
            while sum(each.size for each in self._orders.values()) > MOST_NUMBERS and len(self._orders) > 1:
                self._orders.popitem(last=False)
        else:
            self._orders.move_to_end(key)
        return found

    async def read(self, work: Callable[[], T], name: str) -> T:
        """Does something blocking with tables, a few at a time.

        Raises:
            UserError: a table cannot be read.
        """
        async with self._reading:
            return await self._read(work, name)

    async def _read(self, work: Callable[[], T], name: str) -> T:
        try:
            return await asyncio.to_thread(work)
        except (pl.exceptions.PolarsError, OSError) as error:
            said = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
            raise UserError(
                f"The stored tables of run {name} cannot be read ({said}): ask again in a moment, or evaluate the run "
                "again."
            ) from error
