"""`vhb validate`: everything that can be checked without a GPU."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vhb.connect import JobFile, Limit, SkipBadRows

if TYPE_CHECKING:
    from vhb_shared.contracts.job import MetricSpec


def validate(
    job: JobFile,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="For programs.")] = False,
    limit: Limit = None,
    skip_bad_rows: SkipBadRows = False,
) -> None:
    """Check a job file, its data, prompts and names, without running anything."""
    asyncio.run(_validate(job, as_json, limit, skip_bad_rows))


async def _validate(path: Path, as_json: bool, limit: int | None, skip_bad_rows: bool) -> None:
    from vhb_shared.jobs.expand import expand_job
    from vhb_shared.jobs.strangers import left_out_answers
    from vhb_shared.jobs.submission import read_job, self_contained
    from vhb_shared.store.directory import DirectoryStore

    loaded, registry = read_job(path, limit=limit, skip_bad_rows=skip_bad_rows, here=True)
    with tempfile.TemporaryDirectory(prefix="vhb-validate-") as scratch:
        store = DirectoryStore(Path(scratch))
        spec = await self_contained(loaded, registry, store, lambda line: None)
        runs = await expand_job(spec, "validation", store)
        left_out = await left_out_answers(spec, store)
    rows = [
        {
            "name": run.name,
            "model": run.model.name,
            "task": run.task.name,
            "dataset": run.dataset.name,
            "dataset_digest": run.dataset.digest,
            "samples": run.samples,
            "skipped_rows": run.dataset.skipped_rows,
            "shards": run.shards,
            "stages": list(run.stages),
            "metrics": [metric.name for metric in run.task.metrics],
        }
        for run in runs
    ]
    if as_json:
        print(json.dumps({"job": spec.name, "runs": rows}, ensure_ascii=False))
        return
    from rich.text import Text

    from vhb.screen import console, say, table

    out = console()
    say(out, f"{spec.name}: valid", "bold green")
    shown = table("run", "model", "task", "samples", "metrics", right=("samples",))
    for row, run in zip(rows, runs, strict=True):
        metrics = ", ".join(map(_named, run.task.metrics)) or "(none: not evaluated)"
        shown.add_row(Text(run.name), Text(run.model.name), Text(run.task.name), str(row["samples"]), Text(metrics))
    out.print(shown)
    for run in runs:
        if run.dataset.skipped_rows:
            say(out, f"{run.name}: {run.dataset.skipped_rows} bad rows of its data set are left out", "yellow")
    for line in left_out:
        say(out, line, "yellow")


def _named(metric: "MetricSpec") -> str:
    """A metric with what tells it from another of its name; options are left to the job file."""
    named = metric.name + (f"[{metric.profile}]" if metric.profile else "")
    named += f"@{metric.normalisation}" if metric.normalisation else ""
    named += f"(asks {', '.join(model.name for model in metric.models)})" if metric.models else ""
    return named + (f"(gate={metric.gate.name})" if metric.gate else "")
