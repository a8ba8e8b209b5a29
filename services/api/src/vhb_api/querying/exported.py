"""Tables of the database that queries may read: written out as lines, for the process that answers. Blocking."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import Float, Integer, select
from sqlalchemy.orm import Session

from vhb_api.db.kept import BaselineRow
from vhb_api.db.tables import AgentRow, BackendRow, JobRow, RunRow, ShardRow
from vhb_api.db.types import UtcTime
from vhb_shared.analytics.offered import Lines
from vhb_shared.contracts.results import OUTCOMES
from vhb_shared.errors import UserError

MOST_ROWS = 500_000
"""Of one table: more than that takes longer to write out than a query may take."""
_BATCH = 5000


def _counts(table: Any) -> list[Any]:
    return [getattr(table, name) for name in OUTCOMES]


_TABLES: Mapping[str, tuple[Any, Any]] = MappingProxyType(
    {
        "jobs": (
            select(
                JobRow.job_id, JobRow.name.label("job"), JobRow.status, JobRow.round, JobRow.planned_at,
                JobRow.created_at, JobRow.finished_at, JobRow.runs, JobRow.samples, *_counts(JobRow), JobRow.reason,
                JobRow.asked_by,
            ).order_by(JobRow.created_at, JobRow.job_id),
            JobRow.job_id,
        ),
        "shards": (
            select(
                RunRow.job_id, ShardRow.run_id, RunRow.name.label("run"), RunRow.model, RunRow.task, ShardRow.shard,
                ShardRow.round, ShardRow.attempt, ShardRow.agent_id, ShardRow.seconds, ShardRow.reused,
                *_counts(ShardRow), ShardRow.time.label("completed_at"),
            ).join(RunRow, RunRow.run_id == ShardRow.run_id),
            RunRow.job_id,
        ),
        "backends": (
            select(
                BackendRow.job_id, BackendRow.backend_id, BackendRow.replica, BackendRow.session, BackendRow.model,
                BackendRow.agent_id, BackendRow.state, BackendRow.started_at, BackendRow.changed_at,
                BackendRow.seconds_to_ready, BackendRow.reason,
            ).order_by(BackendRow.started_at),
            BackendRow.job_id,
        ),
        "agents": (select(AgentRow.agent_id, AgentRow.first_seen_at, AgentRow.last_seen_at), None),
        "baselines": (
            select(
                BaselineRow.dataset, BaselineRow.task, BaselineRow.baseline, BaselineRow.pinned_by,
                BaselineRow.pinned_at, BaselineRow.note,
            ),
            None,
        ),
    }
)  # fmt: skip
"""Table -> its rows (a SELECT), and the column by which jobs are picked."""
EXPORTED: tuple[str, ...] = tuple(_TABLES)


def exported_columns(table: str) -> dict[str, str]:
    """Columns and their types."""
    return {column.name: _type(column.type) for column in _TABLES[table][0].selected_columns}


def export(session: Session, table: str, jobs: Sequence[str], path: Path) -> Lines:
    """Writes a table, of all jobs or of some.

    Raises:
        UserError: it has too many rows.
    """
    query, of_job = _TABLES[table]
    if jobs and of_job is not None:
        query = query.where(of_job.in_(jobs))
    rows = 0
    with path.open("w", encoding="utf-8") as file:
        for batch in session.execute(query, execution_options={"yield_per": _BATCH}).mappings().partitions():
            rows += len(batch)
            if rows > MOST_ROWS:
                raise UserError(f"The table {table} has more than {MOST_ROWS:,} rows: name the jobs that are meant.")
            file.writelines(json.dumps(dict(row), default=_text) + "\n" for row in batch)
    return Lines(exported_columns(table), path)


def _type(column: Any) -> str:
    kinds: tuple[tuple[Callable[[Any], bool], str], ...] = (
        (lambda kind: isinstance(kind, UtcTime), "TIMESTAMP"),
        (lambda kind: isinstance(kind, Integer), "BIGINT"),
        (lambda kind: isinstance(kind, Float), "DOUBLE"),
    )
    return next((name for fits, name in kinds if fits(column)), "VARCHAR")


def _text(value: object) -> str:
    assert isinstance(value, datetime)
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
