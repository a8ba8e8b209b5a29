"""A job's end as a command shows it: watched, fetched, summed up, and told apart by the exit code."""

import asyncio
import csv
import io
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from vhb.connect import Connection
    from vhb_shared.contracts.state import RunState
    from vhb_shared.store.base import ObjectStore

_REASONS = 3
"""Different errors shown for one run."""


async def finish(
    connection: "Connection", job_id: str, out: Path | None, console: "Console", *, goes_on: bool = True
) -> int:
    """Watches a job to its end, fetches its results, and says how it went.

    Args:
        goes_on: whether the job goes on when the watching is interrupted; said then.

    Returns:
        The exit code: 0 done, 1 finished with failures.

    Raises:
        UserError: the job was rejected.
    """
    from vhb.display import show, summary
    from vhb.fetch import fetch_results
    from vhb.hints import hinted
    from vhb.screen import say
    from vhb.watching import watch_job
    from vhb_shared.errors import UserError

    try:
        view = await show(hinted(connection, watch_job(connection, job_id)), console)
    except asyncio.CancelledError:
        if goes_on:
            say(console, f"{job_id} goes on; `vhb watch {job_id}` shows it, `vhb cancel {job_id}` stops it.", "yellow")
        raise
    job = view.job
    assert job is not None
    if job.status == "rejected":
        raise UserError(f"The job was rejected: {job.problems[0]}", job.problems)
    summary(job, view.runs, console)
    for run in view.runs:
        for line in await _reasons(connection.store, run):
            say(console, line, "red")
    if out is not None:
        await fetch_results(connection.store, connection.states, job_id, out)
        report = out / "report.html"
        say(console, f"Results: {out}")
        if report.exists():
            say(console, f"Report:  {report.resolve().as_uri()}")
    return exit_code(view.runs)


async def _reasons(store: "ObjectStore", run: "RunState") -> list[str]:
    """Why samples of a run failed, most frequent reasons first; nothing where the whole run has one reason."""
    from vhb_shared.errors import NotFound, Unavailable
    from vhb_shared.store import layout

    if run.failure is not None or not run.counts.failed:
        return []
    try:
        content = await store.get(layout.run_file(run.run_id, "answers.csv"))
    except (NotFound, Unavailable):
        return []
    found = await asyncio.to_thread(_errors, content)
    lines = [f"{run.name}: {count} failed: {error}" for error, count in found.most_common(_REASONS)]
    rest = sum(found.values()) - sum(count for _, count in found.most_common(_REASONS))
    return lines + ([f"{run.name}: {rest} failed for other reasons, see answers.csv"] if rest else [])


def _errors(content: bytes) -> Counter[str]:
    csv.field_size_limit(1 << 30)
    rows = csv.DictReader(io.StringIO(content.decode(), newline=""))
    return Counter(" ".join(row["error"].split())[:300] for row in rows if row["outcome"] == "failed")


def exit_code(runs: "list[RunState]") -> int:
    """0 when every sample of every run has an outcome of the model's own; 1 otherwise."""
    return 0 if all(map(_went_well, runs)) else 1


def _went_well(run: "RunState") -> bool:
    # A run that only reports on stored results is done when its report is, whatever those are.
    only_reports = run.stages == ("reporting",)
    return run.status == "completed" and (only_reports or not run.counts.not_answered)
