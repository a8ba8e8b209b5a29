"""The life of a run as pure steps."""

from vhb_scheduler import announcements, lifecycle
from vhb_shared.contracts.events import (
    Failure,
    JobCompleted,
    RunEvaluationCompleted,
    RunReportCompleted,
    RunShardCompleted,
)
from vhb_shared.contracts.results import MetricValue, OutcomeCounts
from vhb_shared.contracts.state import JobState, RunState


def run(**more: object) -> RunState:
    base = RunState(
        run_id="j-0",
        job_id="j",
        name="m__t",
        model="m",
        task="t",
        backend_id="b",
        stages=("inference", "evaluation", "reporting"),
        stage="inference",
        samples=20,
        shards=2,
    )
    return base.model_copy(update=more)


def completed(shard: int, token: str = "aa", failed: int = 0, round_: int = 0) -> RunShardCompleted:
    return RunShardCompleted(
        job_id="j",
        run_id="j-0",
        name="m__t",
        round=round_,
        shard=shard,
        attempt=0,
        token=token,
        part_key="k",
        sha256="s",
        counts=OutcomeCounts(answered=10 - failed, failed=failed),
        seconds=1,
        agent_id="a",
    )


def committed(failed: int = 0) -> RunState:
    first = lifecycle.commit_shard(run(), completed(0), 1.0)
    assert first is not None and first.stage == "inference"
    second = lifecycle.commit_shard(first, completed(1, "bb", failed), 2.0)
    assert second is not None
    return second


def done(failed: int = 0) -> RunState:
    evaluated = lifecycle.complete_evaluation(
        committed(failed),
        RunEvaluationCompleted(job_id="j", run_id="j-0", name="m__t", counts=committed(failed).counts),
        3.0,
    )
    assert evaluated is not None and evaluated.stage == "reporting"
    reported = lifecycle.complete_report(evaluated, RunReportCompleted(job_id="j", run_id="j-0", name="m__t"))
    assert reported is not None
    return reported


def test_a_report_that_is_heard_of_before_the_evaluation_is_not_lost() -> None:
    reported = RunReportCompleted(job_id="j", run_id="j-0", name="m__t", artefacts={"report": "r"})
    early = lifecycle.complete_report(committed(), reported)
    assert early is not None and (early.stage, early.status) == ("evaluation", "running")
    event = RunEvaluationCompleted(
        job_id="j", run_id="j-0", name="m__t", counts=early.counts, artefacts={"scores": "s"}
    )
    state = lifecycle.complete_evaluation(early, event, 3.0)
    assert state is not None and (state.stage, state.status) == ("done", "completed")
    assert state.artefacts == {"report": "r", "scores": "s"}
    # The next round waits for a report of its own.
    again = lifecycle.retry_run(state.model_copy(update={"shard_counts": {0: OutcomeCounts(failed=1)}}), now=4.0,
                                failed_only=True)  # fmt: skip
    assert again is not None and again.round == 1 and not again.reported
    assert lifecycle.complete_report(again.model_copy(update={"stage": "evaluation"}), reported) is None


def test_the_first_attempt_of_a_shard_counts_and_the_last_shard_ends_inference() -> None:
    state = committed()
    assert (state.stage, state.committed, state.counts.answered) == ("evaluation", {0: "aa", 1: "bb"}, 20)
    assert lifecycle.commit_shard(state, completed(0, "cc"), 3.0) is None


def test_what_is_of_another_round_or_no_shard_of_the_run_is_ignored() -> None:
    assert lifecycle.commit_shard(run(round=1), completed(0), 1.0) is None
    assert lifecycle.commit_shard(run(), completed(2), 1.0) is None


def test_a_lost_backend_fails_what_is_missing() -> None:
    half = lifecycle.commit_shard(run(), completed(0), 1.0)
    assert half is not None
    state = lifecycle.fail_inference(half, Failure(kind="backend", message="gone"), 2.0)
    assert state is not None
    assert (state.status, state.stage, state.counts.answered, state.counts.failed) == ("failed", "evaluation", 10, 10)
    assert lifecycle.fail_inference(state, Failure(kind="backend", message="again"), 3.0) is None


def test_a_cancelled_run_withdraws_what_is_missing() -> None:
    state = lifecycle.cancel_run(run(), 1.0)
    assert state is not None
    assert (state.status, state.counts.withdrawn) == ("cancelled", 20)
    assert lifecycle.cancel_run(state, 2.0) is None


def test_a_retry_opens_only_shards_with_failures() -> None:
    assert done().status == "completed"
    assert lifecycle.retry_run(done(), failed_only=False, now=4.0) is None
    state = lifecycle.retry_run(done(failed=3), failed_only=True, now=4.0)
    assert state is not None
    assert (state.round, state.stage, state.committed, state.keep) == (1, "inference", {0: "aa"}, {1: "bb"})
    assert state.attempts == {1: 1} and not state.ask_withdrawn
    assert state.counts == OutcomeCounts(answered=10)
    again = lifecycle.commit_shard(state, completed(1, "cc", round_=1), 5.0)
    assert again is not None and again.counts == OutcomeCounts(answered=20)


def cancelled_with_a_failure() -> RunState:
    """Three shards: one with a failure, one good, one never asked."""
    state = run(samples=30, shards=3)
    for event in (completed(0, failed=2), completed(1, "bb")):
        state = lifecycle.commit_shard(state, event, 1.0) or state
    state = lifecycle.cancel_run(state, 2.0) or state
    assert (state.counts.failed, state.counts.withdrawn) == (2, 10)
    event = RunEvaluationCompleted(job_id="j", run_id="j-0", name="m__t", counts=state.counts)
    state = lifecycle.complete_evaluation(state, event, 3.0) or state
    return lifecycle.complete_report(state, RunReportCompleted(job_id="j", run_id="j-0", name="m__t")) or state


def test_a_retry_of_failures_leaves_out_what_was_never_asked() -> None:
    state = lifecycle.retry_run(cancelled_with_a_failure(), failed_only=True, now=4.0)
    assert state is not None
    assert (state.left_out, state.to_ask, state.keep) == ((2,), (0,), {0: "aa"})
    assert state.counts == OutcomeCounts(answered=10, withdrawn=10)
    assert lifecycle.requeue_shards(state, {2}) is None
    assert lifecycle.commit_shard(state, completed(2, "xx", round_=1), 5.0) is None
    state = lifecycle.commit_shard(state, completed(0, "cc", round_=1), 5.0)
    assert state is not None
    assert (state.stage, state.counts) == ("evaluation", OutcomeCounts(answered=20, withdrawn=10))


def test_what_was_left_out_is_asked_by_the_next_retry_of_everything() -> None:
    first = lifecycle.retry_run(cancelled_with_a_failure(), failed_only=True, now=4.0)
    assert first is not None
    ended = lifecycle.commit_shard(first, completed(0, "cc", failed=1, round_=1), 5.0)
    assert ended is not None
    ended = ended.model_copy(update={"stage": "done", "status": "completed"})
    again = lifecycle.retry_run(ended, failed_only=True, now=6.0)
    assert again is not None
    assert (again.left_out, again.to_ask) == ((2,), (0,))
    assert again.counts == OutcomeCounts(answered=10, withdrawn=10)
    everything = lifecycle.retry_run(ended, failed_only=False, now=6.0)
    assert everything is not None
    assert (everything.left_out, everything.to_ask) == ((), (0, 2))
    assert everything.counts == OutcomeCounts(answered=10)


def test_a_lost_backend_fails_only_what_was_to_be_asked() -> None:
    first = lifecycle.retry_run(cancelled_with_a_failure(), failed_only=True, now=4.0)
    assert first is not None
    failed = lifecycle.fail_inference(first, Failure(kind="backend", message="gone"), 5.0)
    assert failed is not None and failed.counts == OutcomeCounts(answered=10, failed=10, withdrawn=10)


def test_known_answers_are_looked_up_before_shards_are_announced() -> None:
    state = run(looking_up=True)
    assert lifecycle.looked_up(state, 1) is None
    done = lifecycle.looked_up(state, 0)
    assert done is not None and not done.looking_up and lifecycle.looked_up(done, 0) is None
    reused = completed(0).model_copy(update={"reused": 10})
    half = lifecycle.commit_shard(state, reused, 1.0)
    assert half is not None and half.looking_up and half.reused.count == 10
    whole = lifecycle.commit_shard(half, completed(1, "bb"), 1.0)
    assert whole is not None and not whole.looking_up and whole.stage == "evaluation"
    cancelled = lifecycle.cancel_run(state, 1.0)
    assert cancelled is not None and not cancelled.looking_up


def test_lost_shards_get_a_new_attempt_unless_committed() -> None:
    half = lifecycle.commit_shard(run(), completed(0), 1.0)
    assert half is not None
    assert lifecycle.requeue_shards(half, {0}) is None
    state = lifecycle.requeue_shards(half, {0, 1})
    assert state is not None and state.attempts == {1: 1}


def test_a_job_ends_when_all_is_reported_and_fails_when_no_run_could_be() -> None:
    job = JobState(job_id="j", name="n", status="running", stages=("inference", "evaluation", "reporting"))
    assert lifecycle.job_ended(job, [done()], "now") is None  # its report is missing
    job = job.model_copy(update={"reported": True})
    ended = lifecycle.job_ended(job, [done(), done().model_copy(update={"status": "failed"})], "now")
    assert ended is not None and ended.status == "completed"
    failed = lifecycle.job_ended(job, [done().model_copy(update={"status": "failed"})], "now")
    assert failed is not None and failed.status == "failed"
    assert lifecycle.job_ended(job, [committed()], "now") is None


def test_results_are_summed_up_where_there_are_any() -> None:
    for stages, wanted in ((("inference", "evaluation"), True), (("reporting",), True), (("inference",), False)):
        job = JobState(job_id="j", name="n", status="running", stages=stages)
        assert (lifecycle.job_evaluated(job, [done()], 1.0) is not None) is wanted
        assert (lifecycle.job_ended(job, [done()], "now") is None) is wanted


def test_the_end_of_a_job_says_how_long_it_took() -> None:
    times = {"submitted_at": "2026-01-01T12:00:00+02:00", "finished_at": "2026-01-01T10:01:01.500000+00:00"}
    job = JobState(job_id="j", name="n", status="completed", **times)  # type: ignore[arg-type]
    event = announcements.of_job(job, [done()])
    assert isinstance(event, JobCompleted) and event.seconds == 61.5


def test_a_report_on_stored_results_is_announced_with_their_figures() -> None:
    """Nobody evaluates such a run: the scheduler itself has to set its report going."""
    value = MetricValue(metric="cer", value=0.5, n=20, n_scored=20, n_failed=0)
    state = run(stages=("reporting",), stage="reporting", metrics=(value,))
    event = announcements.of_run(state)
    assert isinstance(event, RunEvaluationCompleted) and event.metrics == (value,)
    assert announcements.of_run(run(stage="reporting", metrics=(value,))) is None  # the evaluator said so
