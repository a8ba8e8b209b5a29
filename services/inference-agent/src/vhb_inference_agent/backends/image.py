"""Any container image that speaks the protocol."""

from collections.abc import Mapping
from typing import Any, ClassVar

from vhb_inference_agent.backends.arguments import whole_number
from vhb_inference_agent.backends.base import BackendAdapter, BackendCapabilities
from vhb_inference_agent.backends.entry import place_problems
from vhb_inference_agent.backends.last_words import find_reason
from vhb_inference_agent.backends.probe import NoReply, get, model_names, same_model
from vhb_inference_agent.endpoint import BackendLost, Endpoint
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.documents.check import did_you_mean
from vhb_shared.environments.base import EnvironmentSpec, Exit

_READY_TIMEOUT_S = 1800.0
_OPTIONS = ("port", "health-path")


class ImageBackend(BackendAdapter):
    """`image` runs `command`, or what it runs by itself; it is asked at `/v1` on `{port}`.

    `engine_args`: `port` (where an image without `command` listens; else the one it exposes, else 8000), `health-path`
    (asked until it answers 200; else `/v1/models` is, until it answers at all).
    """

    name: ClassVar[str] = "image"
    capabilities: ClassVar[BackendCapabilities] = BackendCapabilities(environments=("docker",))

    def validate(self, model: ModelEntry, environ: Mapping[str, str] | None = None) -> list[str]:
        """See `BackendAdapter.validate`."""
        problems = self.environment_problems(model) + place_problems(model, environ, images=True)
        if model.image is None:
            problems.append(f"Model {model.name}: backend image needs `image`; name one like name:tag.")
        for key in ("base_url", "api_key_env", "revision"):
            if getattr(model, key) is not None:
                problems.append(f"Model {model.name}: backend image has no use for `{key}`: remove it.")
        for key, value in model.engine_args.items():
            if key not in _OPTIONS:
                hint = did_you_mean(key, _OPTIONS)
                problems.append(
                    f"Model {model.name}: backend image knows no `engine_args: {key}`; {hint} "
                    "What the program is to be told goes into `command` and `env`."
                )
            elif key == "health-path" and not (isinstance(value, str) and value.startswith("/")):
                problems.append(f"Model {model.name}: `engine_args: health-path` must be a path like /health.")
            elif key != "health-path" and (whole_number(value) is None or int(value) > 65535):
                problems.append(f"Model {model.name}: `engine_args: {key}` must be a whole number above 0.")
        if model.command and "port" in model.engine_args:
            problems.append(
                f"Model {model.name}: `engine_args: port` is for images that run their own command; with `command`, "
                "say where to listen by {port} in it."
            )
        return problems

    def launch(self, model: ModelEntry) -> EnvironmentSpec | None:
        """See `BackendAdapter.launch`."""
        return EnvironmentSpec(
            name=f"{self.name}/{model.name}",
            command=tuple(word.replace("{model}", model.served_model) for word in model.command),
            port=None if model.command else whole_number(model.engine_args.get("port")),
            packages=model.packages,
            image=model.image,
            ready_timeout_s=model.ready_timeout_s or _READY_TIMEOUT_S,
        )

    def endpoint(self, model: ModelEntry, address: str | None, environ: Mapping[str, str]) -> Endpoint:
        """See `BackendAdapter.endpoint`."""
        return Endpoint(base_url=f"{address}/v1", model=model.served_model)

    async def check_ready(self, model: ModelEntry, endpoint: Endpoint) -> bool:
        """See `BackendAdapter.check_ready`. An image that lists its models and not this one never will."""
        path = model.engine_args.get("health-path")
        try:
            if path is not None and (await get(endpoint.base_url.removesuffix("/v1") + path)).status != 200:
                return False
            reply = await get(f"{endpoint.base_url}/models")
        except NoReply:
            return False
        if reply.status >= 500:
            return False
        names = model_names(reply.json()) if reply.status == 200 else None
        if names and not any(same_model(endpoint.model, name) for name in names):
            message = (
                f"The image of {model.name} serves {', '.join(names[:8])[:300]}, not {endpoint.model!r}; set "
                "`model` to one of these."
            )
            raise BackendLost(Failure(kind="model_unknown", message=message))
        return True

    def explain_exit(self, model: ModelEntry, ended: Exit, log_tail: tuple[str, ...]) -> Failure:
        """See `BackendAdapter.explain_exit`."""
        known: Any = None if ended.code == 0 or ended.out_of_memory else find_reason(self.name, model, log_tail)
        return known or super().explain_exit(model, ended, log_tail)
