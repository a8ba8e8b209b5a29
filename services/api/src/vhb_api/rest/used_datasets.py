"""Data sets that jobs used, by digest: what they hold is asked for below `/datasets/DIGEST`."""

import asyncio
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import and_, func, or_, select

from vhb_api.db import queries
from vhb_api.db.tables import JobRow, RunRow
from vhb_api.rest.context import Ctx, Viewer
from vhb_api.rest.pages import Cursor, Limit, Page, place_of, written
from vhb_api.rest.problems import Failed, documented

router = APIRouter(tags=["data sets"], responses=documented())


class UsedDataset(BaseModel):
    """A data set in storage."""

    digest: str
    name: str
    """As a job called it."""
    runs: int
    last_used_at: datetime


@router.get("/datasets")
async def list_used(context: Ctx, who: Viewer, limit: Limit = 100, cursor: Cursor = None) -> Page[UsedDataset]:
    """Data sets that jobs used, the latest first; those of questions that metrics ask are left out."""
    place = place_of(cursor, str, str)
    try:
        below = (queries.moment(place[0]), str(place[1])) if place is not None else None
    except (ValueError, OverflowError):
        raise Failed(400, "This cursor is none that was given out: leave it away to begin anew.") from None
    last = func.max(JobRow.created_at)
    query = (
        select(
            RunRow.dataset_digest, func.max(RunRow.dataset).label("name"), func.count().label("runs"), last.label("at")
        )
        .join(JobRow, JobRow.job_id == RunRow.job_id)
        .where(JobRow.asked_by.is_(None), RunRow.dataset_digest != "")
        .group_by(RunRow.dataset_digest)
        .order_by(last.desc(), RunRow.dataset_digest.desc())
        .limit(limit + 1)
    )
    if below is not None:
        at, digest = below
        query = query.having(or_(last < at, and_(last == at, RunRow.dataset_digest < digest)))

    def ask() -> list[UsedDataset]:
        with context.database.reading() as session:
            return [
                UsedDataset(digest=row.dataset_digest, name=row.name, runs=row.runs, last_used_at=row.at)
                for row in session.execute(query)
            ]

    found = await asyncio.to_thread(ask)
    more = None
    if len(found) > limit:
        more = written(found[limit - 1].last_used_at.isoformat(), found[limit - 1].digest)
    return Page[UsedDataset](items=found[:limit], next=more)
