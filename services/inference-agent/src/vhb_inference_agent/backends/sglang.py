"""SGLang: its image, or an installation of the host in a process.

It does not run without a GPU: its command lines and its ways of answering are tested against a stand-in.
"""

from collections.abc import Mapping
from typing import ClassVar

from vhb_inference_agent.backends.arguments import options
from vhb_inference_agent.backends.base import BackendCapabilities
from vhb_inference_agent.backends.engine import EngineAdapter, parallel_problems
from vhb_inference_agent.backends.last_words import Reason
from vhb_shared.contracts.job import ModelEntry

VERSION = "0.5.22"
_TENSOR = ("tp-size", "tensor-parallel-size", "tp")
_PARALLEL = (*_TENSOR, "pp-size", "pipeline-parallel-size", "dp-size", "data-parallel-size", "dp")
_HTTP = "the agent asks the engine over plain HTTP on a network of its own: remove it"


class SglangBackend(EngineAdapter):
    """`model` is a name on the hub or an absolute path; `engine_args` are options of `sglang.launch_server`.

    Its metrics have to be switched on, which is done unless the entry says `enable-metrics: false`.
    """

    name: ClassVar[str] = "sglang"
    capabilities: ClassVar[BackendCapabilities] = BackendCapabilities(
        # A seed counts only where the server was started for deterministic inference.
        environments=("docker", "process"), vision="yes", json_schema="yes", logprobs="yes", seed="unknown",
        metrics="yes",
    )  # fmt: skip
    image: ClassVar[str | None] = f"lmsysorg/sglang:v{VERSION}"
    program: ClassVar[tuple[str, ...]] = ("python3", "-m", "sglang.launch_server")
    # /health answers before the scheduler does; this one has it make a token.
    health_path: ClassVar[str] = "/health_generate"
    version_path: ClassVar[str | None] = "/get_server_info"
    reserved: ClassVar[Mapping[str, str]] = {
        "model": "say `model` in the entry itself",
        "model-path": "say `model` in the entry itself",
        "served-model-name": "say `model` in the entry itself",
        "revision": "say `revision` in the entry itself",
        "host": "the agent gives it an address",
        "port": "the agent gives it a port",
        "api-key": "a key does not belong on a command line, and only the agent reaches the engine: remove it",
        "admin-api-key": "a key does not belong on a command line, and only the agent reaches the engine: remove it",
        "config": "write its options into `engine_args`",
        "ssl-keyfile": _HTTP,
        "ssl-certfile": _HTTP,
    }
    reasons: ClassVar[tuple[Reason, ...]] = (
        Reason(
            "out_of_memory",
            r"not enough memory(?: to allocate kv cache|\. please try to increase --mem-fraction-static)",
            "too little memory is left for the KV cache; raise `engine_args: {{mem-fraction-static: ...}}`, lower "
            "`context-length`, or use more or larger GPUs",
        ),
    )

    def engine_problems(self, model: ModelEntry) -> list[str]:
        """See `EngineAdapter.engine_problems`."""
        problems = parallel_problems(model, _PARALLEL)
        if model.resources.gpus == 0 and model.image is None and not model.command:
            problems.append(f"Model {model.name}: SGLang needs a GPU; set `resources: {{gpus: 1}}`.")
        return problems

    def own_arguments(self, model: ModelEntry) -> list[str]:
        """See `EngineAdapter.own_arguments`."""
        words = ["--model-path", model.served_model, "--served-model-name", model.served_model]
        words += ["--host", "{host}", "--port", "{port}"]
        if model.revision is not None:
            words += ["--revision", model.revision]
        given = set(options(model.engine_args))
        if model.resources.gpus > 1 and not set(_PARALLEL) & given:
            words += ["--tp-size", str(model.resources.gpus)]
        if "enable-metrics" not in given:
            words.append("--enable-metrics")
        return words

    def process_packages(self) -> tuple[str, ...]:
        """See `EngineAdapter.process_packages`."""
        return (f"sglang=={VERSION}",)
