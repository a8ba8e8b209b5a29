"""What each role may publish and subscribe to, down to streams, consumers and buckets.

Only the provisioner makes streams; only the scheduler makes consumers while the system runs (the durable of a
backend), because whoever makes a consumer chooses where the server delivers to. Everybody else reads through durables
that exist, or message by message (`STREAM.MSG.GET`, `DIRECT.GET`).
"""

from dataclasses import dataclass

from vhb_shared.access.roles import Role
from vhb_shared.contracts import events, subjects, topology
from vhb_shared.contracts.live import LogLines, Notice
from vhb_shared.contracts.topology import Consumer

_API = "$JS.API"

PRODUCERS: dict[Role, tuple[type[events.Event], ...]] = {
    "scheduler": (
        events.JobAccepted, events.JobRejected, events.JobCompleted, events.JobFailed, events.JobCancelled,
        events.RunInferenceCompleted, events.RunInferenceFailed, events.JobEvaluated,
    ),
    "agent": (
        events.RunAnswersReused,
        events.RunInferenceStarted, events.RunShardCompleted,
        events.BackendStarting, events.BackendReady, events.BackendFailed, events.BackendStopped,
    ),
    "evaluator": (events.RunQuestionsAsked, events.RunEvaluationCompleted, events.RunEvaluationFailed),
    "reporter": (events.RunReportCompleted, events.JobReportCompleted),
    "cli": (events.ComparisonCompleted, events.ComparisonFailed),
}  # fmt: skip
"""Who announces what; every event has one producer."""

REPEATED_BY_SCHEDULER = (events.RunEvaluationCompleted,)
"""Events of others that the scheduler says: again where one went missing, and where a report alone was asked for."""


@dataclass(frozen=True)
class Rights:
    """Subjects with wildcards; `deny` wins over `publish`."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...] = ()
    """Beside the user's own inbox."""
    deny_publish: tuple[str, ...] = ()


def inbox_prefix(user: str) -> str:
    """_INBOX_agent-gpu2: replies to a user's requests go where no other user can listen."""
    return f"_INBOX_{user}"


def rights(role: Role) -> Rights:
    """What users of a role may do."""
    return _RIGHTS[role]()


def _kv_stream(bucket: str) -> str:
    return f"KV_{bucket}"


def _read(*buckets: str) -> tuple[str, ...]:
    """Reading values and keys, by message; nothing that changes anything."""
    return tuple(
        subject
        for bucket in buckets
        for subject in (
            f"{_API}.STREAM.INFO.{_kv_stream(bucket)}",
            f"{_API}.STREAM.MSG.GET.{_kv_stream(bucket)}",
            f"{_API}.DIRECT.GET.{_kv_stream(bucket)}",
            f"{_API}.DIRECT.GET.{_kv_stream(bucket)}.>",
        )
    )


def _known(*buckets: str) -> tuple[str, ...]:
    """Seeing that a bucket is there, as every service does when it starts."""
    return tuple(f"{_API}.STREAM.INFO.{_kv_stream(bucket)}" for bucket in buckets)


def _write(*buckets: str) -> tuple[str, ...]:
    return tuple(f"$KV.{bucket}.>" for bucket in buckets)


def _consume(*consumers: Consumer) -> tuple[str, ...]:
    """Handling a durable's messages, with dead letters for what cannot be handled."""
    return tuple(
        subject
        for consumer in consumers
        for subject in (
            f"{_API}.CONSUMER.INFO.{consumer.stream}.{consumer.durable}",
            f"{_API}.CONSUMER.MSG.NEXT.{consumer.stream}.{consumer.durable}",
            f"$JS.ACK.{consumer.stream}.{consumer.durable}.>",
            subjects.dlq(consumer.stream, consumer.durable),
        )
    )


def _announce(role: Role) -> tuple[str, ...]:
    return tuple(subjects.every(event.what) for event in PRODUCERS[role])


def _own(role: str) -> tuple[Consumer, ...]:
    return tuple(consumer for consumer in topology.CONSUMERS if consumer.durable.startswith(f"{role}--"))


_ALL_BUCKETS = tuple(bucket.name for bucket in topology.BUCKETS)
_SAYS = (subjects.live("*", Notice.what), subjects.live("*", LogLines.what))
"""What a service tells those who watch."""
_WATCH = (subjects.ALL_EVENTS, subjects.ALL_LIVE)
_HISTORY = (f"{_API}.STREAM.INFO.{topology.EVENTS}", f"{_API}.DIRECT.GET.{topology.EVENTS}")
_DEAD = (f"{_API}.STREAM.INFO.{topology.DLQ}", f"{_API}.STREAM.MSG.GET.{topology.DLQ}")


def _provisioner() -> Rights:
    streams = [stream.name for stream in topology.STREAMS] + [_kv_stream(bucket) for bucket in _ALL_BUCKETS]
    on_streams = [f"{_API}.STREAM.{verb}.{name}" for name in streams for verb in ("INFO", "CREATE", "UPDATE")]
    on_consumers = [
        subject
        for consumer in topology.CONSUMERS
        for subject in (
            f"{_API}.CONSUMER.INFO.{consumer.stream}.{consumer.durable}",
            f"{_API}.CONSUMER.CREATE.{consumer.stream}.{consumer.durable}.{consumer.subject}",
        )
    ]
    return Rights(publish=(*on_streams, *on_consumers))


def _scheduler() -> Rights:
    work = topology.WORK
    return Rights(
        publish=(
            *_announce("scheduler"),
            *(subjects.every(event.what) for event in REPEATED_BY_SCHEDULER),
            *_SAYS,
            subjects.ALL_INFERENCE,
            *_consume(*_own("scheduler")),
            *_known(*_ALL_BUCKETS),
            *_read(topology.JOBS_BUCKET, topology.BACKENDS_BUCKET, topology.CLAIMS_BUCKET, topology.AGENTS_BUCKET),
            *_write(topology.JOBS_BUCKET, topology.BACKENDS_BUCKET),
            # The durables of backends, and how far all durables are.
            f"{_API}.CONSUMER.CREATE.{work}.*.{subjects.ALL_INFERENCE}",
            f"{_API}.CONSUMER.INFO.{work}.*",
            f"{_API}.CONSUMER.INFO.{topology.EVENTS}.*",
            # Work that is no longer wanted; messages that were delivered too often.
            f"{_API}.STREAM.INFO.{work}",
            f"{_API}.STREAM.PURGE.{work}",
            f"{_API}.STREAM.MSG.GET.{work}",
            f"{_API}.STREAM.MSG.DELETE.{work}",
            f"{_API}.STREAM.MSG.GET.{topology.EVENTS}",
            f"vhb.dlq.{work}.*",
            f"vhb.dlq.{topology.EVENTS}.*",
        )
    )


def _agent() -> Rights:
    work = topology.WORK
    others = [consumer for consumer in topology.CONSUMERS if consumer.stream == work and consumer != topology.REUSE]
    return Rights(
        publish=(
            *_announce("agent"),
            subjects.ALL_LIVE,
            *_known(*_ALL_BUCKETS),
            *_read(topology.JOBS_BUCKET, topology.BACKENDS_BUCKET, topology.CLAIMS_BUCKET, topology.AGENTS_BUCKET),
            *_write(topology.CLAIMS_BUCKET, topology.AGENTS_BUCKET),
            f"{_API}.CONSUMER.INFO.{work}.*",
            f"{_API}.CONSUMER.MSG.NEXT.{work}.*",
            f"$JS.ACK.{work}.*.>",
            f"vhb.dlq.{work}.*",
        ),
        subscribe=_write(topology.BACKENDS_BUCKET),
        # A wildcard cannot say "durables of backends": those of others on the same stream are taken out.
        deny_publish=tuple(
            subject
            for consumer in others
            for subject in (
                f"{_API}.CONSUMER.MSG.NEXT.{work}.{consumer.durable}",
                f"$JS.ACK.{work}.{consumer.durable}.>",
                subjects.dlq(work, consumer.durable),
            )
        ),
    )


def _stage(role: Role) -> Rights:
    """Evaluator and reporter: read state, handle their durables, announce."""
    return Rights(
        publish=(
            *_announce(role),
            *_SAYS,
            *_consume(*_own(role)),
            *_known(*_ALL_BUCKETS),
            *_read(topology.JOBS_BUCKET),
        )
    )


def _cli() -> Rights:
    return Rights(
        publish=(
            *_announce("cli"),
            subjects.ALL_JOB_COMMANDS,
            *_read(*_ALL_BUCKETS),
            f"{_API}.CONSUMER.INFO.{topology.WORK}.*",
            *_HISTORY,
            *_DEAD,
            # The last notice of a job: `vhb explain`.
            f"{_API}.STREAM.MSG.GET.{topology.LIVE}",
        ),
        subscribe=_WATCH,
    )


def _operator() -> Rights:
    base = _cli()
    back = (subjects.ALL_EVENTS, subjects.ALL_INFERENCE, f"{_API}.STREAM.MSG.DELETE.{topology.DLQ}")
    return Rights(publish=(*base.publish, *back), subscribe=base.subscribe)


def _api() -> Rights:
    return Rights(
        publish=(
            subjects.ALL_JOB_COMMANDS,
            *_consume(*_own("api")),
            *_read(*_ALL_BUCKETS),
            f"{_API}.CONSUMER.INFO.{topology.WORK}.*",
            *_HISTORY,
            *_DEAD,
            # The last notice of a job.
            f"{_API}.STREAM.MSG.GET.{topology.LIVE}",
        ),
        subscribe=_WATCH,
    )


def _subscriber() -> Rights:
    own = (subject for subject in _consume(topology.SUBSCRIBER) if not subject.startswith("vhb."))
    return Rights(publish=(*_HISTORY, *own), subscribe=(subjects.ALL_EVENTS,))


_RIGHTS = {
    "provisioner": _provisioner,
    "scheduler": _scheduler,
    "agent": _agent,
    "evaluator": lambda: _stage("evaluator"),
    "reporter": lambda: _stage("reporter"),
    "cli": _cli,
    "operator": _operator,
    "subscriber": _subscriber,
    "api": _api,
}
