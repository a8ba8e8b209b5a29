"""Any OpenAI-compatible server that runs already."""

import asyncio
from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import urlsplit

from vhb_inference_agent.backends.base import BackendAdapter, BackendCapabilities
from vhb_inference_agent.backends.probe import NoReply, Reply, get, model_names, same_model
from vhb_inference_agent.endpoint import BackendLost, Endpoint
from vhb_shared.contracts.backend_id import normalise_base_url
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.environments.base import EnvironmentSpec

_ATTEMPTS = 3
_PAUSE_S = 1.0
_TIMEOUT_S = 10.0
_NAMES_SHOWN = 8


class OpenAIBackend(BackendAdapter):
    """Asks `base_url`; starts nothing. Checked before the first sample: reachable, key accepted, model known."""

    name: ClassVar[str] = "openai"
    capabilities: ClassVar[BackendCapabilities] = BackendCapabilities()

    def validate(self, model: ModelEntry, environ: Mapping[str, str] | None = None) -> list[str]:
        """See `BackendAdapter.validate`."""
        problems = []
        if model.base_url is None:
            problems.append(
                f"Model {model.name}: backend openai needs `base_url`; add one like http://127.0.0.1:8000/v1."
            )
        elif reason := _url_problem(model.base_url):
            problems.append(f"Model {model.name}: `base_url` {reason}.")
        problems += [
            f"Model {model.name}: backend openai starts nothing, so `{key}` has no meaning: remove it"
            f"{' (request options go to `generation: extra`)' if key == 'engine_args' else ''}."
            for key in (
                "image",
                "environment",
                "packages",
                "engine_args",
                "command",
                "env",
                "pass_env",
                "mounts",
                "ready_timeout_s",
            )
            if getattr(model, key)
        ]
        if environ is not None and model.api_key_env is not None and not environ.get(model.api_key_env):
            problems.append(_unset(model))
        return problems

    def launch(self, model: ModelEntry) -> EnvironmentSpec | None:
        """See `BackendAdapter.launch`."""
        return None

    def endpoint(self, model: ModelEntry, address: str | None, environ: Mapping[str, str]) -> Endpoint:
        """See `BackendAdapter.endpoint`."""
        problems = self.validate(model, environ)
        if problems:
            kind = "key_missing" if problems == [_unset(model)] else "bad_entry"
            raise BackendLost(Failure(kind=kind, message=problems[0]))
        assert model.base_url is not None
        base_url = normalise_base_url(model.base_url)
        if model.api_key_env is None:
            return Endpoint(base_url=base_url, model=model.served_model)
        return Endpoint(base_url=base_url, model=model.served_model, api_key=environ[model.api_key_env])

    async def check_ready(self, model: ModelEntry, endpoint: Endpoint) -> bool:
        """See `BackendAdapter.check_ready`. Tries a few times: a server behind a balancer may just be restarting."""
        failure: Failure | None = None
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_PAUSE_S)
            failure = await self._check(model, endpoint)
            if failure is None or not failure.retryable:
                break
        if failure is not None:
            raise BackendLost(failure)
        return True

    async def _check(self, model: ModelEntry, endpoint: Endpoint) -> Failure | None:
        where = f"{endpoint.base_url} (model {model.name})"
        url = f"{endpoint.base_url}/models"
        try:
            reply = await get(url, api_key=endpoint.api_key, timeout_s=_TIMEOUT_S, proxies=True)
        except NoReply as reason:
            message = f"No server can be reached at {where}: {reason}; check `base_url` and that the server runs."
            return Failure(kind="endpoint_unreachable", message=message, retryable=True)
        if reply.status in (401, 403):
            return Failure(kind="key_refused", message=_refused(model, where, reply.status))
        if reply.status >= 500 and reply.status != 501:
            message = f"The server at {where} answers with error {reply.status}; check that it is up, then run again."
            return Failure(kind="endpoint_unreachable", message=message, retryable=True)
        if 300 <= reply.status < 400:
            message = f"The server at {where} redirects elsewhere; give `base_url` its final address."
            return Failure(kind="endpoint_wrong", message=message)
        return self._check_list(model, endpoint, where, reply) if reply.status == 200 else None

    def _check_list(self, model: ModelEntry, endpoint: Endpoint, where: str, reply: Reply) -> Failure | None:
        names = model_names(reply.json())
        if names is None:
            message = f"What answers at {where} is not an OpenAI-compatible server; `base_url` usually ends in /v1."
            return Failure(kind="endpoint_wrong", message=message)
        if not names or any(same_model(endpoint.model, name) for name in names):
            return None
        shown = ", ".join(names[:_NAMES_SHOWN]) + (
            f" and {len(names) - _NAMES_SHOWN} more" * (len(names) > _NAMES_SHOWN)
        )
        message = f"The server at {where} does not know {endpoint.model!r}; set `model` to one of: {shown}."
        return Failure(kind="model_unknown", message=message)


def _url_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        return "is not a URL; write one like http://127.0.0.1:8000/v1"
    if parts.username or parts.password:
        return "must not hold credentials; put the key in a variable and name it in `api_key_env`"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"{url!r} is not an http(s) URL; write one like http://127.0.0.1:8000/v1"
    if parts.query or parts.fragment:
        return "must end with the path (no ? or #); put a key in a variable and name it in `api_key_env`"
    return None


def _unset(model: ModelEntry) -> str:
    return (
        f"Model {model.name}: the variable {model.api_key_env} (its `api_key_env`) is not set where the agent runs; "
        "set it to the key and start again."
    )


def _refused(model: ModelEntry, where: str, status: int) -> str:
    if model.api_key_env is None:
        return f"The server at {where} wants a key ({status}); put it in a variable and name that in `api_key_env`."
    return f"The server at {where} refuses the key in {model.api_key_env} ({status}); set the variable to a valid key."
