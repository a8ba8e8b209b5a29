"""Which backend serves a model: a hash of what it runs, so that all runs needing the same one share it warm."""

import hashlib
import json

from vhb_shared.contracts.job import ModelEntry

_LENGTH = 12


def backend_id(model: ModelEntry) -> str:
    """A short hash of what a resolved model entry runs.

    Only what decides which process or server answers counts. What is sent with each request (generation,
    retries, streaming), how many replicas there are, and what the entry is called do not, so two entries that
    differ in these share one backend. A cap on concurrency counts: it is a property of the replica.

    Args:
        model: The entry after the registry's values were filled in.

    Returns:
        12 hexadecimal digits, the same on every machine; usable in a NATS subject.
    """
    what = {
        "backend": model.backend,
        "model": model.served_model,
        "revision": model.revision,
        "environment": model.environment,
        "image": model.image,
        "engine_args": model.engine_args,
        "packages": sorted(model.packages),
        "command": model.command,
        "env": model.env,
        "pass_env": sorted(model.pass_env),
        "mounts": [mount.model_dump() for mount in model.mounts],
        "base_url": None if model.base_url is None else normalise_base_url(model.base_url),
        "api_key_env": model.api_key_env,
        "concurrency": model.concurrency,
        "resources": model.resources.model_dump(),
    }
    text = json.dumps(what, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def normalise_base_url(url: str) -> str:
    """The one spelling of an OpenAI-compatible base URL.

    Trailing slashes go, and a URL without a path gets `/v1`, where such servers answer.
    """
    url = url.strip().rstrip("/")
    _, separator, rest = url.partition("://")
    return url + "/v1" if separator and rest and "/" not in rest and "?" not in rest else url
