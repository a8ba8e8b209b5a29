"""Pinned baselines: what later runs on a data set and task are compared with."""

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from vhb_api.querying.kept import Baselines
from vhb_api.rest.context import Ctx, Submitting, Viewer
from vhb_api.rest.problems import Failed, documented
from vhb_shared.errors import UserError

router = APIRouter(prefix="/baselines", tags=["queries"], responses=documented())

_Name = Annotated[str, Query(min_length=1, max_length=1000)]


class BaselineToPin(BaseModel):
    """What is to be compared with."""

    dataset: str = Field(min_length=1, max_length=1000)
    task: str = Field(min_length=1, max_length=1000)
    baseline: str = Field(min_length=1, max_length=200)
    """A job or a run."""
    note: str | None = Field(None, max_length=2000)


class BaselineEntry(BaselineToPin):
    """A pinned baseline."""

    model_config = ConfigDict(from_attributes=True)

    pinned_by: str
    pinned_at: datetime


@router.get("")
async def list_baselines(context: Ctx, who: Viewer) -> list[BaselineEntry]:
    """All of them, by data set and task."""
    found = await asyncio.to_thread(Baselines(context.database).all)
    return [BaselineEntry.model_validate(row) for row in found]


@router.put("", responses=documented(409))
async def pin(wanted: BaselineToPin, context: Ctx, who: Submitting) -> BaselineEntry:
    """Pin the baseline of a data set and task, in place of the one before."""
    try:
        row = await asyncio.to_thread(
            Baselines(context.database).pin, wanted.dataset, wanted.task, wanted.baseline, wanted.note, who
        )
    except UserError as error:
        raise Failed(422, error.lines[0]) from None
    return BaselineEntry.model_validate(row)


@router.delete("", status_code=204, response_class=Response)
async def unpin(dataset: _Name, task: _Name, context: Ctx, who: Submitting) -> None:
    """Take a baseline away."""
    await asyncio.to_thread(Baselines(context.database).remove, dataset, task)
