"""The AsyncAPI 3.0 document: every channel, who consumes it, and what the bus promises."""

from typing import Any

from pydantic import BaseModel

from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.commands import CancelJob, InferShard, RetryJob, ReuseAnswers, SubmitJob
from vhb_shared.contracts.events import EVENTS, Event
from vhb_shared.contracts.topology import Consumer, Stream
from vhb_shared.schemas.messages import LIVE, model_schema

AT_LEAST_ONCE = (
    "Delivered at least once: a message can arrive again, and after an outage late. Handlers must be idempotent. "
    "Message ids are deterministic (they say what a message is about, not when it was sent)."
)
_PARAMETERS = {
    "job_id": "The job.",
    "run_id": "The run: one model on one task.",
    "backend_id": "A hash of what the backend runs.",
    "shard": "Number of the shard in its run, from 0.",
    "stream": "The stream of the message that was given up on.",
    "consumer": "The durable consumer that gave up on it.",
}
_COMMANDS: tuple[tuple[str, type[BaseModel], str, Consumer], ...] = (
    ("submitJob", SubmitJob, subjects.SUBMIT, topology.SCHEDULER_SUBMIT),
    ("cancelJob", CancelJob, subjects.CANCEL, topology.SCHEDULER_CANCEL),
    ("retryJob", RetryJob, subjects.RETRY, topology.SCHEDULER_RETRY),
    (
        "inferShard",
        InferShard,
        "vhb.inference.{backend_id}.{run_id}.{shard}",
        topology.backend_consumer("{backend_id}"),
    ),
    ("reuseAnswers", ReuseAnswers, subjects.reuse("{run_id}"), topology.REUSE),
)


def asyncapi_document() -> dict[str, Any]:
    """The document, deterministic."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for name, model, subject, consumer in _COMMANDS:
        messages[name] = _message(name, model, schemas, "validation", _id_header())
        channels[name] = _channel(subject, name, consumer.stream)
        operations[f"receive_{name}"] = _receive(name, consumer)
    for event in EVENTS:
        name = _camel(event.what)
        messages[name] = _message(name, event, schemas, "serialization", _cloud_event_headers(event))
        channels[name] = _channel(subjects.event("{job_id}", event.what), name, topology.EVENTS)
        operations[f"send_{name}"] = _operation("send", name, event.__doc__ or "")
        for consumer in topology.CONSUMERS:
            if consumer.subject in (subjects.every(event.what), subjects.ALL_EVENTS):
                operations[f"receive_{name}_{consumer.durable.split('--')[0]}"] = _receive(name, consumer)
    for key, live in LIVE.items():
        name = _camel(key)
        messages[name] = _message(name, live, schemas, "serialization", None)
        channels[name] = _channel(subjects.live("{job_id}", live.what), name, topology.LIVE)
        operations[f"send_{name}"] = _operation("send", name, live.__doc__ or "")
    messages["deadLetter"] = _dead_letter()
    channels["deadLetter"] = _channel(subjects.dlq("{stream}", "{consumer}"), "deadLetter", topology.DLQ)
    operations["send_deadLetter"] = _operation("send", "deadLetter", "A message was given up on.")
    return {
        "asyncapi": "3.0.0",
        "info": _info(),
        "defaultContentType": "application/json",
        "servers": {
            "nats": {
                "host": "{host}:{port}",
                "protocol": "nats",
                "description": "NATS with JetStream; `vhb up` prints its address.",
                "variables": {"host": {"default": "127.0.0.1"}, "port": {"default": "4222"}},
                "security": [{"$ref": "#/components/securitySchemes/userPassword"}],
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"userPassword": {"type": "userPassword"}},
        },
        "x-jetstream": {
            "streams": {stream.name: _stream(stream) for stream in topology.STREAMS},
            "key-value-buckets": {bucket.name: {"ttl_s": bucket.ttl_s} for bucket in topology.BUCKETS},
        },
    }


def _info() -> dict[str, Any]:
    return {
        "title": "VLMHyperBench",
        "version": "1",
        "description": (
            "Commands, events and live messages of VLMHyperBench on NATS JetStream. Events are CloudEvents 1.0 in the "
            "NATS binding's binary mode: attributes in `ce-*` headers, data as JSON payload; `ce-id` equals "
            f"`Nats-Msg-Id`. {AT_LEAST_ONCE} The server drops repeats of an id within "
            f"{topology.DUPLICATE_WINDOW_S:.0f} s; beyond that, drop them by `ce-id`. Readers ignore unknown fields. "
            "Live messages may be lost. Messages that were given up on lie on "
            f"`{subjects.ALL_DLQ}` with the reason, and can be replayed (`vhb dlq retry`)."
        ),
        "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
    }


def _message(
    name: str, model: type[BaseModel], schemas: dict[str, Any], mode: Any, headers: dict[str, Any] | None
) -> dict[str, Any]:
    schema = model_schema(model, mode, "#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas[model.__name__] = schema
    message: dict[str, Any] = {
        "name": name,
        "title": model.__name__,
        "summary": " ".join((model.__doc__ or "").split()),
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
    }
    if headers is not None:
        message["headers"] = headers
    return message


def _headers(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": sorted(properties), "properties": properties}


def _id_header() -> dict[str, Any]:
    return _headers({"Nats-Msg-Id": {"type": "string", "description": "Deterministic; a repeat is dropped."}})


def _cloud_event_headers(event: type[Event]) -> dict[str, Any]:
    type_ = f"org.vlmhyperbench.{event.what}.v{event.version}"
    return _headers(
        {
            "ce-specversion": {"const": "1.0"},
            "ce-type": {"const": type_},
            "ce-id": {"type": "string", "description": "Deterministic; the same happening has the same id."},
            "ce-source": {"type": "string", "description": "The service that says so."},
            "ce-time": {"type": "string", "format": "date-time"},
            "Nats-Msg-Id": {"type": "string", "description": "Equals ce-id."},
        }
    )


def _dead_letter() -> dict[str, Any]:
    return {
        "name": "deadLetter",
        "title": "DeadLetter",
        "summary": "A message that was given up on: its payload as it was.",
        "headers": _headers(
            {
                "vhb-reason": {"type": "string", "description": "Why, in a sentence."},
                "vhb-subject": {"type": "string", "description": "Where it was published; replay it there."},
                "Nats-Msg-Id": {"type": "string"},
            }
        ),
        "payload": {"description": "The message's own."},
    }


def _channel(subject: str, message: str, stream: str) -> dict[str, Any]:
    found = {name: {"description": text} for name, text in _PARAMETERS.items() if f"{{{name}}}" in subject}
    channel: dict[str, Any] = {
        "address": subject,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "x-jetstream": {"stream": stream},
    }
    if found:
        channel["parameters"] = found
    return channel


def _operation(action: str, channel: str, summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": " ".join(summary.split()),
        "messages": [{"$ref": f"#/channels/{channel}/messages/{channel}"}],
    }


def _receive(channel: str, consumer: Consumer) -> dict[str, Any]:
    operation = _operation("receive", channel, f"Handled once by {consumer.durable.split('--')[0]}. {AT_LEAST_ONCE}")
    operation["x-jetstream"] = {
        "stream": consumer.stream,
        "durable": consumer.durable,
        "filter": consumer.subject,
        "ack_wait_s": consumer.ack_wait_s,
        "max_deliver": consumer.max_deliver,
        "dead_letters": subjects.dlq(consumer.stream, consumer.durable),
    }
    return operation


def _stream(stream: Stream) -> dict[str, Any]:
    return stream.model_dump(mode="json", exclude={"name"}) | {"duplicate_window_s": topology.DUPLICATE_WINDOW_S}


def _camel(what: str) -> str:
    first, *rest = what.split(".")
    return first + "".join(part.capitalize() for part in rest)
