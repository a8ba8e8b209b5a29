"""What a page that watches a job shows: shards, metrics so far, backends that start, last words of engines."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel
from starlette.responses import PlainTextResponse

from vhb_api.db import watching
from vhb_api.db.tables import BackendRow, JobRow, RunRow
from vhb_api.live.failures import Failures, failures_of
from vhb_api.live.held import BackendState, StateNow, states_now
from vhb_api.live.metrics import MetricSoFar
from vhb_api.rest.context import Context, Ctx, JobId, RunId, Viewer
from vhb_api.rest.jobs import check_known
from vhb_api.rest.problems import documented
from vhb_shared.contracts.live import BackendWarmup
from vhb_shared.errors import NotFound
from vhb_shared.store import layout

router = APIRouter(tags=["watching"], responses=documented())

MOST_RUNS = 50
"""Runs of a job whose metrics are summed up while they go on."""
MOST_STARTS = 200
WAITING, DONE, WITH_FAILURES = ".", "d", "f"

_Part = r"^[A-Za-z0-9_-]{1,100}$"


class ShardInFlight(BaseModel):
    """A shard that an agent is in."""

    shard: int
    agent_id: str
    done: int
    samples: int
    failed: int


class ShardsAnswer(BaseModel):
    """All shards of a run in little space."""

    run_id: str
    round: int
    shards: int
    states: str
    """One character for each shard: `.` not done (or in flight), `d` done, `f` done with samples that failed."""
    in_flight: list[ShardInFlight]
    failed: dict[int, int]
    """Samples that failed of shards with `f`; the first 1,000."""
    agents: dict[str, int]
    """Shards that each agent has done."""


class RunSoFar(BaseModel):
    """The metrics of a run that goes on."""

    run_id: str
    name: str
    samples: int
    shards: int
    shards_scored: int
    metrics: list[MetricSoFar]


class BackendStart(BaseModel):
    """One start of a backend that a job wants."""

    backend_id: str
    replica: int
    session: str
    model: str
    agent_id: str
    state: BackendState
    """As it is now: one whose agent was killed has stopped, though nobody announced it."""
    started_at: datetime
    changed_at: datetime
    seconds_to_ready: float | None
    usual_seconds: float | None
    """The median of earlier starts of this backend; of its model, where this one never started before."""
    reason: str | None
    warmup: BackendWarmup | None
    """While it starts: how far it is."""


@router.get("/runs/{run_id}/shards")
async def list_shards(run_id: RunId, context: Ctx, who: Viewer) -> ShardsAnswer:
    """The state of every shard of a run."""

    def ask() -> tuple[RunRow, list[watching.ShardDone]]:
        with context.database.reading() as session:
            run = watching.run(session, run_id)
            if run is None:
                raise NotFound(f"run {run_id}")
            return run, watching.shards(session, run_id)

    run, done = await asyncio.to_thread(ask)
    states = [WAITING] * run.shards
    failed: dict[int, int] = {}
    agents: dict[str, int] = {}
    for one in done:
        if 0 <= one.shard < run.shards:
            states[one.shard] = WITH_FAILURES if one.failed else DONE
            agents[one.agent_id] = agents.get(one.agent_id, 0) + 1
            if one.failed and len(failed) < 1000:
                failed[one.shard] = one.failed
    current = {one.shard for one in done if one.round == run.round}
    words = context.hub.board.in_flight(run.job_id, run_id) if run.status == "running" else []
    return ShardsAnswer(
        run_id=run_id,
        round=run.round,
        shards=run.shards,
        states="".join(states),
        in_flight=[
            ShardInFlight(
                shard=word.shard, agent_id=word.agent_id, done=word.done, samples=word.samples,
                failed=word.counts.failed,
            )
            for word in words
            if word.shard not in current
        ],
        failed=failed,
        agents=agents,
    )  # fmt: skip


@router.get("/runs/{run_id}/failures")
async def list_failures(run_id: RunId, context: Ctx, who: Viewer) -> Failures:
    """Reasons why samples failed, out of the answers of the first shards with failures."""

    def ask() -> list[watching.ShardDone]:
        with context.database.reading() as session:
            if watching.run(session, run_id) is None:
                raise NotFound(f"run {run_id}")
            return watching.shards(session, run_id)

    return await failures_of(context.store, run_id, await asyncio.to_thread(ask))


@router.get("/jobs/{job_id}/live-metrics")
async def live_metrics(job_id: JobId, context: Ctx, who: Viewer) -> list[RunSoFar]:
    """Metrics so far of runs that go on, with their 95% intervals, over the samples that are scored already.

    Runs that are evaluated are not among them: `/jobs/JOB_ID/runs` has theirs. Summed up at most every two seconds,
    however many ask.
    """

    def ask() -> list[RunRow]:
        with context.database.reading() as session:
            return watching.scored_runs(session, job_id, MOST_RUNS)

    await check_known(context, job_id)
    found = []
    for run in await asyncio.to_thread(ask):
        so_far = await context.live_metrics.of(run.run_id)
        found.append(
            RunSoFar(
                run_id=run.run_id, name=run.name, samples=run.samples, shards=run.shards,
                shards_scored=so_far.shards_scored, metrics=so_far.metrics,
            )
        )  # fmt: skip
    return found


@router.get("/jobs/{job_id}/backends")
async def list_starts(job_id: JobId, context: Ctx, who: Viewer) -> list[BackendStart]:
    """Starts of the backends that a job wants, the latest first: how far each is, and how long it usually takes."""
    await check_known(context, job_id)
    rows, earlier = await asyncio.to_thread(_starts, context, job_id)
    states = await states_now(context.bus, rows)
    warming = context.hub.board.warming(job_id)
    return [_start(row, now, earlier, warming.get(row.session)) for row, now in zip(rows, states, strict=True)]


@router.get("/backends/{backend_id}/{replica}/{session}/log", response_class=PlainTextResponse)
async def engine_log(
    backend_id: Annotated[str, Path(pattern=_Part)],
    replica: Annotated[int, Path(ge=0, le=100_000)],
    session: Annotated[str, Path(pattern=_Part)],
    context: Ctx,
    who: Viewer,
) -> PlainTextResponse:
    """The last 256 KiB that a backend session's engine wrote, without secrets; stored every ten seconds and at its
    end."""
    try:
        data = await context.store.get(layout.engine_log(backend_id, replica, session))
    except NotFound:
        raise NotFound(
            f"log of session {session}: it has said nothing yet, or runs elsewhere, where its log can be read"
        ) from None
    return PlainTextResponse(data.decode(errors="replace"), headers={"X-Content-Type-Options": "nosniff"})


def _starts(context: Context, job_id: str) -> tuple[list[BackendRow], list[BackendRow]]:
    """Starts that concern a job, and those that say how long one takes."""
    with context.database.reading() as session:
        job = session.get(JobRow, job_id)
        if job is None:
            return [], []  # handed in and not planned yet
        rows = watching.backends_of(session, job, MOST_STARTS)
        earlier = watching.seconds_to_ready(
            session, sorted({row.backend_id for row in rows}), sorted({row.model for row in rows})
        )
        return rows, earlier


def _start(row: BackendRow, now: StateNow, earlier: Sequence[BackendRow], warmup: BackendWarmup | None) -> BackendStart:
    before = [one for one in earlier if one.started_at < row.started_at]
    same = [one for one in before if one.backend_id == row.backend_id]
    alike = same or [one for one in before if one.model == row.model]
    times = [one.seconds_to_ready for one in alike[: watching.USUAL_OF] if one.seconds_to_ready is not None]
    names = ("backend_id", "replica", "session", "model", "agent_id", "started_at", "changed_at",
             "seconds_to_ready")  # fmt: skip
    return BackendStart(
        **{name: getattr(row, name) for name in names},
        state=now.state,
        reason=now.reason,
        usual_seconds=round(median(times), 1) if times else None,
        warmup=warmup if now.state == "starting" else None,
    )
