"""A job's results by groups of samples, and by fields of documents."""

import hashlib
from collections.abc import Mapping
from typing import Annotated

import polars as pl
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from vhb_api.rest.context import Context, Ctx, JobId, Viewer
from vhb_api.rest.leaderboards import MetricCell
from vhb_api.rest.problems import Failed, documented
from vhb_api.results.summary import LEVELS
from vhb_api.results.working import Gone, TooMuch
from vhb_shared.errors import NotFound

router = APIRouter(prefix="/jobs/{job_id}", tags=["results"], responses=documented())

_MOST_GROUPS = 200


class Breakdown(BaseModel):
    """A metric by groups: one row for each group, one cell for each run."""

    metric: str
    by: str
    runs: list[str]
    """Names."""
    groups: list[str]
    """The largest first."""
    more: int
    """Groups that are left out."""
    cells: list[list[MetricCell | None]]
    """For each group, for each run."""


class FieldCell(BaseModel):
    """How often a field was found, invented, and missed or wrong."""

    found: int
    extra: int
    missed: int


class FieldTable(BaseModel):
    """Fields of extracted documents, the most frequent first; one cell for each run."""

    metric: str
    runs: list[str]
    fields: list[str]
    more: int
    cells: list[list[FieldCell | None]]


@router.get("/breakdown")
async def breakdown(
    job_id: JobId,
    context: Ctx,
    who: Viewer,
    metric: Annotated[str, Query(max_length=500)],
    by: Annotated[
        str, Query(max_length=200, description="doc_class, question_type, both, or column:NAME")
    ] = "doc_class",
    task: Annotated[str | None, Query(max_length=200, description="Runs of this comparison only.")] = None,
) -> Breakdown:
    """A metric by classes, types of question, or other groups."""
    level = LEVELS.get(by, by)
    if level not in LEVELS.values() and not level.startswith("column:"):
        raise Failed(422, "Groups are of doc_class, question_type, both, or column:NAME.")
    runs = await _names(context, job_id, task)
    rows = await context.summaries.metrics(
        job_id, (pl.col("level") == level) & (pl.col("metric") == metric) & pl.col("run").is_in(runs)
    )
    if rows is None:
        raise NotFound(f"result of job {job_id} by groups yet: it comes when all its runs were evaluated")
    sizes = rows.group_by("group").agg(pl.col("n").max()).sort(["n", "group"], descending=[True, False])
    groups = sizes["group"].to_list()
    shown = groups[:_MOST_GROUPS]
    cells = {(row["group"], row["run"]): MetricCell.model_validate(row) for row in rows.iter_rows(named=True)}
    present = [run for run in runs if any((group, run) in cells for group in shown)]
    return Breakdown(
        metric=metric,
        by=by,
        runs=present,
        groups=[group or "" for group in shown],
        more=len(groups) - len(shown),
        cells=[[cells.get((group, run)) for run in present] for group in shown],
    )


@router.get("/fields")
async def fields(
    job_id: JobId,
    request: Request,
    context: Ctx,
    who: Viewer,
    metric: Annotated[str, Query(max_length=500)],
    task: Annotated[str | None, Query(max_length=200, description="Runs of this comparison only.")] = None,
) -> FieldTable:
    """Extraction field by field, of a metric that says which fields were right. Computed once, and remembered."""
    counted: dict[str, Mapping[str, list[int]]] = {}
    for name, run_id in (await _names(context, job_id, task)).items():
        spec = await context.results.runs.spec(run_id)
        scores = await context.results.runs.file(spec, "scores.parquet")
        if scores is None:
            continue
        key = hashlib.sha256(f"fields/{spec.results_run_id}/{scores.version}".encode()).hexdigest()
        try:
            found = await context.results.working.done(key, "fields", {"scores": str(scores.path)}, request)
        except TooMuch:
            raise Failed(503, "Too much is being computed just now.", headers={"Retry-After": "10"}) from None
        except Gone:
            raise Failed(503, "Nobody waits for it any more.") from None
        if metric in found:
            counted[name] = found[metric]
    weight: dict[str, int] = {}
    for counts in counted.values():
        for field, (right, _, missed) in counts.items():
            weight[field] = max(weight.get(field, 0), right + missed)
    names = sorted(weight, key=lambda field: (-weight[field], field))
    shown = names[:_MOST_GROUPS]
    return FieldTable(
        metric=metric,
        runs=list(counted),
        fields=shown,
        more=len(names) - len(shown),
        cells=[[_field(counts.get(field)) for counts in counted.values()] for field in shown],
    )


def _field(counts: list[int] | None) -> FieldCell | None:
    return FieldCell(found=counts[0], extra=counts[1], missed=counts[2]) if counts is not None else None


async def _names(context: Context, job_id: str, task: str | None) -> dict[str, str]:
    """Name -> id of the runs of a comparison, or of all."""
    plan = await context.summaries.plan(job_id)
    return {run.name: run.run_id for run in plan.runs if task in (None, run.task.comparison)}
