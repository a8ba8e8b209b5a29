"""Rows of runs and metrics, written as lines of JSON for the engine."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vhb_shared.analytics.facts import PlannedJob, PlannedRun, Summary, direction_rows
from vhb_shared.analytics.tables import JOB_NUMBER, NUMBER, directions_path, runs_path


def write_runs(
    folder: Path, plans: Mapping[str, PlannedJob], summaries: Mapping[str, Summary]
) -> tuple[dict[int, PlannedRun], dict[str, int]]:
    """Writes what is known of runs and metrics. Returns the runs and the jobs with their numbers. Blocking."""
    runs = _numbered(plans.values())
    places = {job_id: place for place, job_id in enumerate(plans)}
    nothing: Mapping[str, Any] = {}
    write_lines(
        runs_path(folder),
        (
            {
                NUMBER: number,
                JOB_NUMBER: places[run.job_id],
                **run.row,
                **summaries[run.job_id].runs.get(run.run_id, nothing),
            }
            for number, run in runs.items()
        ),
    )
    write_lines(directions_path(folder), direction_rows(summaries.values()))
    return runs, places


def _numbered(plans: Iterable[PlannedJob]) -> dict[int, PlannedRun]:
    """Runs by number; of several with the same results the one that made them, else the first."""
    by_results: dict[str, PlannedRun] = {}
    for run in (run for plan in plans for run in plan.runs):
        if run.results_run_id not in by_results or run.run_id == run.results_run_id:
            by_results[run.results_run_id] = run
    return dict(enumerate(by_results.values()))


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One line for each row. Blocking."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
