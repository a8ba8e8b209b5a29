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
) -> str:
    """sha256 (hex) of the request in canonical JSON.

    Args:
        model: the resolved entry; `model_settings` says what of it counts.
        system: the rendered system prompt.
        text: the rendered prompt.
        images: names of the images in their order, `<sha256>.<ext>`: hashes stand for the pixels.
        response_schema: JSON Schema that the answer must follow.
    """
    content = model_settings(model) | {
        "v": 2,
        "response_schema": response_schema,
        "system": system,
        "text": text,
        "images": [name.partition(".")[0] for name in images],
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
