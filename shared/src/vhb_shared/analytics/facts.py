"""What plans, summaries and figures of jobs say, as the rows of tables."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from vhb_shared.analytics.tables import DIRECTION
from vhb_shared.contracts.metric_label import parse_label, tabled
from vhb_shared.contracts.performance import Performance
from vhb_shared.contracts.plan import Plan
from vhb_shared.contracts.results import OUTCOMES


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run as it was planned."""

    job_id: str
    run_id: str
    results_run_id: str
    row: Mapping[str, Any]
    """What `runs` says of it before its job has ended."""


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job as it was planned."""

    job_id: str
    asked_by: str | None
    runs: tuple[PlannedRun, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What the summary of an ended job says; nothing of one that has not."""

    runs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Run id -> the columns of `runs` that were not planned."""
    directions: frozenset[tuple[str, bool]] = frozenset()
    """Metrics, by every name that tables give them, and whether more is better."""


def planned_job(content: bytes) -> PlannedJob:
    """Reads plan.json.

    Raises:
        ValueError: it is of another version.
    """
    plan = Plan.model_validate_json(content)
    runs = (
        PlannedRun(
            run.job_id,
            run.run_id,
            run.results_run_id,
            {
                "job_id": run.job_id,
                "job": plan.spec.name,
                "run_id": run.run_id,
                "run": run.name,
                "model": run.model.name,
                "task": run.task.name,
                "dataset": run.dataset.name,
                "dataset_digest": run.dataset.digest,
                "planned_at": _utc(plan.created_at),
                "backend": run.model.backend,
                "samples": run.samples,
                "results_run_id": run.results_run_id,
            },
        )
        for run in plan.runs
    )
    return PlannedJob(plan.job_id, plan.asked_by, tuple(runs))


def summary(content: bytes) -> Summary:
    """Reads job.json; of what cannot be read nothing is known."""
    try:
        found = json.loads(content)
    except ValueError:
        return Summary()
    told = _dicts(found.get("runs")) if isinstance(found, dict) else []
    runs = {str(run["run_id"]): _ended(run) for run in told if "run_id" in run}
    return Summary(runs, frozenset(_directions(told)))


def figures(content: bytes) -> Mapping[str, Any]:
    """Reads performance.json.

    Raises:
        ValueError: it is of another version.
    """
    return Performance.model_validate_json(content).row()


def direction_rows(summaries: Iterable[Summary]) -> list[dict[str, Any]]:
    """Which way metrics are better; what jobs disagree about is left out."""
    said: dict[str, set[bool]] = {}
    for name, better in {pair for each in summaries for pair in each.directions}:
        said.setdefault(name, set()).add(better)
    return [{"metric": name, DIRECTION: next(iter(ways))} for name, ways in said.items() if len(ways) == 1]


def _ended(told: Mapping[str, Any]) -> dict[str, Any]:
    counts, reused = told.get("counts") or {}, told.get("reused") or {}
    return {
        "status": told.get("status"),
        "reason": told.get("reason"),
        **{outcome: counts.get(outcome) for outcome in OUTCOMES},
        "reused": reused.get("count"),
    }


def _directions(told: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, bool]]:
    for run in told:
        for metric in _dicts(run.get("metrics")):
            label, better = metric.get("metric"), metric.get("higher_is_better")
            if isinstance(label, str) and isinstance(better, bool):
                yield label, better
                yield _tabled(label), better


def _tabled(label: str) -> str:
    try:
        normalisation = parse_label(label).get("normalisation")
    except ValueError:
        return label
    return tabled(label, normalisation) if normalisation else label


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _utc(text: str) -> str | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ") if at.tzinfo else at.isoformat(sep=" ")
