"""The life of a run and of a job as pure steps: (state, what happened) -> new state, or None when nothing changes.

No NATS, no storage, no clock: the time comes in as an argument.
"""

from vhb_shared.contracts.events import (
    Failure,
    JobReportCompleted,
    RunEvaluationCompleted,
    RunReportCompleted,
    RunShardCompleted,
)
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.results import OutcomeCounts, Reused
from vhb_shared.contracts.state import JobState, RunStage, RunState


def new_run(run: RunSpec, now: float, *, looking_up: bool = False, reported_on: RunState | None = None) -> RunState:
    """The first state of a planned run; without inference it starts where its first stage is.

    Args:
        looking_up: there are answers that earlier runs got from the same model; they are looked for first.
        reported_on: the run whose results this one only reports on: its figures are this one's.
    """
    figures = (
        {"counts": reported_on.counts, "reused": reported_on.reused, "metrics": reported_on.metrics}
        if reported_on is not None
        else {}
    )
    stage: RunStage = "inference" if "inference" in run.stages else "evaluation"
    if run.results_run_id != run.run_id:
        stage = "reporting"
    return RunState(
        run_id=run.run_id,
        job_id=run.job_id,
        name=run.name,
        model=run.model.name,
        task=run.task.name,
        backend_id=run.backend_id,
        stages=run.stages,
        stage=stage,
        samples=run.samples,
        shards=run.shards,
        looking_up=looking_up and stage == "inference",
        announced_at=now,
        **figures,
    )


def commit_shard(state: RunState, event: RunShardCompleted, now: float) -> RunState | None:
    """The first completed attempt of a shard counts; later ones are ignored."""
    if state.stage != "inference" or event.round != state.round or event.shard in state.committed:
        return None
    if not 0 <= event.shard < state.shards or event.shard in state.left_out:
        return None
    committed = state.committed | {event.shard: event.token}
    shard_counts = dict(state.shard_counts)
    shard_counts.pop(event.shard, None)
    if event.counts.not_answered:
        shard_counts[event.shard] = event.counts
    complete = len(committed) + len(state.left_out) == state.shards
    return state.model_copy(
        update={
            "committed": committed,
            "shard_counts": shard_counts,
            "counts": state.counts + event.counts,
            "reused": Reused(count=state.reused.count + event.reused),
            "started": True,
            "looking_up": state.looking_up and not complete,
            "stage": "evaluation" if complete else "inference",
            "announced_at": now if complete else state.announced_at,
        }
    )


def looked_up(state: RunState, round_: int) -> RunState | None:
    """What earlier runs had answered is in; the rest is to be asked."""
    if not state.looking_up or state.stage != "inference" or round_ != state.round:
        return None
    return state.model_copy(update={"looking_up": False})


def fail_inference(state: RunState, failure: Failure, now: float) -> RunState | None:
    """No more answers will come; what is missing counts as failed."""
    if state.stage != "inference":
        return None
    missing = state.samples - state.counts.total
    return state.model_copy(
        update={
            "stage": "evaluation",
            "status": "failed",
            "failure": failure,
            "counts": state.counts + OutcomeCounts(failed=missing),
            "announced_at": now,
        }
    )


def cancel_run(state: RunState, now: float) -> RunState | None:
    """No more answers are wanted; what is missing counts as withdrawn."""
    if state.stage == "done" or state.cancel_requested:
        return None
    update: dict[str, object] = {"cancel_requested": True, "looking_up": False}
    if state.stage == "inference":
        missing = state.samples - state.counts.total
        update |= {
            "stage": "evaluation",
            "status": "cancelled",
            "counts": state.counts + OutcomeCounts(withdrawn=missing),
            "announced_at": now,
        }
    return state.model_copy(update=update)


def complete_evaluation(state: RunState, event: RunEvaluationCompleted, now: float) -> RunState | None:
    """Answers are collected and scored."""
    if state.stage != "evaluation" or event.round != state.round:
        return None
    reporting = "reporting" in state.stages and not state.reported
    return _ended(
        state,
        stage="reporting" if reporting else "done",
        metrics=event.metrics,
        counts=event.counts,
        reused=event.reused,
        artefacts=state.artefacts | event.artefacts,
        announced_at=now,
        announcement=0,
    )


def ask_models(state: RunState, jobs: dict[int, str], round_: int) -> RunState | None:
    """Metrics of the run ask models, in jobs of their own; its evaluation waits for them.

    Args:
        jobs: place of a metric in the task -> the job that asks its questions.
    """
    if state.stage != "evaluation" or round_ != state.round or state.asking or state.asked:
        return None
    return state.model_copy(update={"asking": jobs})


def models_answered(state: RunState, jobs: dict[int, str], now: float) -> RunState | None:
    """All that was asked of models has an outcome; the run can be evaluated."""
    if state.stage != "evaluation" or not state.asking or state.asking != jobs:
        return None
    return announce_again(state.model_copy(update={"asking": {}, "asked": jobs}), now)


def fail_evaluation(state: RunState, failure: Failure, round_: int) -> RunState | None:
    """The answers could not be scored; there is nothing to report on this run but that."""
    if state.stage != "evaluation" or round_ != state.round:
        return None
    return state.model_copy(update={"stage": "done", "status": "failed", "failure": failure})


def complete_report(state: RunState, event: RunReportCompleted) -> RunState | None:
    """The run's own report is there (or could not be written, which fails nothing).

    The reporter hears of an evaluation when the scheduler does, and may be done before the scheduler has handled it.
    """
    if event.round != state.round:
        return None
    if state.stage == "evaluation":
        return state.model_copy(update={"reported": True, "artefacts": state.artefacts | event.artefacts})
    if state.stage != "reporting":
        return None
    return _ended(state, stage="done", artefacts=state.artefacts | event.artefacts)


def _ended(state: RunState, **update: object) -> RunState:
    if update.get("stage") == "done" and state.status == "running":
        update["status"] = "completed"
    return state.model_copy(update=update)


def retry_run(state: RunState, *, failed_only: bool, now: float) -> RunState | None:
    """Opens the shards again that hold samples to ask once more; None when there are none.

    Args:
        failed_only: leave out what was withdrawn or never asked because the job was cancelled.
    """
    if state.stage != "done" or "inference" not in state.stages:
        return None
    missing = {shard for shard in range(state.shards) if shard not in state.committed}
    never_asked = missing if state.status == "cancelled" else missing & set(state.left_out)
    left_out = never_asked if failed_only else set[int]()
    wanted = missing - left_out
    for shard, counts in state.shard_counts.items():
        if counts.failed or (counts.withdrawn and not failed_only):
            wanted.add(shard)
    if not wanted:
        return None
    withdrawn = state.counts.withdrawn - sum(counts.withdrawn for counts in state.shard_counts.values())
    keep = {shard: state.committed[shard] for shard in wanted if shard in state.committed}
    kept = [shard for shard in state.committed if shard not in wanted]
    attempts = dict(state.attempts) | {shard: state.attempts.get(shard, 0) + 1 for shard in wanted}
    return state.model_copy(
        update={
            "round": state.round + 1,
            "announcement": 0,
            "announced_at": now,
            "stage": "inference",
            "status": "running",
            "failure": None,
            "cancel_requested": False,
            "started": False,
            "metrics": (),
            "reported": False,
            "committed": {shard: state.committed[shard] for shard in kept},
            "shard_counts": {shard: counts for shard, counts in state.shard_counts.items() if shard not in wanted},
            "keep": keep,
            "ask_withdrawn": not failed_only,
            "asking": {},
            "asked": {},
            "left_out": tuple(sorted(left_out)),
            "attempts": attempts,
            "counts": _counts_of_others(state, wanted) + OutcomeCounts(withdrawn=withdrawn if left_out else 0),
        }
    )


def _counts_of_others(state: RunState, reopened: set[int]) -> OutcomeCounts:
    """Outcomes of the shards that stay as they are. Only shards with failures keep counts of their own; what was
    never answered belongs to shards that are asked again."""
    asked = sum((state.shard_counts.get(shard, OutcomeCounts()) for shard in reopened), OutcomeCounts())
    kept = sum((counts for shard, counts in state.shard_counts.items() if shard not in reopened), OutcomeCounts())
    return OutcomeCounts(
        answered=state.counts.answered - asked.answered,
        empty=state.counts.empty - asked.empty,
        truncated=state.counts.truncated - asked.truncated,
        refused=state.counts.refused - asked.refused,
        failed=kept.failed,
        withdrawn=kept.withdrawn,
    )


def requeue_shards(state: RunState, lost: set[int]) -> RunState | None:
    """Counts a new attempt for shards whose message went missing."""
    lost = lost.intersection(state.to_ask)
    if state.stage != "inference" or not lost:
        return None
    return state.model_copy(
        update={"attempts": dict(state.attempts) | {shard: state.attempts.get(shard, 0) + 1 for shard in lost}}
    )


def announce_again(state: RunState, now: float) -> RunState:
    """A new announcement of the run's present stage, because the last one went missing."""
    return state.model_copy(update={"announcement": state.announcement + 1, "announced_at": now})


def job_evaluated(job: JobState, runs: list[RunState], now: float) -> JobState | None:
    """All runs are past evaluation, and there is something to sum up."""
    if job.evaluated or not job.summed_up or any(run.stage in ("inference", "evaluation") for run in runs):
        return None
    return job.model_copy(update={"evaluated": True, "announced_at": now})


def job_reported(job: JobState, event: JobReportCompleted) -> JobState | None:
    """The job's report is there."""
    if job.reported or event.round != job.round:
        return None
    return job.model_copy(update={"reported": True, "artefacts": job.artefacts | event.artefacts})


def job_ended(job: JobState, runs: list[RunState], now_iso: str) -> JobState | None:
    """All stages of all runs are over: completed, or failed when not a single run could be."""
    if job.ended or any(run.stage != "done" for run in runs):
        return None
    if job.summed_up and not job.reported:
        return None
    failed = all(run.status == "failed" for run in runs)
    return job.model_copy(update={"status": "failed" if failed else "completed", "finished_at": now_iso})
