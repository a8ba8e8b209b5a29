"""Job files: their schema, and those of jobs that were handed in, to begin anew from."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse, Response

from vhb_api.rest.context import Ctx, JobId, Viewer
from vhb_api.rest.jobs import needed
from vhb_api.rest.problems import documented
from vhb_api.submitting.written import job_file
from vhb_shared.contracts.job import JobSpec
from vhb_shared.errors import NotFound
from vhb_shared.registry.registry import Registry
from vhb_shared.schemas import json_schemas
from vhb_shared.store import layout

router = APIRouter(tags=["jobs"], responses=documented())


@router.get("/schemas/{name}", response_class=JSONResponse)
async def schema(name: Annotated[str, Path(max_length=100)], context: Ctx, who: Viewer) -> dict[str, Any]:
    """JSON Schema of the job file (`job`) or of a message, as `vhb schema` prints it."""
    found = (await asyncio.to_thread(json_schemas)).get(name)
    if found is None:
        raise NotFound(f"schema {name!r}")
    return found


@router.get(
    "/jobs/{job_id}/job-file",
    response_class=Response,
    responses={200: {"description": "YAML", "content": {"application/yaml": {"schema": {"type": "string"}}}}},
)
async def written(job_id: JobId, context: Ctx, who: Viewer) -> Response:
    """A job's file, to be edited and handed in again: data are named by digest, secrets are left out."""
    spec = await _handed_in(job_id, context)

    def write() -> str:
        return job_file(spec, Registry.load(context.settings.data_dir))

    text = await asyncio.to_thread(write)
    return Response(text, media_type="application/yaml")


async def _handed_in(job_id: str, context: Ctx) -> JobSpec:
    await needed(context, job_id)
    for key in (layout.job_spec(job_id), layout.job_submission(job_id)):
        try:
            return JobSpec.model_validate_json(await context.store.get(key))
        except NotFound:
            continue  # it was never planned; only big ones are stored before that
    raise NotFound(f"file of job {job_id} in storage: it was never planned")
