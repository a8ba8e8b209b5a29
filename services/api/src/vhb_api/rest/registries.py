"""What jobs can name, and who can run it."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from vhb_api.db import queries
from vhb_api.db.tables import BackendRow
from vhb_api.live.held import states_now
from vhb_api.rest import answers
from vhb_api.rest.context import Context, Ctx, Viewer
from vhb_api.rest.definitions import RegistryEntryDetails, details
from vhb_api.rest.pages import Cursor, Limit, Page, place_of, written
from vhb_api.rest.problems import Failed, documented
from vhb_shared.errors import NotFound
from vhb_shared.redaction import Redactor
from vhb_shared.registry.base import Registered
from vhb_shared.registry.plugins import plugins
from vhb_shared.registry.registry import Registry

router = APIRouter(tags=["registries"], responses=documented())

Kind = Literal["models", "tasks", "datasets", "metrics"]


@router.get("/registries/{kind}")
async def list_entries(kind: Kind, context: Ctx, who: Viewer) -> list[answers.RegistryEntry]:
    """What jobs can name."""
    return await asyncio.to_thread(_entries, kind, context)


@router.get("/registries/{kind}/{name}")
async def show_entry(
    kind: Kind, name: Annotated[str, Path(max_length=200)], context: Ctx, who: Viewer
) -> RegistryEntryDetails:
    """What one entry says."""
    for entry in await asyncio.to_thread(_entries, kind, context):
        if entry.name == name:
            return await asyncio.to_thread(details, entry, kind == "metrics")
    raise NotFound(f"entry {name!r} among the {kind}")


@router.get("/backends")
async def list_backends(
    context: Ctx,
    who: Viewer,
    job_id: Annotated[str | None, Query(max_length=80)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[answers.BackendEntry]:
    """Starts of backends, the latest first."""
    place = place_of(cursor, str, str)
    try:
        below = (queries.moment(place[0]), str(place[1])) if place is not None else None
    except (ValueError, OverflowError):
        raise Failed(400, "This cursor is none that was given out: leave it away to begin anew.") from None

    def ask() -> list[BackendRow]:
        with context.database.reading() as session:
            return queries.backends(session, job_id, below, limit + 1)

    rows = await asyncio.to_thread(ask)
    states = await states_now(context.bus, rows)
    found = [
        answers.BackendEntry.model_validate(row).model_copy(update=now._asdict())
        for row, now in zip(rows, states, strict=True)
    ]
    more = None
    if len(found) > limit:
        last = found[limit - 1]
        more = written(last.started_at.isoformat(), f"{last.backend_id}/{last.replica}/{last.session}")
    return Page[answers.BackendEntry](items=found[:limit], next=more)


def _entries(kind: Kind, context: Context) -> list[answers.RegistryEntry]:
    registry = Registry.load(context.settings.data_dir)
    known: Mapping[str, Registered[Any]] = getattr(registry, kind)
    clean = Redactor().clean
    found = [
        answers.RegistryEntry(
            name=name,
            origin=one.origin,
            description=getattr(one.entry, "description", None),
            # Who may look need not know what models log in with.
            entry=clean(one.entry.model_dump(mode="json", exclude_unset=True)),
        )
        for name, one in known.items()
    ]
    if kind == "metrics":
        found += [
            answers.RegistryEntry(name=one.name, origin=one.package, description=None, entry=None)
            for one in plugins("metrics")
        ]
    return found
