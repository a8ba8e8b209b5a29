"""The hash of one request: everything that can change its answer, and nothing else."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from vhb_shared.contracts.job import ModelEntry
from vhb_shared.reuse.scope import model_settings


def request_fingerprint(
    model: ModelEntry,
    system: str | None,
    text: str,
    images: Sequence[str],
    response_schema: dict[str, Any] | None,
    *,
    turns: Sequence[tuple[str, Sequence[str], str]] = (),
    epoch: int = 0,
) -> str:
    """sha256 (hex) of the request in canonical JSON.

    Args:
        model: the resolved entry; `model_settings` says what of it counts.
        system: the rendered system prompt.
        text: the rendered prompt.
        images: names of the images in their order, `<sha256>.<ext>`: hashes stand for the pixels.
        response_schema: JSON Schema that the answer must follow.
        turns: what comes before the question: the user's text and images, and the assistant's words.
        epoch: how often it was asked before; only the first time may be answered by a run without repetitions.
    """
    content = model_settings(model) | {
        "v": 2,
        "response_schema": response_schema,
        "system": system,
        "text": text,
        "images": _hashes(images),
    }
    # Left out where there are none: what was asked before these existed is still the same request.
    if turns:
        content["turns"] = [[text, _hashes(shown), reply] for text, shown, reply in turns]
    if epoch:
        content["epoch"] = epoch
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _hashes(images: Sequence[str]) -> list[str]:
    return [name.partition(".")[0] for name in images]
