"""Queries with a name: those that come with the service, and those that people keep."""

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from vhb_api.db.kept import SavedQueryRow
from vhb_api.querying.kept import KeptQueries, NotYours
from vhb_api.rest.context import Ctx, Submitting, Viewer
from vhb_api.rest.problems import Failed, documented
from vhb_api.rest.queries import MOST_SQL, saved_by_name
from vhb_shared.analytics.engine import check
from vhb_shared.analytics.saved import SavedQuery, saved_as, saved_queries
from vhb_shared.errors import UserError

router = APIRouter(prefix="/queries", tags=["queries"], responses=documented())

_Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$", description="A saved query.")]


class ParameterEntry(BaseModel):
    """What a saved query can be told."""

    name: str
    summary: str
    default: str | None
    needed: bool


class SavedQueryEntry(BaseModel):
    """A saved query."""

    name: str
    description: str
    parameters: list[ParameterEntry]
    sql: str
    saved_by: str | None
    """Whose it is; null: it comes with the service."""
    saved_at: datetime | None


class QueryToSave(BaseModel):
    """A query that somebody wants to keep."""

    sql: str = Field(min_length=1, max_length=MOST_SQL)
    """One SELECT. Its first lines may say what it shows and takes: `-- $model: this model only`."""
    description: str = Field("", max_length=2000)


@router.get("")
async def list_saved(context: Ctx, who: Viewer) -> list[SavedQueryEntry]:
    """All of them: those of the service, then those that people keep."""
    kept = await asyncio.to_thread(KeptQueries(context.database).all)
    own = [_entry(saved_as(row.name, row.sql, row.description), row) for row in kept]
    return [_entry(each, None) for each in saved_queries()] + own


@router.get("/{name}")
async def show_saved(name: _Name, context: Ctx, who: Viewer) -> SavedQueryEntry:
    """One of them."""
    return _entry(*await saved_by_name(context, name))


@router.put("/{name}", responses=documented(409))
async def save(name: _Name, wanted: QueryToSave, context: Ctx, who: Submitting) -> SavedQueryEntry:
    """Keep a query, in place of one's own of that name."""
    if any(each.name == name for each in saved_queries()):
        raise Failed(409, f"{name} comes with the service: choose another name.")
    try:
        await check(wanted.sql)
        row = await asyncio.to_thread(
            KeptQueries(context.database).put, name, wanted.sql, wanted.description.strip(), who
        )
    except UserError as error:
        raise Failed(422, error.lines[0]) from None
    except NotYours as error:
        raise _not_yours(name, error) from None
    return _entry(saved_as(row.name, row.sql, row.description), row)


@router.delete("/{name}", status_code=204, response_class=Response)
async def remove_saved(name: _Name, context: Ctx, who: Submitting) -> None:
    """Remove one's own; an administrator anybody's."""
    try:
        await asyncio.to_thread(KeptQueries(context.database).remove, name, who)
    except NotYours as error:
        raise _not_yours(name, error) from None


def _not_yours(name: str, error: NotYours) -> Failed:
    return Failed(403, f"{name} was saved by {error.saved_by}: choose another name, or ask an administrator.")


def _entry(query: SavedQuery, row: SavedQueryRow | None) -> SavedQueryEntry:
    return SavedQueryEntry(
        name=query.name,
        description=query.summary,
        parameters=[
            ParameterEntry(name=each.name, summary=each.summary, default=each.default, needed=each.needed)
            for each in query.parameters
        ],
        sql=query.sql,
        saved_by=row.saved_by if row is not None else None,
        saved_at=row.saved_at if row is not None else None,
    )
