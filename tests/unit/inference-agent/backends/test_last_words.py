"""Why an engine died, read from what it said. The logs are of the real engine, without its tracebacks' source lines;
the single lines are those that its makers document for machines with a GPU."""

from pathlib import Path

import pytest

from vhb_inference_agent.backends.registry import backend_adapter
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.environments.base import Exit

LOGS = Path(__file__).with_name("logs")
FAILED = Exit(code=1)


def explained(engine: str, lines: tuple[str, ...], ended: Exit = FAILED) -> tuple[str, str]:
    model = ModelEntry(name="mine", backend=engine, model="org/model")
    failure = backend_adapter(engine).explain_exit(model, ended, lines)
    assert failure.message.endswith(".")
    assert "mine" in failure.message
    assert len(failure.message) < 900
    return failure.kind, failure.message


@pytest.mark.parametrize(
    ("log", "kind", "said"),
    [
        ("vllm_badarg", "bad_argument", "does not know --max-modle-len 5; correct `engine_args`"),
        ("vllm_badvalue", "bad_argument", "--max-model-len: invalid human_readable_int_or_auto value: 'abc'"),
        ("vllm_json", "bad_argument", "--limit-mm-per-prompt"),
        ("vllm_toolong", "bad_argument", "`max-model-len: 99999` is more than the model's 4096"),
        ("vllm_tp", "bad_argument", "cannot be spread over so many GPUs"),
        ("vllm_nofolder", "model_missing", "folder is missing or incomplete"),
        ("vllm_noweights", "model_missing", "folder is missing or incomplete"),
        ("vllm_offline", "model_missing", "not in the cache of this host"),
        ("vllm_nonet", "model_missing", "not in the cache of this host"),
        ("vllm_unsupported", "unsupported_model", "does not know this model's architecture"),
        ("vllm_blocks", "out_of_memory", "too little memory is left for the KV cache"),
        ("vllm_kvhuge", "out_of_memory", "less memory than the cache of keys and values was given"),
        ("vllm_shm", "shm_too_small", "raise `resources: {shm_gib: ...}`"),
        ("transformers_badarg", "bad_argument", "--no-such-thing"),
        ("transformers_offline", "model_missing", "not in the cache of this host"),
        ("transformers_unsupported", "unsupported_model", "does not know this model's architecture"),
        ("transformers_torchvision", "package_missing", "name it in `packages`"),
        ("transformers_nogpu", "wrong_gpu", "sees no GPU"),
    ],
)
def test_what_the_real_engines_said(log: str, kind: str, said: str) -> None:
    lines = tuple((LOGS / f"{log}.txt").read_text().splitlines())
    found, message = explained(log.partition("_")[0], lines)
    assert (found, said in message) == (kind, True), message


@pytest.mark.parametrize(
    ("engine", "line", "kind", "said"),
    [
        (
            "vllm",
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
            "23.69 GiB of which 1.10 GiB is free.",
            "out_of_memory",
            "the GPU's memory ran out",
        ),
        (
            "vllm",
            "ValueError: Free memory on device (3.21/23.69 GiB) on startup is less than desired GPU memory utilization "
            "(0.9, 21.32 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
            "out_of_memory",
            "end what else uses it",
        ),
        (
            "vllm",
            "ValueError: To serve at least one request with the models's max seq len (262144), (36.00 GiB KV cache is "
            "needed, which is larger than the available KV cache memory (10.58 GiB).",
            "out_of_memory",
            "max-model-len",
        ),
        (
            "vllm",
            "OSError: You are trying to access a gated repo.",
            "model_gated",
            "pass_env: [HF_TOKEN]",
        ),
        (
            "transformers",
            "huggingface_hub.errors.GatedRepoError: 403 Client Error. Cannot access gated repo for url",
            "model_gated",
            "accept its licence",
        ),
        ("vllm", "huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error.", "model_missing", "no such model"),
        (
            "vllm",
            "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
            "wrong_gpu",
            "driver is too old",
        ),
        (
            "vllm",
            "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU "
            "has compute capability 7.5.",
            "wrong_gpu",
            "dtype: half",
        ),
        ("vllm", "RuntimeError: Failed to infer device type", "wrong_gpu", "sees no GPU"),
        ("sglang", "RuntimeError: No CUDA GPUs are available", "wrong_gpu", "sees no GPU"),
        (
            "sglang",
            "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static. Current value: "
            "self.server_args.mem_fraction_static=0.2",
            "out_of_memory",
            "mem-fraction-static",
        ),
        (
            "sglang",
            "launch_server.py: error: unrecognized arguments: --max-model-len 8192",
            "bad_argument",
            "--max-model-len 8192",
        ),
        ("image", "exec: serve: executable file not found in $PATH", "program_missing", "`command`"),
        ("vllm", "ValueError: org/model contains custom code which must be executed", "unsupported_model", "read it"),
        ("vllm", "OSError: [Errno 28] No space left on device: '/vhb/huggingface/hub/tmp'", "disk_full", "free some"),
    ],
)
def test_what_engines_say_on_hosts_with_a_gpu(engine: str, line: str, kind: str, said: str) -> None:
    lines = ("INFO starting", f"ERROR {line}", "RuntimeError: Engine core initialization failed. See root cause above.")
    found, message = explained(engine, lines)
    assert (found, said in message) == (kind, True), message


def test_memory_that_the_environment_saw_running_out_needs_no_log() -> None:
    found, message = explained("vllm", ("INFO all is well",), Exit(code=137, out_of_memory=True))
    assert found == "out_of_memory"
    assert "memory_gib" in message


def test_a_taken_port_is_worth_another_start() -> None:
    model = ModelEntry(name="mine", backend="vllm")
    lines = ("OSError: [Errno 98] error while attempting to bind: address already in use",)
    assert backend_adapter("vllm").explain_exit(model, FAILED, lines).retryable


@pytest.mark.parametrize("engine", ["vllm", "sglang", "transformers", "image"])
def test_what_is_not_known_is_quoted_and_bounded(engine: str) -> None:
    found, message = explained(engine, ("something new {happened} %s" + "x" * 5000, ""))
    assert found == "backend_died"
    assert "something new {happened} %s" in message


@pytest.mark.parametrize("engine", ["vllm", "sglang", "transformers", "image"])
def test_a_long_hostile_log_is_read_quickly(engine: str) -> None:
    long = "error: argument " + "a.b/(" * 100_000
    explained(engine, (*[long] * 20, "{name.__class__}"))


def test_an_orderly_end_is_not_explained_by_old_complaints() -> None:
    found, _ = explained("vllm", ("CUDA out of memory",), Exit(code=0))
    assert found == "backend_died"
