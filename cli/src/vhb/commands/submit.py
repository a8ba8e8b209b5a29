"""`vhb submit`: publish a job."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from vhb.connect import DEFAULT_WORKDIR, JobFile, Limit, NoReuse, Server, SkipBadRows, WorkdirOption


def submit(
    job: JobFile,
    wait: Annotated[bool, typer.Option("--wait", metavar="", help="Show progress until the job ends.")] = False,
    limit: Limit = None,
    skip_bad_rows: SkipBadRows = False,
    no_reuse: NoReuse = False,
    server: Server = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Publish a job to a running stack; prints the job id alone."""
    raise typer.Exit(asyncio.run(_submit(job, wait, limit, skip_bad_rows, no_reuse, server, workdir)))


async def _submit(
    job: Path,
    wait: bool,
    limit: int | None,
    skip_bad_rows: bool,
    no_reuse: bool,
    server: str | None,
    workdir: Path,
) -> int:
    from vhb.connect import connected, settings
    from vhb.ending import finish
    from vhb.screen import console, say
    from vhb_shared.jobs import submission
    from vhb_shared.jobs.strangers import left_out_answers

    loaded, registry = submission.read_job(job, limit=limit, skip_bad_rows=skip_bad_rows, no_reuse=no_reuse)
    screen = console(stderr=True)
    async with connected(settings(server, workdir)) as connection:
        with screen.status("reading data") as status:
            spec = await submission.self_contained(loaded, registry, connection.store, status.update)
        for line in await left_out_answers(spec, connection.store):
            say(screen, line, "yellow")
        job_id = submission.new_job_id(spec.name)
        await submission.submit(connection.bus, connection.store, spec, job_id)
        print(job_id, flush=True)
        return await finish(connection, job_id, None, screen) if wait else 0
