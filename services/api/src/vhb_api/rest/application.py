"""The routes put together."""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp

from vhb_api.rest import (
    administration,
    agents,
    artefacts,
    baselines,
    breakdowns,
    changes,
    comparisons,
    datasets,
    export,
    health,
    job_files,
    jobs,
    leaderboards,
    page,
    previews,
    provenance,
    queries,
    registries,
    run_samples,
    saved_queries,
    session,
    stream,
    submissions,
    uploads,
    used_datasets,
    watching,
    webhooks,
)
from vhb_api.rest.context import Context
from vhb_api.rest.middleware import Guard
from vhb_api.rest.problems import ProblemDetails, install
from vhb_api.submitting.problems import Problem

PREFIX = "/api/v1"


class _App(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """With the schema of problems, which no route returns by its type."""
        if self.openapi_schema is None:
            made = get_openapi(title=self.title, version=self.version, description=self.description, routes=self.routes)
            schemas = made.setdefault("components", {}).setdefault("schemas", {})
            template = "#/components/schemas/{model}"
            details = ProblemDetails.model_json_schema(ref_template=template)
            details.pop("$defs", None)
            schemas |= {"ProblemDetails": details, "Problem": Problem.model_json_schema(ref_template=template)}
            self.openapi_schema = made
        return self.openapi_schema


def routes() -> FastAPI:
    """The application without a context: enough for its OpenAPI document."""
    app = _App(
        title="VLMHyperBench",
        version="1",
        description="Hand jobs in, watch them, fetch results.",
        openapi_url=f"{PREFIX}/openapi.json",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    api = APIRouter(prefix=PREFIX)
    for router in (
        changes.router,
        previews.router,
        submissions.router,
        job_files.router,
        uploads.router,
        uploads.examples,
        jobs.router,
        artefacts.router,
        registries.router,
        used_datasets.router,
        datasets.router,
        agents.router,
        watching.router,
        queries.router,
        saved_queries.router,
        baselines.router,
        run_samples.router,
        comparisons.router,
        leaderboards.router,
        breakdowns.router,
        provenance.router,
        export.router,
        stream.router,
        administration.router,
        webhooks.router,
        session.router,
    ):
        api.include_router(router)
    app.include_router(api)
    app.include_router(health.router)
    app.include_router(page.router)  # the last: it knows every other path
    install(app)
    return app


def application(context: Context) -> ASGIApp:
    """What the server serves."""
    app = routes()
    app.state.context = context
    return Guard(app, context)
