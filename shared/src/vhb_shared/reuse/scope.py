"""Where answers to the same request are looked for: one place for each model as it is set up."""

import hashlib
import json
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from vhb_shared.contracts.backend_id import normalise_base_url
from vhb_shared.contracts.job import ModelEntry

_LENGTH = 16


def model_settings(model: ModelEntry) -> dict[str, Any]:
    """What of a resolved entry can change an answer, as plain JSON values.

    Where a replica answers (its port), how often it is asked again and whether the answer is streamed do not change
    what it says, and are left out. So are values of `pass_env`: they are stored nowhere.
    """
    return {
        "model": model.served_model,
        "revision": model.revision,
        "backend": model.backend,
        "environment": model.environment,
        "image": model.image,
        "command": list(model.command),
        "engine_args": model.engine_args,
        "env": model.env,
        "mounts": [mount.model_dump(mode="json") for mount in model.mounts],
        "packages": sorted(model.packages),
        "base_url": None if model.base_url is None else normalise_base_url(model.base_url),
        "generation": model.generation.model_dump(mode="json"),
    }


def reuse_scope(model: ModelEntry) -> str:
    """A short hash: answers are re-used within it only.

    Beside the model's settings it holds what does not change an answer but must not be mixed: whether requests were
    alone (`concurrency: 1`, for clean figures of each request), and, for engines that we start, our own version,
    which says which version of the engine is the default.

    Returns:
        16 hexadecimal digits, the same on every machine.
    """
    content = {
        "settings": model_settings(model),
        "alone": model.concurrency == 1,
        "software": None if model.base_url is not None else _software(),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:_LENGTH]


@lru_cache(maxsize=1)
def _software() -> str:
    try:
        return version("vhb-shared")
    except PackageNotFoundError:
        return ""
