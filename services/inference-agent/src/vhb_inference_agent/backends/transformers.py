"""`transformers serve`: the reference implementation's own server, in an environment of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from vhb_inference_agent.backends.arguments import Off, options
from vhb_inference_agent.backends.base import BackendCapabilities
from vhb_inference_agent.backends.engine import EngineAdapter
from vhb_inference_agent.backends.last_words import Reason
from vhb_inference_agent.endpoint import Endpoint
from vhb_shared.contracts.job import ModelEntry

VERSION = "5.23.0"
"""As in locks/transformers.lock; tested with the real server by tests/integration/engines."""
TORCH = "2.13.0"
_BATCHED_CONCURRENCY = 16
# What else it takes in a request's body; other fields are refused with 422. Several of OpenAI's own are taken and
# ignored, which is worse: they are refused here.
_EXTRA = frozenset(
    {"chat_template_kwargs", "frequency_penalty", "generation_config", "logit_bias", "max_completion_tokens"}
)


class TransformersBackend(EngineAdapter):
    """`model` is a name on the hub or an absolute path; `engine_args` are options of `transformers serve`.

    Without `continuous-batching: true` it answers one request after another. It knows no structured output, no
    `stop`, and no sampling options beyond `temperature` and `top_p` but those in `extra: {generation_config: JSON}`.
    """

    name: ClassVar[str] = "transformers"
    capabilities: ClassVar[BackendCapabilities] = BackendCapabilities(
        environments=("process", "docker"), vision="yes", json_schema="no", logprobs="no", seed="yes", metrics="no"
    )
    # The environment's own base image, a plain Python; the engine is put on top.
    image: ClassVar[str | None] = None
    image_has_engine: ClassVar[bool] = False
    program: ClassVar[tuple[str, ...]] = ("{python}", "-m", "transformers.cli.transformers", "serve")
    off: ClassVar[Off] = "no-flag"
    # Its list of models is that of the hub's cache: empty for a folder, an error where there is no cache.
    lists_models: ClassVar[bool] = False
    # More than one in flight only waits in the server: one is computed, one is on its way.
    concurrency: ClassVar[int | None] = 2
    environment_variables: ClassVar[Mapping[str, str]] = {"HF_HUB_DISABLE_TELEMETRY": "1"}
    reserved: ClassVar[Mapping[str, str]] = {
        "force-model": "say `model` in the entry itself",
        "host": "the agent gives it an address",
        "port": "the agent gives it a port",
    }
    reasons: ClassVar[tuple[Reason, ...]] = (
        Reason(
            "bad_argument",
            r"no such option:? '?(?P<argument>--?[\w-]{1,80})",
            "the engine does not know {argument}; correct `engine_args`",
        ),
        Reason(
            "bad_argument",
            r"invalid value for '?(?P<argument>.{1,200})",
            "an engine argument is wrong ({argument}); correct `engine_args`",
        ),
        Reason(
            "package_missing",
            r"requires the (?P<library>[\w-]{1,60}) library but it was not found|"
            r"requires the following packages that were not found in your environment: (?P<others>[\w ,-]{1,200})",
            "the model needs a package that is not installed ({library}{others}); name it in `packages`",
        ),
    )

    def engine_problems(self, model: ModelEntry) -> list[str]:
        """See `EngineAdapter.engine_problems`."""
        problems = []
        if model.generation.stop:
            problems.append(f"Model {model.name}: backend transformers cannot `stop` at words; remove it.")
        refused = sorted(set(model.generation.extra) - _EXTRA)
        problems += [
            f"Model {model.name}: backend transformers refuses or ignores `generation: extra: {name}`; remove it, or "
            "say it in `extra: {generation_config: ...}`, a JSON text."
            for name in refused
        ]
        if "@" in model.served_model and not model.served_model.startswith("/"):
            problems.append(f"Model {model.name}: write what follows the @ of `model` as `revision`.")
        return problems

    def own_arguments(self, model: ModelEntry) -> list[str]:
        """See `EngineAdapter.own_arguments`."""
        words = [self._pinned(model), "--host", "{host}", "--port", "{port}"]
        given = set(options(model.engine_args))
        if "device" not in given:
            words += ["--device", "auto" if model.resources.gpus else "cpu"]
        return words

    def endpoint(self, model: ModelEntry, address: str | None, environ: Mapping[str, str]) -> Endpoint:
        """See `BackendAdapter.endpoint`. A request must name the model as the command line did, revision included."""
        batched = options(model.engine_args).get("continuous-batching") is True
        return Endpoint(
            base_url=f"{address}/v1",
            model=self._pinned(model),
            default_concurrency=_BATCHED_CONCURRENCY if batched else self.concurrency,
        )

    def process_packages(self) -> tuple[str, ...]:
        """See `EngineAdapter.process_packages`. Which build of torch is right is the host's matter: no hash."""
        return (f"torch=={TORCH}",)

    def process_lock(self) -> str:
        """See `EngineAdapter.process_lock`."""
        return (Path(__file__).parent / "locks" / "transformers.lock").read_text()

    def request_options(self, model: ModelEntry, parameters: dict[str, Any]) -> dict[str, Any]:
        """See `BackendAdapter.request_options`: it counts tokens in streams without being asked to."""
        return {key: value for key, value in parameters.items() if key != "stream_options"}

    def _pinned(self, model: ModelEntry) -> str:
        return model.served_model if model.revision is None else f"{model.served_model}@{model.revision}"
