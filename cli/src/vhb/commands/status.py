"""`vhb status` and `vhb watch`: how jobs are doing."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vhb.connect import DEFAULT_WORKDIR, JobId, Server, WorkdirOption

if TYPE_CHECKING:
    from vhb_shared.contracts.state import JobState, RunState


def status(
    job_id: Annotated[str | None, typer.Argument(metavar="JOB_ID", help="A job; default: all jobs.")] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="One JSON document, for programs.")] = False,
    every: Annotated[
        bool, typer.Option("--all", metavar="", help="Also jobs in which metrics of others ask models.")
    ] = False,
    server: Server = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Show the state of one job, or of all."""
    asyncio.run(_status(job_id, as_json, every, server, workdir))


def watch(
    job_id: JobId,
    server: Server = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Show live progress until the job ends."""
    raise typer.Exit(asyncio.run(_watch(job_id, server, workdir)))


async def _watch(job_id: str, server: str | None, workdir: Path) -> int:
    from vhb.connect import connected, settings
    from vhb.ending import finish
    from vhb.screen import console
    from vhb_shared.bus.knowing import known_job

    async with connected(settings(server, workdir)) as connection:
        await known_job(connection.states, job_id)
        return await finish(connection, job_id, None, console(stderr=True))


async def _status(job_id: str | None, as_json: bool, every: bool, server: str | None, workdir: Path) -> None:
    from vhb.connect import connected, settings
    from vhb.display import summary
    from vhb.facts import gather
    from vhb.hints import hint_of
    from vhb.screen import console, say
    from vhb_shared.bus.knowing import known_job
    from vhb_shared.placement.explaining import explain_job

    async with connected(settings(server, workdir)) as connection:
        if job_id is None:
            jobs = [job for job in await connection.states.jobs() if every or job.asked_by is None]
            if as_json:
                print(json.dumps([_job_row(job) for job in jobs], ensure_ascii=False))
            else:
                _print_jobs(jobs)
            return
        job = await known_job(connection.states, job_id)
        runs = await connection.states.runs(job)
        if as_json:
            print(json.dumps(_job_row(job) | {"runs": [_run_row(run) for run in runs]}, ensure_ascii=False))
            return
        out = console()
        summary(job, runs, out)
        if not job.ended:
            hint = hint_of(explain_job(job, runs, await gather(connection, job_id, runs)))
            if hint is not None:
                say(out, hint, "yellow")
        for problem in job.problems:
            say(out, problem, "red")


def _job_row(job: "JobState") -> dict[str, Any]:
    keep = {"job_id", "name", "status", "stages", "round", "submitted_at", "finished_at", "problems", "artefacts"}
    keep |= {"asked_by"} if job.asked_by is not None else set()
    return job.model_dump(mode="json", include=keep) | {"runs_total": len(job.run_ids)}


def _run_row(run: "RunState") -> dict[str, Any]:
    keep = {"run_id", "name", "model", "task", "backend_id", "stage", "status", "samples", "shards", "round", "counts"}
    row = run.model_dump(mode="json", include=keep | {"metrics", "failure", "artefacts"})
    asking = {"asking": list(run.asking.values())} if run.asking else {}
    return row | {"shards_committed": len(run.committed)} | asking


def _print_jobs(jobs: "list[JobState]") -> None:
    from rich.text import Text

    from vhb.screen import console, say, table

    out = console()
    if not jobs:
        say(out, "No jobs yet. Submit one with `vhb submit JOB`.")
        return
    shown = table("job", "name", "status", "runs", "submitted", "finished", right=("runs",))
    for job in jobs:
        times = (_local(job.submitted_at), _local(job.finished_at or ""))
        shown.add_row(job.job_id, Text(job.name), job.status, str(len(job.run_ids)), *times)
    out.print(shown)


def _local(time: str) -> str:
    """A UTC time as the user's clock shows it."""
    from datetime import datetime

    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M:%S}" if time else ""
