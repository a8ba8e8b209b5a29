"""JSON Schema of what people write and of every message."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from vhb_shared.contracts.commands import CancelJob, InferShard, RetryJob, ReuseAnswers, SubmitJob
from vhb_shared.contracts.events import EVENTS
from vhb_shared.contracts.job import JobSpec, ModelEntry, TaskEntry
from vhb_shared.contracts.live import BackendWarmup, LogLines, Notice, ShardProgress
from vhb_shared.contracts.metric_entry import MetricEntry
from vhb_shared.registry.base import DatasetEntry
from vhb_shared.schemas.docstrings import describe_fields

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILES: dict[str, type[BaseModel]] = {
    "job": JobSpec,
    "registry.model": ModelEntry,
    "registry.task": TaskEntry,
    "registry.dataset": DatasetEntry,
    "registry.metric": MetricEntry,
}
"""What people write."""
COMMANDS: dict[str, type[BaseModel]] = {
    "jobs.submit": SubmitJob,
    "jobs.cancel": CancelJob,
    "jobs.retry": RetryJob,
    "inference.shard": InferShard,
    "inference.reuse": ReuseAnswers,
}
LIVE = {f"live.{message.what}": message for message in (ShardProgress, BackendWarmup, Notice, LogLines)}
# Where people may write less than the model holds: validators of `contracts.job` make the rest of it.
_SHORTHANDS = {
    "JobSpec": {"models": "a registry entry's name alone", "tasks": "a registry entry's name alone"},
    "TaskEntry": {"metrics": "a metric's id alone"},
}
_ONE_FOR_MANY = {"Filter": ("doc_class", "question_type")}


def json_schemas() -> dict[str, dict[str, Any]]:
    """Schemas by name: `job`, `registry.*`, commands, events by their `what`, live messages."""
    schemas = {name: _schema(name, model, "validation") for name, model in FILES.items()}
    schemas |= {name: _schema(name, model, "validation") for name, model in COMMANDS.items()}
    schemas |= {event.what: _schema(event.what, event, "serialization") for event in EVENTS}
    schemas |= {name: _schema(name, model, "serialization") for name, model in LIVE.items()}
    return schemas


def model_schema(model: type[BaseModel], mode: JsonSchemaMode, ref_template: str) -> dict[str, Any]:
    """A model's schema with the fields' docstrings as descriptions, and the forms that validators also take."""
    schema = model.model_json_schema(mode=mode, ref_template=ref_template)
    describe_fields(schema, model)
    for name, definition in ((model.__name__, schema), *schema.get("$defs", {}).items()):
        if mode == "validation":
            _allow_shorthands(name, definition.get("properties", {}))
    return schema


def _schema(name: str, model: type[BaseModel], mode: JsonSchemaMode) -> dict[str, Any]:
    schema = model_schema(model, mode, "#/$defs/{model}")
    return {"$schema": DIALECT, "$id": f"urn:vlmhyperbench:{name}:v{getattr(model, 'version', 1)}", **schema}


def _allow_shorthands(model: str, properties: dict[str, Any]) -> None:
    for field, meaning in _SHORTHANDS.get(model, {}).items():
        items = properties[field]["items"]
        properties[field]["items"] = {"anyOf": [{"type": "string", "description": meaning}, items]}
    for field in _ONE_FOR_MANY.get(model, ()):
        many = {key: properties[field].pop(key) for key in ("type", "items")}
        properties[field]["anyOf"] = [{"type": "string"}, many]
