"""vLLM: the official image, or an installation of the host in a process."""

from collections.abc import Mapping
from typing import ClassVar

from vhb_inference_agent.backends.arguments import Off, options
from vhb_inference_agent.backends.base import BackendCapabilities
from vhb_inference_agent.backends.engine import EngineAdapter, parallel_problems
from vhb_inference_agent.backends.last_words import Reason
from vhb_shared.contracts.job import ModelEntry

VERSION = "0.32.0"
"""Tested with the real engine (its CPU build) by tests/integration/engines."""
_PARALLEL = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size")
_HTTP = "the agent asks the engine over plain HTTP on a network of its own: remove it"


class VllmBackend(EngineAdapter):
    """`model` is a name on the hub or an absolute path; `engine_args` are options of `vllm serve`.

    `command` replaces the program (`vllm serve`) and nothing is installed then: for a vLLM that is on the host
    already, or lies elsewhere in an image.
    """

    name: ClassVar[str] = "vllm"
    capabilities: ClassVar[BackendCapabilities] = BackendCapabilities(
        environments=("docker", "process"), vision="yes", json_schema="yes", logprobs="yes", seed="yes", metrics="yes"
    )
    image: ClassVar[str | None] = f"vllm/vllm-openai:v{VERSION}"
    program: ClassVar[tuple[str, ...]] = ("vllm", "serve")
    version_path: ClassVar[str | None] = "/version"
    off: ClassVar[Off] = "no-flag"
    environment_variables: ClassVar[Mapping[str, str]] = {"VLLM_NO_USAGE_STATS": "1"}
    reserved: ClassVar[Mapping[str, str]] = {
        "model": "say `model` in the entry itself",
        "served-model-name": "say `model` in the entry itself",
        "revision": "say `revision` in the entry itself",
        "host": "the agent gives it an address",
        "port": "the agent gives it a port",
        "uds": "the agent asks it over TCP: remove it",
        "api-key": "a key does not belong on a command line, and only the agent reaches the engine: remove it",
        "root-path": "the agent asks at /v1: remove it",
        "config": "write its options into `engine_args`",
        "ssl-keyfile": _HTTP,
        "ssl-certfile": _HTTP,
    }
    reasons: ClassVar[tuple[Reason, ...]] = (
        Reason(
            "out_of_memory",
            r"(?:larger than|exceeds?) the (?:available )?(?:kv cache memory|maximum number of tokens that can be "
            r"stored in kv cache)|no available memory for the cache blocks|"
            r"kv cache is needed, which is larger than",
            "too little memory is left for the KV cache; lower `engine_args: {{max-model-len: ...}}`, raise "
            "`gpu-memory-utilization`, or use more or larger GPUs",
        ),
        Reason(
            "out_of_memory",
            r"free memory on device .{0,200}less than desired gpu memory utilization",
            "the GPU has less free memory than the engine asks for; end what else uses it, or lower `engine_args: "
            "{{gpu-memory-utilization: ...}}`",
        ),
        Reason(
            "out_of_memory",
            r"available memory .{0,120} is less than requested memory for kv",
            "the host has less memory than the cache of keys and values was given; lower VLLM_CPU_KVCACHE_SPACE in "
            "`env`, or free some",
        ),
        Reason(
            "bad_argument",
            r"user-specified max_model_len \((?P<asked>\d{1,12})\) is greater than the derived max_model_len "
            r"\([^)]{0,60}?(?P<most>\d{1,12})(?:\.0)?",
            "`max-model-len: {asked}` is more than the model's {most}; lower it",
        ),
        Reason(
            "bad_argument",
            r"world size \((?P<asked>\d+)\) is larger than the number of available (?:gpus|devices) \((?P<seen>\d+)\)",
            "it is spread over {asked} GPUs but sees {seen}; make `resources: {{gpus: ...}}` and the "
            "parallel sizes in `engine_args` agree",
        ),
        Reason(
            "bad_argument",
            r"(?P<argument>(?:total number of attention heads|number of attention heads).{1,150} must be divisible by "
            r".{1,80})",
            "the model cannot be spread over so many GPUs ({argument}); change `resources: {{gpus: ...}}`",
        ),
    )

    def engine_problems(self, model: ModelEntry) -> list[str]:
        """See `EngineAdapter.engine_problems`."""
        problems = parallel_problems(model, _PARALLEL)
        if model.resources.gpus == 0 and model.image is None and not model.command:
            problems.append(
                f"Model {model.name}: vLLM's own build needs a GPU; set `resources: {{gpus: 1}}`, or name an `image` "
                "(or, in environment process, a `command`) with a CPU build."
            )
        return problems

    def own_arguments(self, model: ModelEntry) -> list[str]:
        """See `EngineAdapter.own_arguments`. Several GPUs mean tensor parallelism unless the entry says otherwise."""
        words = [model.served_model, "--host", "{host}", "--port", "{port}", "--served-model-name", model.served_model]
        if model.revision is not None:
            words += ["--revision", model.revision]
        if model.resources.gpus > 1 and not set(_PARALLEL) & set(options(model.engine_args)):
            words += ["--tensor-parallel-size", str(model.resources.gpus)]
        return words

    def process_packages(self) -> tuple[str, ...]:
        """See `EngineAdapter.process_packages`."""
        return (f"vllm=={VERSION}",)
