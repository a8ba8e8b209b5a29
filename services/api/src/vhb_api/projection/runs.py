"""A run's row as a function of what was announced about it. Pure; the order of the arguments does not matter."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from vhb_api.projection.recorded import Recorded
from vhb_shared.contracts.events import (
    JobCancelled,
    JobCompleted,
    JobFailed,
    RunEvaluationCompleted,
    RunEvaluationFailed,
    RunInferenceCompleted,
    RunInferenceFailed,
    RunReportCompleted,
    RunResult,
)
from vhb_shared.contracts.job import Stage
from vhb_shared.contracts.results import MetricValue, OutcomeCounts

ALL_STAGES: tuple[Stage, ...] = ("inference", "evaluation", "reporting")
_RANKS: dict[type, int] = {
    RunInferenceCompleted: 2,
    RunInferenceFailed: 2,
    RunEvaluationCompleted: 3,
    RunEvaluationFailed: 3,
    RunReportCompleted: 4,
}
"""How far a run is that announced it; whatever else it announced: 1."""
_FAILED = (RunInferenceFailed, RunEvaluationFailed)
_ENDS = (JobCompleted, JobFailed, JobCancelled)


@dataclass(frozen=True)
class ShardsDone:
    """What the completed shards of a run add up to: of each shard the latest round."""

    count: int = 0
    counts: OutcomeCounts = field(default_factory=OutcomeCounts)
    reused: int = 0
    round: int = 0


@dataclass(frozen=True)
class RunFigures:
    """What a run's row says beside what was planned."""

    round: int
    stage: str
    status: str
    reason: str | None
    counts: OutcomeCounts
    reused: int
    shards_done: int
    metrics: tuple[MetricValue, ...]
    """Of this round; none until it is evaluated."""


def run_figures(
    run_id: str,
    stages: Sequence[Stage],
    shards: int,
    own: Iterable[Recorded],
    done: ShardsDone,
    end: Recorded | None,
) -> RunFigures:
    """How a run is.

    Args:
        run_id: its id.
        stages: those it has.
        shards: how many it was cut into.
        own: events of the run, those of its shards left out.
        done: what these say.
        end: the end of its job, where that ended and nothing was opened again since.
    """
    ordered = sorted(own, key=_order)
    round_ = max((_round(one) for one in ordered), default=0)
    round_ = max(round_, done.round)
    current = [one for one in ordered if _round(one) == round_]
    rank = max((_RANKS.get(type(one.event), 1) for one in current), default=0)
    failure = next((one.event.failure for one in reversed(current) if isinstance(one.event, _FAILED)), None)
    counted = [one.event for one in current if hasattr(one.event, "counts")]
    counts: OutcomeCounts = counted[-1].counts if counted else done.counts
    evaluated = [one.event for one in current if isinstance(one.event, RunEvaluationCompleted)]
    given_up = any(isinstance(one.event, RunEvaluationFailed) for one in current)
    result = _result(run_id, end)
    status: str
    stage = _stage(rank, stages, ended=given_up or result is not None)
    reason = failure.message if failure is not None else None
    if result is not None:
        status, counts, reason = result.status, result.counts, result.reason or reason
    elif failure is not None:
        status = "failed"
    elif end is not None and isinstance(end.event, JobCancelled) and (counts.withdrawn or rank < 2):
        status = "cancelled"
    else:
        status = "completed" if stage == "done" else "running"
    return RunFigures(
        round=round_,
        stage=stage,
        status=status,
        reason=reason,
        counts=counts,
        reused=evaluated[-1].reused.count if evaluated else done.reused,
        shards_done=shards if rank >= 2 and not counts.withdrawn else min(done.count, shards),
        metrics=evaluated[-1].metrics if evaluated else (),
    )


def job_end(events: Iterable[Recorded]) -> Recorded | None:
    """The latest end of a job."""
    ends = [one for one in events if isinstance(one.event, _ENDS)]
    return max(ends, key=lambda one: (_round(one), one.seq), default=None)


def _order(one: Recorded) -> tuple[int, int, int, int]:
    event = one.event
    return _round(one), _RANKS.get(type(event), 1), getattr(event, "announcement", 0), one.seq


def _round(one: Recorded) -> int:
    return int(getattr(one.event, "round", 0))


def _result(run_id: str, end: Recorded | None) -> RunResult | None:
    if end is None or isinstance(end.event, JobCancelled):
        return None
    assert isinstance(end.event, JobCompleted | JobFailed)
    return next((run for run in end.event.runs if run.run_id == run_id), None)


def _stage(rank: int, stages: Sequence[Stage], *, ended: bool) -> str:
    last = 4 if "reporting" in stages else 3
    if ended or rank >= last:
        return "done"
    if rank >= 3:
        return "reporting"
    return "inference" if rank < 2 and "inference" in stages else "evaluation"
