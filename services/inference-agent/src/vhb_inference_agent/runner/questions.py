"""What is asked of the model for each sample of a shard, and the body of the request that asks it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vhb_inference_agent.runner.failures import RequestFailed
from vhb_inference_agent.runner.fingerprint import request_fingerprint
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.datasets.prompts import render_prompt
from vhb_shared.datasets.selection import shard_samples
from vhb_shared.errors import UserError


@dataclass(frozen=True, slots=True)
class Question:
    """One sample, rendered."""

    index: int
    id: str
    system: str | None
    text: str
    images: tuple[str, ...]
    """Names in storage, `<sha256>.<ext>`."""
    fingerprint: str | None
    problem: str | None = None
    """Why it cannot be asked."""


def shard_questions(samples: Path, run: RunSpec, shard: int) -> list[Question]:
    """The questions of one shard, in data set order. Blocks: reads a file and renders templates.

    Args:
        samples: local copy of the data set's samples.parquet.
        run: the resolved run.
        shard: which slice of the run's samples.
    """
    return [_question(run, row) for row in shard_samples(samples, run, shard).iter_rows(named=True)]


def _question(run: RunSpec, row: Mapping[str, Any]) -> Question:
    images = tuple(row["images"] or ())
    try:
        system, text = render_prompt(run.task, row)
    except UserError as error:
        return Question(row["index"], row["id"], None, "", images, None, problem=str(error))
    if not text.strip() and not images:
        problem = "the sample has neither a question nor an image; give the task a prompt"
        return Question(row["index"], row["id"], system, text, images, None, problem=problem)
    fingerprint = request_fingerprint(run.model, system, text, images, response_schema(run))
    return Question(row["index"], row["id"], system, text, images, fingerprint)


def response_schema(run: RunSpec) -> dict[str, Any] | None:
    """The JSON Schema that answers must follow; the plan holds content, never a file's name."""
    schema = run.task.response_schema
    return json.loads(schema) if isinstance(schema, str) else schema


def request_parameters(model: ModelEntry, schema: dict[str, Any] | None) -> dict[str, Any]:
    """Everything of a request's body but the model's name and the messages.

    `extra` wins over the parameters we name, so that a user can say what only one engine understands.
    """
    generation = model.generation
    parameters: dict[str, Any] = {
        name: value
        for name in ("temperature", "max_tokens", "top_p", "seed")
        if (value := getattr(generation, name)) is not None
    }
    if generation.stop:
        parameters["stop"] = list(generation.stop)
    if schema is not None:
        wanted = {"name": "answer", "schema": schema} | ({"strict": True} if is_closed(schema) else {})
        parameters["response_format"] = {"type": "json_schema", "json_schema": wanted}
    parameters.update(generation.extra)
    for reserved in ("messages", "model", "stream", "stream_options"):
        parameters.pop(reserved, None)
    if model.stream:
        parameters["stream"] = True
        parameters["stream_options"] = {"include_usage": True}
    return parameters


def is_closed(schema: Any) -> bool:
    """Whether every object in a JSON Schema requires all its properties and allows no others.

    Only such a schema can be asked for strictly: hosted servers enforce a schema when it is, and refuse others.
    """
    if isinstance(schema, list):
        return all(is_closed(part) for part in schema)
    if not isinstance(schema, dict):
        return True
    if "properties" in schema or schema.get("type") == "object":
        properties = schema.get("properties")
        required = schema.get("required")
        if schema.get("additionalProperties") is not False or not isinstance(properties, dict):
            return False
        if not isinstance(required, list) or set(map(str, required)) != set(properties):
            return False
    return all(is_closed(part) for part in schema.values())


def request_body(
    served_model: str, parameters: Mapping[str, Any], question: Question, images: Sequence[bytes]
) -> bytes:
    """The request as JSON bytes.

    Images are spliced in as they are (a data URL needs no escaping): an encoder would copy and scan megabytes per
    request on the event loop.

    Raises:
        RequestFailed: the parameters cannot be written as JSON.
    """
    try:
        head = _dumps({"model": served_model, **parameters})
    except (TypeError, ValueError) as error:
        raise RequestFailed("sample", f"generation parameters are not JSON: {error}") from error
    parts = [b'{"type":"image_url","image_url":{"url":"' + image + b'"}}' for image in images]
    if question.text:
        parts.append(_dumps({"type": "text", "text": question.text}))
    system = _dumps({"role": "system", "content": question.system}) + b"," if question.system else b""
    user = b'{"role":"user","content":[' + b",".join(parts) + b"]}"
    return head[:-1] + b',"messages":[' + system + user + b"]}"


def _dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")
