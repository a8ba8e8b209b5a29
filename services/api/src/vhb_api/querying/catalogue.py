"""Which jobs there are and which of their files will not change any more, as the database knows it. Blocking."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from vhb_api.db.tables import EventRow, JobRow, RunRow
from vhb_shared.analytics.offered import Known
from vhb_shared.contracts.events import JobReportCompleted

_REPORTED = ("completed", "failed")
"""Jobs whose end is announced after their report."""


def known_jobs(session: Session, jobs: Sequence[str]) -> Known:
    """Jobs with their stamps: the round, as soon as everything of it has been written.

    Args:
        session: of a reader.
        jobs: ids; none: all of users.
    """
    wanted = select(JobRow.job_id, JobRow.status, JobRow.round).order_by(JobRow.created_at, JobRow.job_id)
    done = select(RunRow.run_id, RunRow.round).where(RunRow.stage == "done")
    if jobs:
        wanted, done = wanted.where(JobRow.job_id.in_(jobs)), done.where(RunRow.job_id.in_(jobs))
    else:
        wanted = wanted.where(JobRow.asked_by.is_(None), JobRow.status != "rejected")
    # A job that was cancelled is reported on afterwards.
    reports = select(EventRow.job_id, EventRow.round).where(EventRow.what == JobReportCompleted.what)
    reported = {(row.job_id, row.round) for row in session.execute(reports)}
    stamps = {
        row.job_id: str(row.round) if row.status in _REPORTED or (row.job_id, row.round) in reported else None
        for row in session.execute(wanted)
    }
    return Known(stamps, {row.run_id: str(row.round) for row in session.execute(done)})
