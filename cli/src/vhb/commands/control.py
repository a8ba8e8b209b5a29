"""`vhb cancel` and `vhb retry`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from vhb.connect import DEFAULT_WORKDIR, JobId, Server, WorkdirOption


def cancel(job_id: JobId, server: Server = None, workdir: WorkdirOption = DEFAULT_WORKDIR) -> None:
    """Stop a job; answers of complete shards are kept, `vhb retry` asks the rest."""
    asyncio.run(_cancel(job_id, server, workdir))


def retry(
    job_id: JobId,
    failed_only: Annotated[
        bool,
        typer.Option("--failed-only", metavar="", help="Only what failed, not what was withdrawn by a cancellation."),
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", metavar="", help="Show progress until the job ends.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Wait, and write the results to this folder.")
    ] = None,
    server: Server = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Ask again what failed or is missing in a job that has ended."""
    from vhb.outdir import check_writable

    check_writable(out)
    raise typer.Exit(asyncio.run(_retry(job_id, failed_only, wait or out is not None, out, server, workdir)))


async def _cancel(job_id: str, server: str | None, workdir: Path) -> None:
    from vhb.connect import connected, settings
    from vhb_shared.bus.knowing import known_job
    from vhb_shared.jobs import control

    async with connected(settings(server, workdir)) as connection:
        job = await known_job(connection.states, job_id)
        if job.ended:
            print(f"{job_id} has ended already: {job.status}")
            return
        state = await control.cancel(connection.bus, job)
        print(f"{job_id} {state.status}" if state.status == "cancelled" else f"{job_id} had just ended: {state.status}")


async def _retry(
    job_id: str, failed_only: bool, wait: bool, out: Path | None, server: str | None, workdir: Path
) -> int:
    from vhb.connect import connected, settings
    from vhb.ending import finish
    from vhb.screen import console
    from vhb_shared.bus.knowing import known_job
    from vhb_shared.jobs.control import ask_again, unanswered

    async with connected(settings(server, workdir)) as connection:
        job = await known_job(connection.states, job_id)
        if job.ended and not await unanswered(connection.states, job, failed_only=failed_only):
            withdrawn = failed_only and await unanswered(connection.states, job, failed_only=False)
            more = f"; {withdrawn} withdrawn: `vhb retry {job_id}` asks those too" if withdrawn else ""
            print(f"{job_id}: nothing to ask again{more}")
            return 0
        await ask_again(connection.bus, job, failed_only=failed_only)
        print(job_id, flush=True)
        return await finish(connection, job_id, out, console(stderr=True)) if wait else 0
