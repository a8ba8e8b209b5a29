"""Runs that a run can be compared with."""

import asyncio
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import or_, select

from vhb_api.db.database import Database
from vhb_api.db.tables import JobRow, MetricRow, RunRow


class ComparableRun(BaseModel):
    """A run on the same data."""

    run_id: str
    name: str
    model: str
    task: str
    job_id: str
    job_name: str
    created_at: datetime


async def comparable_runs(
    database: Database, digest: str, but: str, text: str | None, limit: int
) -> list[ComparableRun]:
    """Runs with scores on a data set, of the newest jobs first.

    Args:
        database: of the projection.
        digest: of the data set.
        but: a run that is left out.
        text: a part of the run's or the job's name, in any case.
        limit: runs.
    """

    def ask() -> list[ComparableRun]:
        query = (
            select(RunRow, JobRow)
            .join(JobRow, JobRow.job_id == RunRow.job_id)
            .where(RunRow.dataset_digest == digest, RunRow.run_id != but, JobRow.asked_by.is_(None))
            .where(select(MetricRow.run_id).where(MetricRow.run_id == RunRow.run_id).exists())
            .order_by(JobRow.created_at.desc(), RunRow.job_id, RunRow.position)
            .limit(limit)
        )
        if text:
            named = (column.icontains(text, autoescape=True) for column in (RunRow.name, JobRow.name, JobRow.job_id))
            query = query.where(or_(*named))
        with database.reading() as session:
            return [
                ComparableRun(
                    run_id=run.run_id, name=run.name, model=run.model, task=run.task, job_id=job.job_id,
                    job_name=job.name, created_at=job.created_at,
                )
                for run, job in session.execute(query)
            ]  # fmt: skip

    return await asyncio.to_thread(ask)
