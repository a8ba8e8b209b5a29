"""What is asked of the model for each sample of a shard."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from vhb_shared.asking.fingerprint import request_fingerprint
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.datasets.few_shot import Example, Examples, examples_digest
from vhb_shared.datasets.prompts import render_prompt
from vhb_shared.datasets.selection import shard_samples
from vhb_shared.errors import UserError
from vhb_shared.store import layout
from vhb_shared.store.base import LocalCopies


@dataclass(frozen=True, slots=True)
class Question:
    """One row of a run, rendered."""

    index: int
    id: str
    system: str | None
    text: str
    images: tuple[str, ...]
    """Names in storage, `<sha256>.<ext>`."""
    fingerprint: str | None
    problem: str | None = None
    """Why it cannot be asked."""
    turns: tuple[Example, ...] = ()
    """Solved examples before the question."""
    epoch: int = 0
    """How often it was asked before."""


class RunFiles(NamedTuple):
    """What the questions of a run are made of, as local files."""

    samples: Path
    """samples.parquet of the run's data set."""
    examples: Path | None = None
    """That of the few-shot examples, where there are any."""


async def run_files(run: RunSpec, copies: LocalCopies) -> RunFiles:
    """Fetches what is not here yet.

    Raises:
        NotFound, Unavailable, Damaged: as `LocalCopies.path`.
    """
    samples = await copies.path(layout.dataset_samples(run.dataset.digest))
    digest = turns_digest(run)
    return RunFiles(samples, None if digest is None else await copies.path(layout.dataset_samples(digest)))


def turns_digest(run: RunSpec) -> str | None:
    """The data set that the images of few-shot examples are in; None without any."""
    few_shot = run.task.few_shot
    return None if few_shot is None else examples_digest(few_shot, run.dataset.digest)


def shard_questions(files: RunFiles, run: RunSpec, shard: int) -> list[Question]:
    """The questions of one shard, in data set order. Blocks: reads files and renders templates.

    Args:
        files: from `run_files`.
        run: the resolved run.
        shard: which slice of the run's rows.
    """
    return questions(files, run, shard_samples(files.samples, run, shard))


def questions(files: RunFiles, run: RunSpec, rows: pl.DataFrame) -> list[Question]:
    """The questions of some rows of a run (`variants.RUN_SCHEMA`). Blocks."""
    try:
        examples = None
        if files.examples is not None:
            examples = Examples(run.task, run.dataset.digest, files.examples)
    except UserError as error:
        return [_not_asked(row, None, str(error)) for row in rows.iter_rows(named=True)]
    return [_question(run, row, examples) for row in rows.iter_rows(named=True)]


def _question(run: RunSpec, row: Mapping[str, Any], examples: Examples | None) -> Question:
    images = tuple(row["images"] or ())
    try:
        system, text = render_prompt(run.task, row)
    except UserError as error:
        return _not_asked(row, None, str(error))
    if not text.strip() and not images:
        return _not_asked(row, system, "the sample has neither a question nor an image; give the task a prompt")
    turns = examples.before(row["sample"]) if examples is not None else ()
    fingerprint = request_fingerprint(
        run.model,
        system,
        text,
        images,
        response_schema(run),
        turns=[(turn.text, turn.images, turn.answer) for turn in turns],
        epoch=row["epoch"],
    )
    return Question(row["index"], row["id"], system, text, images, fingerprint, turns=turns, epoch=row["epoch"])


def _not_asked(row: Mapping[str, Any], system: str | None, problem: str) -> Question:
    return Question(row["index"], row["id"], system, "", tuple(row["images"] or ()), None, problem=problem)


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


def epoch_parameters(parameters: Mapping[str, Any], epoch: int) -> Mapping[str, Any]:
    """The parameters of a repetition: another seed, where there is one, or a server would say the same again."""
    seed = parameters.get("seed")
    return {**parameters, "seed": seed + epoch} if epoch and isinstance(seed, int) else parameters


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
