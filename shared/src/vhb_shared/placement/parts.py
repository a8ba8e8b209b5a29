"""Explanations in parts: a code with what was filled in, so that they can be said in any language."""

from collections.abc import Sequence
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

Code = Literal[
    "failed", "cancelled", "done", "metrics", "metrics_jobs", "evaluator", "reporter", "earlier_answers", "scheduler",
    "served", "samples", "rate", "starting", "engine_line", "so_far", "waiting", "paused",
    "trouble", "tried_again", "no_agent", "overdue", "its_log", "taken_soon", "first_in_line", "in_line", "keeps_room",
    "gpus_taken", "too_many_taken", "places_taken",
    "no_backend", "no_image", "nobody", "no_environment", "unusable", "online",
    "needs_gpus", "needs_gpus_of", "needs_memory", "and_memory", "needs_remote_place", "needs_place", "on_one_host",
    "no_gpu", "largest_gpu", "such_gpus", "largest_memory", "no_place",
]  # fmt: skip
Before = Literal["; ", ", ", ": ", " "]
"""What stands between a part and the one before it."""


class Part(BaseModel):
    """A part of an explanation."""

    model_config = ConfigDict(frozen=True)

    code: Code
    given: dict[str, str | int | float]
    """What is filled in; `count` decides between singular and plural."""
    before: Before
    """What stands between it and the part before it, in every language."""


def part(code: Code, before: Before = "; ", **given: str | float) -> Part:
    """A part; texts from engines and models in it are untrusted."""
    return Part(code=code, given=given, before=before)


def in_english(parts: Sequence[Part]) -> str:
    """The sentence."""
    return "".join(f"{each.before if number else ''}{_text(each)}" for number, each in enumerate(parts))


def _text(one: Part) -> str:
    form = _ENGLISH[one.code]
    text = form if isinstance(form, str) else form[one.given.get("count") != 1]
    return text.format(**one.given)


_ENGLISH: dict[Code, str | tuple[str, str]] = {
    "failed": "failed: {reason}",
    "cancelled": "cancelled: {withdrawn} of {samples} samples were not asked",
    "done": "done: {samples} samples, {failed} failed",
    "metrics": "waiting for models that its metrics ask",
    "metrics_jobs": "`vhb explain` says more of {jobs}",
    "evaluator": "waiting for an evaluator to score its answers",
    "reporter": "waiting for a reporter to write its report",
    "earlier_answers": "waiting for an agent to look for answers of earlier runs",
    "scheduler": "waiting for the scheduler to ask for its backend",
    "served": "served by {agents}: {done} of {shards} shards done, {left} left",
    "samples": "{done} of {samples} samples",
    "rate": "{rate:.3g} a second",
    "starting": "agent {agent} is starting it",
    "engine_line": "{line}",
    "so_far": "{seconds} s so far",
    "waiting": "waiting",
    "paused": "({reason})",
    "trouble": "the backend failed on agent {agent}: {message}",
    "tried_again": "tried again in {seconds} s (try {number})",
    "no_agent": "no agent is online",
    "overdue": "agent {agent} has room for it and has not taken it for {seconds} s",
    "its_log": "its log says what it does",
    "taken_soon": "agent {agent} has room for it and takes it in a moment",
    "first_in_line": "first in line",
    "in_line": "number {number} in line",
    "keeps_room": "{agent} keeps its room for those before it",
    "gpus_taken": ("the one fitting GPU is taken by {by}", "all {count} fitting GPUs are taken by {by}"),
    "too_many_taken": "too many of the {gpus} fitting ones are taken by {by}",
    "places_taken": ("the one place is taken by {by}", "all {count} places are taken by {by}"),
    "no_backend": "no agent has backend {backend!r}",
    "no_image": "no agent allows the image {image}",
    "nobody": "no agent can run it",
    "no_environment": "has no environment {environment!r}",
    "unusable": "cannot use {environment!r} now: {reason}",
    "online": ("{count} agent online", "{count} agents online"),
    "needs_gpus": ("needs {count} GPU", "needs {count} GPUs"),
    "needs_gpus_of": ("needs {count} GPU with {gib:.4g} GiB", "needs {count} GPUs with {gib:.4g} GiB each"),
    "needs_memory": "needs {gib:.4g} GiB of host memory",
    "and_memory": "and {gib:.4g} GiB of host memory",
    "needs_remote_place": "needs a place for a server elsewhere",
    "needs_place": "needs a place on a host",
    "on_one_host": "on one host",
    "no_gpu": "none has a GPU",
    "largest_gpu": "the largest has {gib:.4g} GiB",
    "such_gpus": ("the largest has {count} such GPU", "the largest has {count} such GPUs"),
    "largest_memory": "the largest has {gib:.4g} GiB for backends",
    "no_place": "none of them has such a place",
}
assert set(_ENGLISH) == set(get_args(Code))
