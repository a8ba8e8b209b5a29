"""Where the numbers of a job come from."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from vhb_api.rest.context import Ctx, JobId, Viewer
from vhb_api.rest.problems import documented
from vhb_api.results.summary import Summaries
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.errors import NotFound
from vhb_shared.redaction import Redactor

router = APIRouter(prefix="/jobs/{job_id}", tags=["results"], responses=documented())

_MOST_CHARACTERS = 20_000
_MOST_ITEMS = 500
_DEEPEST = 8


class RunProvenance(BaseModel):
    """Where the numbers of a run come from."""

    run_id: str
    results_run_id: str
    name: str
    model: dict[str, Any]
    """Of the job, what is not a default; no secrets."""
    task: dict[str, Any]
    dataset: dict[str, Any]
    environment: dict[str, Any] | None
    """What really answered: environment.json."""
    metric_environments: Any
    """What metrics with packages of their own ran with."""
    judges: Any


class Provenance(BaseModel):
    """Of a job."""

    job_id: str
    created_at: str
    software: dict[str, str]
    runs: list[str]
    """Names; each has a page of its own."""


@router.get("/provenance")
async def provenance(
    job_id: JobId,
    context: Ctx,
    who: Viewer,
    run: Annotated[str | None, Query(max_length=500, description="A run's name.")] = None,
) -> Provenance | RunProvenance:
    """What planned the job; with `run`, what that run was asked, and by what it was answered and scored."""
    plan = await context.summaries.plan(job_id)
    if run is None:
        return Provenance(
            job_id=job_id, created_at=plan.created_at, software=plan.software, runs=[each.name for each in plan.runs]
        )
    spec = next((each for each in plan.runs if run in (each.name, each.run_id)), None)
    if spec is None:
        raise NotFound(f"run {run!r} in job {job_id}")
    return await _of_run(context.summaries, spec)


async def _of_run(summaries: Summaries, spec: RunSpec) -> RunProvenance:
    clean = Redactor().clean
    environment = await summaries.file(spec, "environment.json")
    return RunProvenance(
        run_id=spec.run_id,
        results_run_id=spec.results_run_id,
        name=spec.name,
        model=bounded(clean(spec.model.model_dump(mode="json", exclude_defaults=True))),
        task=bounded(clean(spec.task.model_dump(mode="json", exclude_defaults=True))),
        dataset=bounded(clean(spec.dataset.model_dump(mode="json"))),
        environment=bounded(clean(environment)) if isinstance(environment, dict) else None,
        metric_environments=bounded(clean(await summaries.file(spec, "metric_environments.json"))),
        judges=bounded(clean(await summaries.file(spec, "judges.json"))),
    )


def bounded(value: Any, depth: int = 0) -> Any:
    """The same with long texts, long lists and deep places cut."""
    if isinstance(value, str):
        return value if len(value) <= _MOST_CHARACTERS else f"{value[:_MOST_CHARACTERS]}…"
    if depth > _DEEPEST:
        return "…" if isinstance(value, (dict, list)) else value
    if isinstance(value, dict):
        return {str(key)[:200]: bounded(item, depth + 1) for key, item in list(value.items())[:_MOST_ITEMS]}
    if isinstance(value, list):
        return [bounded(item, depth + 1) for item in value[:_MOST_ITEMS]]
    return value
