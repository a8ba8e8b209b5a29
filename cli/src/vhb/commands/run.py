"""`vhb run`: everything on this machine, from a job file to a report."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vhb.connect import DEFAULT_WORKDIR, JobFile, Limit, NoReuse, SkipBadRows, WorkdirOption

if TYPE_CHECKING:
    from vhb.connect import Connection
    from vhb.outdir import OutDir
    from vhb_shared.contracts.job import JobSpec
    from vhb_shared.jobs.load import LoadedJob
    from vhb_shared.registry.registry import Registry
    from vhb_shared.store.base import ObjectStore


def run(
    job: JobFile,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Results folder; default: results/<job name>.")
    ] = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    limit: Limit = None,
    skip_bad_rows: SkipBadRows = False,
    no_reuse: NoReuse = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", metavar="", help="Replace another job's results in --out.")
    ] = False,
    agents: Annotated[int, typer.Option("--agents", min=1, max=64, metavar="N", help="Inference agents to start.")] = 1,
) -> None:
    """Run a job on this machine: start everything, show progress, write results and a report, stop.

    The same command goes on after an interruption, and asks again what failed.
    """
    from vhb.outdir import OutDir
    from vhb.quiet import log_warnings_only
    from vhb_shared.jobs.submission import read_job

    log_warnings_only()
    loaded, registry = read_job(job, limit=limit, skip_bad_rows=skip_bad_rows, no_reuse=no_reuse, here=True)
    folder = OutDir(out or Path("results") / _folder(loaded.spec.name))
    folder.check(overwrite)
    code = asyncio.run(_Run(folder, workdir, overwrite, agents).run(loaded, registry))
    raise typer.Exit(code)


def _folder(name: str) -> str:
    safe = "".join("_" if char in '/\\:*?"<>|' or ord(char) < 32 else char for char in name).strip(". ")
    return safe or "job"


class _Run:
    """One `vhb run`."""

    def __init__(self, folder: "OutDir", workdir: Path, overwrite: bool, agents: int) -> None:
        from vhb.screen import console

        self._folder = folder
        self._workdir = workdir
        self._overwrite = overwrite
        self._agents = agents
        self._console = console(stderr=True)
        self._own_stack = True

    async def run(self, loaded: "LoadedJob", registry: "Registry") -> int:
        task = asyncio.current_task()
        assert task is not None
        interrupted = False

        def interrupt() -> None:
            nonlocal interrupted
            if interrupted:  # the second time: at once; the kernel ends the children with us
                self._console.show_cursor(True)
                os._exit(130)
            interrupted = True
            self._say("Stopping; Ctrl-C again ends everything at once.", "yellow")
            task.cancel()

        loop = asyncio.get_running_loop()
        for sig in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sig, interrupt)
        try:
            return await self._with_stack(loaded, registry)
        except asyncio.CancelledError:
            if not interrupted:
                raise
            if self._own_stack:
                self._say("Stopped. Nothing is lost: run the same command again to go on.", "yellow")
            return 130

    def _say(self, text: str, style: str = "dim") -> None:
        from vhb.screen import say

        say(self._console, text, style)

    async def _with_stack(self, loaded: "LoadedJob", registry: "Registry") -> int:
        from vhb.connect import connected, of_stack
        from vhb.embedded.stack import Counts, EmbeddedStack
        from vhb.embedded.workdir import Workdir

        workdir = Workdir(self._workdir)
        running = workdir.running()
        if running is not None:
            self._own_stack = False
            self._say(f"Using the stack that runs in {self._workdir}.")
            async with connected(of_stack(running)) as connection:
                spec = await self._bundle(loaded, registry, connection.store)
                return await self._job(connection, spec)
        async with AsyncExitStack() as held:
            with self._console.status("starting the server"):
                stack = EmbeddedStack(workdir, counts=Counts(agents=self._agents), say=self._say)
                await held.enter_async_context(stack)
            assert stack.address is not None
            connection = await held.enter_async_context(connected(of_stack(stack.address)))
            # The services start in the meantime.
            spec = await self._bundle(loaded, registry, connection.store)
            return await self._job(connection, spec)

    async def _bundle(self, loaded: "LoadedJob", registry: "Registry", store: "ObjectStore") -> "JobSpec":
        from vhb_shared.jobs.strangers import left_out_answers
        from vhb_shared.jobs.submission import self_contained

        with self._console.status("reading data") as status:
            spec = await self_contained(loaded, registry, store, status.update)
        for line in await left_out_answers(spec, store):
            self._say(line, "yellow")
        return spec

    async def _job(self, connection: "Connection", spec: "JobSpec") -> int:
        from vhb.again import go_on, was_rejected
        from vhb.ending import finish
        from vhb.outdir import Marker
        from vhb_shared.jobs.submission import new_job_id, spec_hash, submit

        fingerprint = spec_hash(spec)
        job_id = self._folder.resume(fingerprint, self._overwrite)
        if job_id and await was_rejected(connection, job_id):
            job_id = None
        done = await go_on(connection, job_id) if job_id else None
        if job_id and done:
            self._say(done)
        else:
            job_id = job_id or new_job_id(spec.name)
            self._folder.begin(Marker(job_id=job_id, spec_hash=fingerprint))
            await submit(connection.bus, connection.store, spec, job_id)
        return await finish(connection, job_id, self._folder.path, self._console, goes_on=not self._own_stack)
