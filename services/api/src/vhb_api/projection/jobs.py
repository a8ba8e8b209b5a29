"""What a job's row and the list of its runs follow from. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vhb_api.db.tables import RunRow
from vhb_api.projection.recorded import Recorded
from vhb_shared.contracts.events import JobAccepted, JobFailed, JobRejected
from vhb_shared.contracts.job import Stage
from vhb_shared.contracts.plan import Plan


@dataclass(frozen=True)
class Planned:
    """A run as it was planned."""

    job_id: str
    run_id: str
    position: int
    name: str
    model: str
    task: str
    dataset: str
    dataset_digest: str
    samples: int
    shards: int
    backend_id: str | None = None
    stages: tuple[Stage, ...] | None = None
    """None: not known, as the plan is gone."""


def planned_runs(plan: Plan | None, accepted: Recorded | None, known: Iterable[RunRow]) -> list[Planned]:
    """The runs of a job, from the best source there is: its plan, its rows, the event that names some of them."""
    if plan is not None:
        return [
            Planned(
                job_id=run.job_id,
                run_id=run.run_id,
                position=position,
                name=run.name,
                model=run.model.name,
                task=run.task.name,
                dataset=run.dataset.name,
                dataset_digest=run.dataset.digest,
                samples=run.samples,
                shards=run.shards,
                backend_id=run.backend_id,
                stages=run.stages,
            )
            for position, run in enumerate(plan.runs)
        ]
    found = {row.run_id: _of_row(row) for row in known}
    if accepted is not None:
        assert isinstance(accepted.event, JobAccepted)
        for position, run in enumerate(accepted.event.runs):
            found.setdefault(run.run_id, Planned(job_id=accepted.event.job_id, position=position, **run.model_dump()))
    return sorted(found.values(), key=lambda run: run.position)


def _of_row(row: RunRow) -> Planned:
    names = ("job_id", "run_id", "position", "name", "model", "task", "dataset", "dataset_digest", "samples", "shards")
    return Planned(**{name: getattr(row, name) for name in names}, backend_id=row.backend_id, stages=tuple(row.stages))


def end_that_stands(end: Recorded | None, rounds: Collection[tuple[str, int, int]]) -> Recorded | None:
    """The end of a job, unless it was opened again since: a run then announced something of a later round.

    Args:
        end: the latest end.
        rounds: (run, round, place in the stream) of what its runs announced.
    """
    if end is None:
        return None
    before: dict[str, int] = {}
    for run_id, round_, seq in rounds:
        if seq <= end.seq:
            before[run_id] = max(round_, before.get(run_id, 0))
    reopened = any(seq > end.seq and round_ > before.get(run_id, 0) for run_id, round_, seq in rounds)
    return None if reopened else end


def job_row(
    job_id: str,
    plan: Plan | None,
    own: Sequence[Recorded],
    end: Recorded | None,
    last: Recorded | None,
    known_plan: datetime | None,
) -> dict[str, Any] | None:
    """The row of a job without its sums; None while only runs of it were heard of.

    Args:
        job_id: the job.
        plan: its plan, where it is at hand.
        own: events about the job itself.
        end: the end that stands.
        last: the latest end.
        known_plan: when it was planned, where that is known already.
    """
    about: Any = next((one for one in own if isinstance(one.event, JobAccepted | JobRejected)), None) or last
    if about is None:
        return None
    planned = about.event if isinstance(about.event, JobAccepted | JobRejected) else None
    rejected = about.event if isinstance(about.event, JobRejected) else None
    planned_at = datetime.fromisoformat(plan.created_at).astimezone(UTC) if plan is not None else known_plan
    status = "rejected" if rejected else end.event.what.partition(".")[2] if end is not None else "running"
    ended_at = about.time if rejected else end.time if end is not None else None
    reopened = last is not None and end is None
    return {
        "job_id": job_id,
        "name": about.event.name,
        "status": status,
        "round": (getattr(last.event, "round", 0) + reopened) if last is not None else 0,
        "planned_at": planned_at,
        "created_at": planned_at or about.time,
        "finished_at": ended_at,
        "reason": end.event.reason if end is not None and isinstance(end.event, JobFailed) else None,
        "problems": list(rejected.problems) if rejected else [],
        "asked_by": planned.asked_by if planned is not None else None,
    }
