"""The hash of one request: everything that can change its answer, and nothing else."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from vhb_shared.contracts.job import ModelEntry


def request_fingerprint(
    model: ModelEntry,
    system: str | None,
    text: str,
    images: Sequence[str],
    response_schema: dict[str, Any] | None,
) -> str:
    """sha256 (hex) of the request in canonical JSON.

    Where the model answers (a backend's port, a replica), how often it is asked again and whether the answer is
    streamed do not change what it says, and are left out.

    Args:
        model: the resolved entry: name, revision, backend, engine arguments, generation parameters with the seed.
        system: the rendered system prompt.
        text: the rendered prompt.
        images: names of the images in their order, `<sha256>.<ext>`: hashes stand for the pixels.
        response_schema: JSON Schema that the answer must follow.
    """
    content = {
        "v": 1,
        "model": model.served_model,
        "revision": model.revision,
        "backend": model.backend,
        "environment_image": model.image,
        "engine_args": model.engine_args,
        "packages": list(model.packages),
        "base_url": model.base_url,
        "generation": model.generation.model_dump(mode="json"),
        "response_schema": response_schema,
        "system": system,
        "text": text,
        "images": [name.partition(".")[0] for name in images],
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
