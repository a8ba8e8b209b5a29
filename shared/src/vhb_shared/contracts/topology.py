"""Which streams, consumers and buckets exist: declared here as data, made by `bus.provision`, changed nowhere else."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from vhb_shared.contracts import subjects
from vhb_shared.contracts.events import (
    BackendFailed,
    JobEvaluated,
    JobReportCompleted,
    RunAnswersReused,
    RunEvaluationCompleted,
    RunEvaluationFailed,
    RunInferenceCompleted,
    RunInferenceFailed,
    RunInferenceStarted,
    RunQuestionsAsked,
    RunReportCompleted,
    RunShardCompleted,
)

ACK_WAIT_S = 15.0
"""How soon a dead handler's message runs elsewhere. Handlers send progress acks every third of it; see
docs/decisions/0003-ack-wait.md for why it is shorter than a long server restart."""
MAX_DELIVER = 100
"""A backstop only: errors are counted by the handler, not deliveries."""
DUPLICATE_WINDOW_S = 120.0
CLAIM_TTL_S = 9.0
DAY_S = 86_400.0


class Stream(BaseModel):
    """A JetStream stream."""

    model_config = ConfigDict(frozen=True)

    name: str
    subjects: tuple[str, ...]
    retention: Literal["workqueue", "limits"]
    max_age_s: float = 0
    max_bytes: int = -1


class Consumer(BaseModel):
    """A durable pull consumer."""

    model_config = ConfigDict(frozen=True)

    stream: str
    durable: str
    subject: str
    ack_wait_s: float = ACK_WAIT_S
    max_deliver: int = MAX_DELIVER
    max_ack_pending: int = 1000


class Bucket(BaseModel):
    """A key-value bucket."""

    model_config = ConfigDict(frozen=True)

    name: str
    ttl_s: float = 0


WORK = "VHB_WORK"
EVENTS = "VHB_EVENTS"
LIVE = "VHB_LIVE"
DLQ = "VHB_DLQ"
ADVISORIES = "VHB_ADVISORIES"

STREAMS: tuple[Stream, ...] = (
    Stream(name=WORK, subjects=(subjects.ALL_JOB_COMMANDS, subjects.ALL_INFERENCE), retention="workqueue"),
    Stream(name=EVENTS, subjects=(subjects.ALL_EVENTS,), retention="limits", max_age_s=30 * DAY_S, max_bytes=4 << 30),
    Stream(name=LIVE, subjects=(subjects.ALL_LIVE,), retention="limits", max_age_s=600, max_bytes=64 << 20),
    Stream(name=DLQ, subjects=(subjects.ALL_DLQ,), retention="limits", max_age_s=30 * DAY_S, max_bytes=1 << 30),
    Stream(
        name=ADVISORIES,
        subjects=("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",),
        retention="limits",
        max_age_s=DAY_S,
        max_bytes=16 << 20,
    ),
)

JOBS_BUCKET = "vhb-jobs"
BACKENDS_BUCKET = "vhb-backends"
CLAIMS_BUCKET = "vhb-claims"
AGENTS_BUCKET = "vhb-agents"

BUCKETS: tuple[Bucket, ...] = (
    Bucket(name=JOBS_BUCKET),
    Bucket(name=BACKENDS_BUCKET),
    Bucket(name=CLAIMS_BUCKET, ttl_s=CLAIM_TTL_S),
    Bucket(name=AGENTS_BUCKET, ttl_s=CLAIM_TTL_S),
)


def _on(service: str, what: str) -> Consumer:
    return Consumer(stream=EVENTS, durable=f"{service}--{what.replace('.', '-')}", subject=subjects.every(what))


SCHEDULER_SUBMIT = Consumer(stream=WORK, durable="scheduler--submit", subject=subjects.SUBMIT)
SCHEDULER_CANCEL = Consumer(stream=WORK, durable="scheduler--cancel", subject=subjects.CANCEL)
SCHEDULER_RETRY = Consumer(stream=WORK, durable="scheduler--retry", subject=subjects.RETRY)
SCHEDULER_REUSED = _on("scheduler", RunAnswersReused.what)
SCHEDULER_STARTED = _on("scheduler", RunInferenceStarted.what)
SCHEDULER_SHARD = _on("scheduler", RunShardCompleted.what)
SCHEDULER_BACKEND_FAILED = _on("scheduler", BackendFailed.what)
SCHEDULER_QUESTIONS = _on("scheduler", RunQuestionsAsked.what)
SCHEDULER_EVALUATED = _on("scheduler", RunEvaluationCompleted.what)
SCHEDULER_EVALUATION_FAILED = _on("scheduler", RunEvaluationFailed.what)
SCHEDULER_RUN_REPORTED = _on("scheduler", RunReportCompleted.what)
SCHEDULER_JOB_REPORTED = _on("scheduler", JobReportCompleted.what)
SCHEDULER_ADVISORIES = Consumer(
    stream=ADVISORIES, durable="scheduler--advisories", subject="$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>"
)
REUSE = Consumer(
    stream=WORK,
    durable=f"inference--{subjects.REUSE_BACKEND}",
    subject=subjects.inference_of_backend(subjects.REUSE_BACKEND),
)
"""All agents share it; no backend is needed."""
EVALUATOR_SHARD = _on("evaluator", RunShardCompleted.what)
EVALUATOR_RUN = _on("evaluator", RunInferenceCompleted.what)
EVALUATOR_RUN_FAILED = _on("evaluator", RunInferenceFailed.what)
REPORTER_RUN = _on("reporter", RunEvaluationCompleted.what)
REPORTER_JOB = _on("reporter", JobEvaluated.what)

SUBSCRIBER = Consumer(stream=EVENTS, durable="subscriber--events", subject=subjects.ALL_EVENTS)
"""For an outside system that may make no consumer of its own: it goes on where it stopped."""

API_EVENTS = Consumer(stream=EVENTS, durable="api--events", subject=subjects.ALL_EVENTS)
"""What the management plane writes down; where its database is made anew, it reads the stream itself."""

CONSUMERS: tuple[Consumer, ...] = (
    SCHEDULER_SUBMIT, SCHEDULER_CANCEL, SCHEDULER_RETRY, SCHEDULER_REUSED, SCHEDULER_STARTED, SCHEDULER_SHARD,
    SCHEDULER_BACKEND_FAILED, SCHEDULER_QUESTIONS, SCHEDULER_EVALUATED, SCHEDULER_EVALUATION_FAILED,
    SCHEDULER_RUN_REPORTED, SCHEDULER_JOB_REPORTED, SCHEDULER_ADVISORIES, REUSE, SUBSCRIBER,
    EVALUATOR_SHARD, EVALUATOR_RUN, EVALUATOR_RUN_FAILED, REPORTER_RUN, REPORTER_JOB, API_EVENTS,
)  # fmt: skip


def backend_consumer(backend_id: str) -> Consumer:
    """The durable that all agents serving one backend share; made by the scheduler when the first run needs it."""
    return Consumer(stream=WORK, durable=f"inference--{backend_id}", subject=subjects.inference_of_backend(backend_id))
