"""What the routes of results work with."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import polars as pl
from sqlalchemy import select

from vhb_api.db.database import Database
from vhb_api.db.tables import MetricRow
from vhb_api.results.listing import Wanted, ordered_rows
from vhb_api.results.overview import Overview
from vhb_api.results.overviews import Order, Overviews
from vhb_api.results.stored import RunTables, StoredRuns
from vhb_api.results.working import Working
from vhb_shared.asking.showing import RowShower
from vhb_shared.asking.shown import ShownRow
from vhb_shared.bus.states import StateReader
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.errors import NotFound
from vhb_shared.store.base import LocalCopies, ObjectStore
from vhb_shared.store.current import CurrentFiles


class Results:
    """Stored results of one process.

    Args:
        store: object storage.
        pinned: copies of what never changes.
        folder: for copies of results, and what is made of them.
        states: of runs.
        database: which way metrics are better.
    """

    def __init__(
        self, store: ObjectStore, pinned: LocalCopies, folder: Path, states: StateReader, database: Database
    ) -> None:
        current = CurrentFiles(store, folder)
        self.runs = StoredRuns(store, current, pinned)
        self.overviews = Overviews(self.runs)
        self.working = Working()
        self._states = states
        self._database = database
        self._rows = RowShower(store, states, pinned, current.path)

    async def overview(self, run_id: str) -> tuple[RunTables, Overview]:
        """A run's tables and their overview.

        Raises:
            NotFound: no such run, or it was not evaluated yet.
            UserError: its tables cannot be read.
        """
        tables = await self.runs.tables(run_id)
        return tables, await self.overviews.of(tables)

    async def rows(self, run_id: str, wanted: Wanted, apart: tuple[str, str] | None) -> tuple[Overview, Order]:
        """The rows of a list.

        Args:
            run_id: whose.
            wanted: the list.
            apart: another run and a metric by which the two must differ.
        """
        tables, overview = await self.overview(run_id)
        other = await self.overview(apart[0]) if apart is not None else None
        against = (other[1], apart[1]) if other is not None and apart is not None else None
        key = (overview.version, wanted, (against[0].version, against[1]) if against is not None else None)
        order = await self.overviews.order(
            key, lambda: ordered_rows(overview, tables.answers.path, wanted, against), tables.spec.name
        )
        return overview, order

    async def row(self, run_id: str, place: int) -> tuple[RunSpec, ShownRow]:
        """One row of a run, as it was asked and answered.

        Raises:
            NotFound: no such run, or it has fewer rows.
            UserError: the data are not in storage any more.
        """
        spec = await self.runs.spec(run_id)
        found = await self._rows.at(spec, place)
        if found is None:
            raise NotFound(f"row {place} of run {spec.name}, which has {spec.samples}")
        return spec, found

    async def directions(self, run_ids: Sequence[str]) -> dict[str, bool]:
        """Metric label -> whether higher is better, as far as the runs know."""

        def ask() -> dict[str, bool]:
            with self._database.reading() as session:
                query = select(MetricRow.metric, MetricRow.higher_is_better).where(MetricRow.run_id.in_(run_ids))
                return {row.metric: row.higher_is_better for row in session.execute(query)}

        return await asyncio.to_thread(ask)

    async def composite(self, specs: Sequence[RunSpec]) -> set[str]:
        """Metrics of runs whose values of samples do not add up."""
        found: set[str] = set()
        for spec in specs:
            try:
                state = await self._states.run(spec.results_run_id)
                found |= {each.metric for each in state.metrics if each.composite}
            except NotFound:
                replicates = await self.runs.file(spec, "replicates.parquet")
                if replicates is not None:
                    found |= await self.overviews.read(partial(_labels, replicates.path), spec.name)
        return found


def _labels(replicates: Path) -> set[str]:
    table = pl.scan_parquet(replicates).select(pl.col("metric").unique()).collect(engine="streaming")
    return set(table["metric"].to_list())
