"""`vhb results`: fetch a job's results."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vhb.connect import DEFAULT_WORKDIR, JobId, Server, WorkdirOption


class DialectName(StrEnum):
    """How CSV files are written."""

    RFC4180 = "rfc4180"
    LEGACY = "legacy"


def results(
    job_id: JobId,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write to.")],
    dialect: Annotated[
        DialectName, typer.Option("--dialect", help="CSV as in RFC 4180, or with ; and a byte order mark.")
    ] = DialectName.RFC4180,
    server: Server = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Fetch a job's results: report, metrics, answers, scores."""
    from vhb.outdir import check_writable

    check_writable(out)
    asyncio.run(_results(job_id, out, dialect, server, workdir))


async def _results(job_id: str, out: Path, dialect: DialectName, server: str | None, workdir: Path) -> None:
    from vhb.connect import connected, settings
    from vhb.fetch import fetch_results
    from vhb_shared.bus.knowing import known_job

    async with connected(settings(server, workdir)) as connection:
        job = await known_job(connection.states, job_id)
        await fetch_results(connection.store, connection.states, job_id, out, dialect.value)
        print(f"{out}: results of {job_id} ({job.status})")
