"""Queries and baselines that people keep, in the database. Blocking."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import func, select

from vhb_api.access.tokens import Bearer
from vhb_api.db.database import Database
from vhb_api.db.kept import BaselineRow, SavedQueryRow
from vhb_api.db.tables import RunRow
from vhb_shared.errors import Conflict, NotFound, UserError

MOST_QUERIES = 1000
MOST_BASELINES = 10_000


class NotYours(Exception):  # noqa: N818 - a condition
    """Somebody else saved it."""

    def __init__(self, saved_by: str) -> None:
        super().__init__(saved_by)
        self.saved_by = saved_by


class KeptQueries:
    """Queries of people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> Sequence[SavedQueryRow]:
        """By name."""
        with self._database.reading() as session:
            return list(session.scalars(select(SavedQueryRow).order_by(SavedQueryRow.name)))

    def get(self, name: str) -> SavedQueryRow | None:
        """One of them."""
        with self._database.reading() as session:
            return session.get(SavedQueryRow, name)

    def put(self, name: str, sql: str, description: str, who: Bearer) -> SavedQueryRow:
        """Saves one, in place of one's own of that name.

        Raises:
            NotYours: somebody else's has the name.
            Conflict: there are too many.
        """
        with self._database.writing() as session:
            row = session.get(SavedQueryRow, name)
            if row is None:
                if (session.scalar(select(func.count()).select_from(SavedQueryRow)) or 0) >= MOST_QUERIES:
                    raise Conflict(f"{MOST_QUERIES:,} queries are saved already; remove one")
                row = SavedQueryRow(name=name, saved_by=who.name)
                session.add(row)
            elif not _may(who, row):
                raise NotYours(row.saved_by)
            row.sql, row.description, row.saved_at = sql, description, datetime.now(UTC)
            session.flush()
            return row

    def remove(self, name: str, who: Bearer) -> None:
        """Removes one's own; an administrator anybody's.

        Raises:
            NotFound: there is none.
            NotYours: it is somebody else's.
        """
        with self._database.writing() as session:
            row = session.get(SavedQueryRow, name)
            if row is None:
                raise NotFound(f"saved query {name!r}")
            if not _may(who, row):
                raise NotYours(row.saved_by)
            session.delete(row)
            session.flush()


class Baselines:
    """Which job or run later ones on a data set and task are compared with."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> Sequence[BaselineRow]:
        """By data set and task."""
        with self._database.reading() as session:
            return list(session.scalars(select(BaselineRow).order_by(BaselineRow.dataset, BaselineRow.task)))

    def pin(self, dataset: str, task: str, baseline: str, note: str | None, who: Bearer) -> BaselineRow:
        """Pins one, in place of the one before.

        Raises:
            UserError: no run of it is on that data set and task.
            Conflict: there are too many.
        """
        with self._database.writing() as session:
            found = select(RunRow.run_id).where(
                (RunRow.job_id == baseline) | (RunRow.run_id == baseline),
                RunRow.dataset == dataset,
                RunRow.task == task,
            )
            if session.scalar(found.limit(1)) is None:
                raise UserError(
                    f"{baseline!r} is no job or run with results of the task {task!r} on the data set {dataset!r}; "
                    "name one of a run on both."
                )
            row = session.get(BaselineRow, (dataset, task))
            if row is None:
                if (session.scalar(select(func.count()).select_from(BaselineRow)) or 0) >= MOST_BASELINES:
                    raise Conflict(f"{MOST_BASELINES:,} baselines are pinned already; remove one")
                row = BaselineRow(dataset=dataset, task=task)
                session.add(row)
            row.baseline, row.note, row.pinned_by, row.pinned_at = baseline, note, who.name, datetime.now(UTC)
            session.flush()
            return row

    def remove(self, dataset: str, task: str) -> None:
        """Takes one away.

        Raises:
            NotFound: there is none.
        """
        with self._database.writing() as session:
            row = session.get(BaselineRow, (dataset, task))
            if row is None:
                raise NotFound(f"baseline of the data set {dataset!r} and the task {task!r}")
            session.delete(row)
            session.flush()


def _may(who: Bearer, row: SavedQueryRow) -> bool:
    return who.name == row.saved_by or who.role == "admin"
