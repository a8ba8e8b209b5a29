"""Shows a job's progress: a live table in a terminal, plain lines elsewhere."""

import time
from collections.abc import AsyncIterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from vhb.screen import say, table
from vhb.watching import JobView
from vhb_shared.contracts.live import BackendTelemetry
from vhb_shared.contracts.results import MetricValue
from vhb_shared.contracts.state import JobState, RunState

PLAIN_EVERY_S = 5.0
_RUNS_SHOWN = 20
_JOBS_SHOWN = 3


async def show(views: AsyncIterator[JobView], console: Console) -> JobView:
    """Shows views until they end; returns the last."""
    last = JobView()
    if not console.is_terminal:
        return await _plain(views, console)
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        async for view in views:
            last = view
            live.update(_panel(view))
    return last


async def _plain(views: AsyncIterator[JobView], console: Console) -> JobView:
    last = JobView()
    said, said_at, key, noticed = "", 0.0, ("", ""), 0
    async for view in views:
        last = view
        fresh = view.noticed - noticed
        for notice in list(view.notices)[-fresh:] if fresh else ():
            say(console, f"  {notice.source}: {notice.message}")
        noticed = view.noticed
        if view.job is not None and view.job.ended:
            continue  # the summary says how it ended
        line = progress_line(view)
        now = time.monotonic()
        if line != said and ((view.stage, view.problem or view.hint or "") != key or now - said_at >= PLAIN_EVERY_S):
            say(console, line)
            said, said_at, key = line, now, (view.stage, view.problem or view.hint or "")
    return last


def progress_line(view: JobView) -> str:
    """Where the job is, in one line."""
    parts = [_progress(view)]
    if view.stage in ("inference", "questions"):
        if view.rate:
            parts.append(f"{view.rate:.1f} samples/s")
        if view.seconds_left is not None:
            parts.append(f"{duration(view.seconds_left)} left")
        if said := load_line(view.telemetry):
            parts.append(said)
    if view.failed:
        parts.append(f"{view.failed} failed")
    if view.problem:
        parts.append(view.problem)
    elif view.hint:
        parts.append(view.hint)
    return ", ".join(parts)


def load_line(sessions: Sequence[BackendTelemetry]) -> str:
    """What all backend sessions of the job do, in a few words; empty when nobody says."""
    if not sessions:
        return ""
    parts = [f"{sum(each.in_flight for each in sessions)} in flight"]
    if waiting := sum(each.engine_waiting or 0 for each in sessions):
        parts[0] += f" ({waiting:.0f} in the engine's queue)"
    tokens = [each.tokens_per_s for each in sessions if each.tokens_per_s is not None]
    if tokens:
        parts.append(f"{sum(tokens):.0f} tokens/s")
    uses = [each.device_use for each in sessions if each.device_use is not None]
    if uses:
        parts.append(f"GPU {100 * sum(uses) / len(uses):.0f} %")
    memory = [
        (each.device_memory_used, each.device_memory_total)
        for each in sessions
        if each.device_memory_used is not None and each.device_memory_total is not None
    ]
    if memory:
        used, total = (sum(side) / 2**30 for side in zip(*memory, strict=True))
        parts.append(f"{used:.1f} of {total:.0f} GiB")
    return ", ".join(parts)


def _progress(view: JobView) -> str:
    if view.stage == "inference":
        if any(run.looking_up for run in view.runs):
            return f"inference: {view.done} of {view.samples} samples, looking for answers of earlier jobs"
        if not view.done and not any(run.started for run in view.runs):
            return f"inference: waiting for a backend, {view.samples} samples to ask"
        return f"inference: {view.done} of {view.samples} samples"
    if view.stage == "questions":
        models = ", ".join(dict.fromkeys(run.model for run in view.questions))
        return f"evaluation: {view.done} of {view.samples} questions of metrics answered by {models}"
    if view.stage == "evaluation":
        return f"evaluation: {view.past('evaluation')} of {len(view.runs)} runs"
    return view.stage


def _panel(view: JobView) -> Group:
    runs = table("run", "stage", "", "samples", "failed", right=("samples", "failed"))
    runs.columns[0].overflow = "ellipsis"
    runs.columns[0].no_wrap = True
    for run in view.runs[:_RUNS_SHOWN]:
        counts = view.counts(run)
        bar = ProgressBar(total=max(run.samples, 1), completed=min(counts.total, run.samples), width=24)
        failed = Text(str(counts.failed), style="red" if counts.failed else "dim")
        runs.add_row(Text(run.name), _stage(run), bar, f"{counts.total}/{run.samples}", failed)
    for run in view.questions[:_RUNS_SHOWN]:
        counts = view.counts(run)
        bar = ProgressBar(total=max(run.samples, 1), completed=min(counts.total, run.samples), width=24)
        asked = Text(f"  {run.task} asks {run.model}", style="dim")
        runs.add_row(asked, _stage(run), bar, f"{counts.total}/{run.samples}", str(counts.failed))
    parts: list[RenderableType] = [runs] if view.runs else []
    if len(view.runs) > _RUNS_SHOWN:
        parts.append(Text(f"... and {len(view.runs) - _RUNS_SHOWN} more runs", style="dim"))
    parts.append(Text(progress_line(view), style="bold"))
    parts += [Text(f"{source}: {message}", style="yellow") for source, message in view.waiting.items()]
    if view.notices and view.notices[-1].source not in view.waiting:
        parts.append(Text(f"{view.notices[-1].source}: {view.notices[-1].message}", style="dim"))
    for part in parts:
        if isinstance(part, Text):
            part.no_wrap, part.overflow = True, "ellipsis"
    return Group(*parts)


def _stage(run: RunState) -> Text:
    if run.stage == "inference" and run.looking_up:
        return Text("looking for known answers", style="dim")
    if run.stage == "inference" and not run.started:
        return Text("waiting for a backend", style="dim")
    if run.stage == "done":
        return Text(run.status, style={"completed": "green", "failed": "red"}.get(run.status, "yellow"))
    return Text(run.stage, style="cyan")


def summary(job: JobState, runs: list[RunState], console: Console) -> None:
    """The results of a job as a table: one row a run."""
    style = {"completed": "bold green", "running": "bold cyan", "accepted": "bold cyan"}.get(job.status, "bold red")
    say(console, f"{job.name} ({job.job_id}): {job.status}", style)
    if not runs:
        return
    metrics = list(dict.fromkeys(metric.metric for run in runs for metric in run.metrics))
    rows = table("run", "status", "samples", "failed", *metrics, right=("samples", "failed", *metrics))
    for run in runs:
        values = {metric.metric: metric for metric in run.metrics}
        cells = [_value(values.get(name)) for name in metrics]
        status = run.status if run.stage == "done" else run.stage
        rows.add_row(Text(run.name), status, str(run.samples), _failed(run), *cells)
    console.print(rows)
    for line in reused_lines(runs):
        say(console, line)
    for run in runs:
        if run.failure is not None:
            say(console, f"{run.name}: {run.failure.message}", "red")
        unscored = max((metric.n - metric.n_scored - metric.n_failed for metric in run.metrics), default=0)
        if unscored:
            say(
                console,
                f"{run.name}: {unscored} of {run.samples} samples were not scored: they have no reference (give the "
                "data set a column `answer`), or a judge did not answer (`status` in scores.parquet)",
                "yellow",
            )


def reused_lines(runs: list[RunState]) -> list[str]:
    """What was not asked because earlier jobs had the answers: a sentence, or nothing."""
    count = sum(run.reused.count for run in runs)
    if not count:
        return []
    answers = sum(run.counts.total for run in runs)
    jobs = list(dict.fromkeys(job for run in runs for job in run.reused.jobs))
    named = ", ".join(jobs[:_JOBS_SHOWN]) + (f" and {len(jobs) - _JOBS_SHOWN} more" if len(jobs) > _JOBS_SHOWN else "")
    what = "job" if len(jobs) == 1 else "jobs"
    return [f"{count} of {answers} answers re-used from {what} {named} (--no-reuse asks again)"]


def _failed(run: RunState) -> str:
    withdrawn = f" (and {run.counts.withdrawn} withdrawn)" if run.counts.withdrawn else ""
    return f"{run.counts.failed}{withdrawn}"


def _value(metric: MetricValue | None) -> str:
    """The value; where samples failed, with what it would be if they were answered perfectly or not at all."""
    if metric is None or metric.value is None:
        return "-"
    ends = (metric.value_if_failed_best, metric.value_if_failed_worst)
    if not metric.n_failed or None in ends:
        return f"{metric.value:.4f}"
    low, high = sorted(end for end in ends if end is not None)
    return f"{metric.value:.4f} [{low:.4f}..{high:.4f}]"


def duration(seconds: float) -> str:
    """1:02:03 or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
