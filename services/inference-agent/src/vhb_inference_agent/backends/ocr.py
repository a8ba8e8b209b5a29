"""OCR engines and other small Python models: the API wrapper's adapters, each in an environment of its own."""

import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from vhb_inference_agent.backends.base import BackendAdapter, BackendCapabilities
from vhb_inference_agent.backends.entry import place_problems
from vhb_inference_agent.backends.probe import NoReply, get
from vhb_inference_agent.endpoint import BackendLost, Endpoint
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.documents.check import did_you_mean
from vhb_shared.environments.base import EnvironmentSpec

_WRAPPER = "vhb_api_wrapper"
# Engine arguments that are the server's own; all others are the adapter's options.
_SERVER_FLAGS = ("workers", "max-pending", "max-body-mib", "max-megapixels")
# Its lock holds what the wrapper itself needs: the base for adapters of other packages.
_PLAIN_LOCK = "echo"
_READY_TIMEOUT_S = 180.0


class OcrBackend(BackendAdapter):
    """`model` names the wrapper's adapter (rapidocr, tesseract, ...), `engine_args` its options.

    `packages` brings the package of an adapter that is not the wrapper's own. In environment docker, `image` is what
    all of it is installed on: one with Python 3.11 or newer, and the engine's program where it needs one (tesseract).
    """

    name: ClassVar[str] = "ocr"
    capabilities: ClassVar[BackendCapabilities] = BackendCapabilities(
        environments=("process", "docker"), vision="yes", json_schema="no", logprobs="no", seed="no", metrics="no"
    )

    def validate(self, model: ModelEntry, environ: Mapping[str, str] | None = None) -> list[str]:
        """See `BackendAdapter.validate`."""
        problems = self.environment_problems(model)
        problems += place_problems(model, environ, images=_runs_image(model))
        for key in ("base_url", "api_key_env", "command", "revision"):
            if getattr(model, key):
                remedy = "; for a server that runs already use `backend: openai`" if key == "base_url" else ""
                problems.append(f"Model {model.name}: backend ocr has no use for `{key}`: remove it{remedy}.")
        for flag, value in _server_arguments(model).items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                problems.append(f"Model {model.name}: `engine_args: {flag}` must be a whole number above 0.")
        package = _wrapper_folder()
        known = [] if package is None else sorted(path.stem for path in (package / "locks").glob("*.lock"))
        if known and model.served_model not in known and not model.packages:
            hint = did_you_mean(model.served_model, known)
            problems.append(
                f"Model {model.name}: backend ocr has no engine {model.served_model!r}; {hint} "
                "An engine of another package needs its name in `packages`."
            )
        return problems

    def launch(self, model: ModelEntry) -> EnvironmentSpec | None:
        """See `BackendAdapter.launch`."""
        package = _wrapper_folder()
        if package is None:
            message = "This agent lacks the package vhb-api-wrapper, which serves OCR engines; install it beside it."
            raise BackendLost(Failure(kind="backend_missing", message=message))
        adapter = model.served_model
        lock = package / "locks" / f"{adapter}.lock"
        if not lock.is_file():
            lock = lock.with_stem(_PLAIN_LOCK)
        command = ["{python}", "-m", _WRAPPER, "--adapter", adapter, "--served-model-name", adapter]
        command += ["--host", "{host}", "--port", "{port}", "--port-file", "{port_file}"]
        own = _server_arguments(model)
        for flag, value in own.items():
            command += [f"--{flag}", str(value)]
        for key, value in sorted(model.engine_args.items()):
            if _flag(key) not in own:
                command += ["--option", f"{key}={_text(value)}"]
        return EnvironmentSpec(
            name=f"{self.name}/{adapter}",
            command=tuple(command),
            lock=lock.read_text() if lock.is_file() else "",
            packages=model.packages,
            local_packages=(package,),
            image=model.image,
            ready_timeout_s=model.ready_timeout_s or _READY_TIMEOUT_S,
        )

    def endpoint(self, model: ModelEntry, address: str | None, environ: Mapping[str, str]) -> Endpoint:
        """See `BackendAdapter.endpoint`. More requests than workers only wait in the server."""
        workers = _server_arguments(model).get("workers") or os.cpu_count() or 1
        return Endpoint(
            base_url=f"{address}/v1", model=model.served_model, default_concurrency=max(2, min(int(workers), 64))
        )

    async def check_ready(self, model: ModelEntry, endpoint: Endpoint) -> bool:
        """See `BackendAdapter.check_ready`."""
        try:
            reply = await get(endpoint.base_url.removesuffix("/v1") + "/health")
        except NoReply:
            return False
        return reply.status == 200


def _wrapper_folder() -> Path | None:
    """Where the wrapper's package lies, found without importing it."""
    spec = importlib.util.find_spec(_WRAPPER)
    places = spec.submodule_search_locations if spec is not None else None
    return Path(places[0]) if places else None


def _runs_image(model: ModelEntry) -> bool:
    return model.environment not in (None, "process")


def _flag(key: str) -> str:
    return key.replace("_", "-")


def _server_arguments(model: ModelEntry) -> dict[str, Any]:
    return {_flag(key): value for key, value in sorted(model.engine_args.items()) if _flag(key) in _SERVER_FLAGS}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
