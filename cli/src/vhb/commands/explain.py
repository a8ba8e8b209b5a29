"""`vhb explain`: why something waits, in words."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vhb.connect import DEFAULT_WORKDIR, JobId, Server, WorkdirOption

if TYPE_CHECKING:
    from vhb_shared.placement.explaining import Explanation


def explain(
    job_id: JobId,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="One JSON document, for programs.")] = False,
    server: Server = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Say for each run of a job where it is and what it waits for."""
    asyncio.run(_explain(job_id, as_json, server, workdir))


async def _explain(job_id: str, as_json: bool, server: str | None, workdir: Path) -> None:
    from vhb.connect import connected, settings
    from vhb.facts import gather
    from vhb.screen import console, say
    from vhb.watching import runs_of
    from vhb_shared.bus.knowing import known_job
    from vhb_shared.placement.explaining import explain_job

    async with connected(settings(server, workdir)) as connection:
        job = await known_job(connection.states, job_id)
        facts = await gather(connection, job_id, await connection.states.runs(job), watched=True)
        job = await connection.states.job(job_id)
        runs = await connection.states.runs(job)
        explained = explain_job(job, runs, facts)
        asking = [each for run in runs for each in run.asking.values()]
        asked = explain_job(job, await runs_of(connection, asking), facts)
    if as_json:
        said = {"runs": [_shown(one) for one in explained], "questions": [_shown(one) for one in asked]}
        print(json.dumps({"job_id": job_id, "status": job.status, "problems": job.problems} | said, ensure_ascii=False))
        return
    out = console()
    say(out, f"{job_id} {job.status}")
    for problem in job.problems:
        say(out, f"  {problem}")
    for one in explained:
        say(out, f"  {one.name}: {one.words}")
    for one in asked:
        say(out, f"    {one.name} ({one.run_id}): {one.words}")


def _shown(one: "Explanation") -> dict[str, str]:
    return {"run_id": one.run_id, "name": one.name, "what": one.what, "words": one.words}
