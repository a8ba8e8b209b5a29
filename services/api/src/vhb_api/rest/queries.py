"""Questions over everything that is stored, in SQL."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from vhb_api.db.kept import SavedQueryRow
from vhb_api.querying.asking import QUERY_TABLES, Answered, Asked, Crowded, StillFetching
from vhb_api.querying.exported import EXPORTED, exported_columns
from vhb_api.querying.kept import KeptQueries
from vhb_api.rest.context import Context, Ctx, Viewer
from vhb_api.rest.problems import Failed, documented
from vhb_shared.analytics.saved import SavedQuery, saved_as, saved_queries
from vhb_shared.analytics.tables import columns_of
from vhb_shared.analytics.texts import csv_text
from vhb_shared.errors import NotFound, UserError

router = APIRouter(prefix="/query", tags=["queries"], responses=documented())

T = TypeVar("T")
MOST_SQL = 100_000
"""Characters."""
MOST_ROWS = 1_000_000
_Value = Annotated[str, Field(max_length=10_000)] | bool | int | float | None


class Question(BaseModel):
    """What is asked: `sql`, or a saved query by its name."""

    sql: str | None = Field(None, min_length=1, max_length=MOST_SQL)
    """One SELECT, with `$name` where a parameter goes."""
    saved: str | None = Field(None, min_length=1, max_length=100)
    parameters: dict[Annotated[str, Field(max_length=100)], _Value] = Field({}, max_length=100)
    """Bound, never pasted into the text."""
    jobs: list[Annotated[str, Field(max_length=80)]] = Field([], max_length=200)
    """Only these; none: all that are stored."""
    rows: int = Field(1000, ge=1, le=MOST_ROWS)
    """At most."""
    timeout_s: float = Field(30, ge=0.1, le=3600)
    """At most; the service has a bound of its own."""
    format: Literal["json", "csv"] = "json"


class Column(BaseModel):
    """A column of a result or a table."""

    name: str
    type: str
    """As DuckDB names it."""


class QueryAnswer(BaseModel):
    """What a query found."""

    columns: list[Column]
    rows: list[list[Any]]
    """Times, binary values (hex) and numbers that are not finite are texts."""
    more: bool
    """Whether there are further rows than were allowed."""
    seconds: float
    notes: list[str]
    """What is left out, with the reason."""


class QueryTable(BaseModel):
    """A table that queries may read."""

    name: str
    columns: list[Column]
    source: Literal["results", "database"]


@router.post(
    "",
    response_model=QueryAnswer,
    responses={200: {"description": "What was found", "content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def query(question: Question, request: Request, context: Ctx, who: Viewer) -> Response:
    """Ask in SQL, or by the name of a saved query; it only reads. A request that goes away ends its query."""
    request.state.only_reads = True
    sql, parameters = await _asked(context, question)
    seconds = min(question.timeout_s, context.settings.query_seconds)
    asked = Asked(sql, parameters, question.jobs, question.rows, seconds)
    done = await _while_there(request, _answered(context, asked, who.token_id))
    return await asyncio.to_thread(_csv if question.format == "csv" else _json, done)


@router.get("/tables")
async def list_tables(who: Viewer) -> list[QueryTable]:
    """The tables that queries may read, with their columns; some runs have further ones."""
    return [
        QueryTable(
            name=name,
            columns=[
                Column(name=column, type=kind)
                for column, kind in (exported_columns(name) if name in EXPORTED else columns_of(name)).items()
            ],
            source="database" if name in EXPORTED else "results",
        )
        for name in QUERY_TABLES
    ]


async def saved_by_name(context: Context, name: str) -> tuple[SavedQuery, SavedQueryRow | None]:
    """A saved query, and its row where a person keeps it.

    Raises:
        NotFound: there is none.
    """
    built_in = next((each for each in saved_queries() if each.name == name), None)
    if built_in is not None:
        return built_in, None
    row = await asyncio.to_thread(KeptQueries(context.database).get, name)
    if row is None:
        raise NotFound(f"saved query {name!r}")
    return saved_as(row.name, row.sql, row.description), row


async def _asked(context: Context, question: Question) -> tuple[str, dict[str, Any]]:
    if (question.sql is None) == (question.saved is None):
        raise Failed(422, "Give either `sql` or `saved`.")
    if question.sql is not None:
        return question.sql, dict(question.parameters)
    found, _ = await saved_by_name(context, str(question.saved))
    try:
        # An empty field of a form is a parameter that was not given.
        given = {name: str(value) for name, value in question.parameters.items() if value is not None}
        return found.sql, dict(found.bound(given))
    except UserError as error:
        raise Failed(422, str(error)) from None


async def _answered(context: Context, asked: Asked, token_id: str) -> Answered:
    try:
        return await context.queries.answer(asked, token_id)
    except Crowded as error:
        if error.own:
            raise Failed(429, "Too many of your queries run already.", headers={"Retry-After": "5"}) from None
        raise Failed(503, "Other queries run: ask again in a moment.", headers={"Retry-After": "5"}) from None
    except StillFetching:
        raise Failed(
            503,
            "The files that this needs are still being fetched from storage: ask again, or name fewer jobs.",
            headers={"Retry-After": "5"},
        ) from None
    except UserError as error:
        raise Failed(422, error.lines[0]) from None


async def _while_there(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of work that ends when its client goes away."""
    doing = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise Failed(408, "The client has gone away.")
        return doing.result()
    finally:
        doing.cancel()
        gone.cancel()
        await asyncio.gather(doing, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _json(done: Answered) -> Response:
    answer = done.answer
    content = {
        "columns": [{"name": name, "type": kind} for name, kind in zip(answer.columns, answer.types, strict=True)],
        "rows": answer.rows,
        "more": answer.more,
        "seconds": round(done.seconds, 3),
        "notes": done.notes,
    }
    return Response(json.dumps(content, ensure_ascii=False, separators=(",", ":")), media_type="application/json")


def _csv(done: Answered) -> Response:
    headers = {"Content-Disposition": 'attachment; filename="query.csv"', "X-More-Rows": str(done.answer.more).lower()}
    return Response(csv_text(done.answer), media_type="text/csv; charset=utf-8", headers=headers)
