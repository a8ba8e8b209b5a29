"""On a GPU: the Transformers backend with a model of billions of random weights, from `vhb run` to its telemetry."""

import asyncio
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figures import Figures
from bench.workload import VHB, clean_environment, write_dataset
from vhb.embedded.workdir import user_cache
from vhb.quiet import log_warnings_only
from vhb_inference_agent.backends.transformers import TransformersBackend
from vhb_inference_agent.resources.devices import find_devices
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.contracts.state import Device
from vhb_shared.environments.base import EnvironmentFailed, EnvironmentSettings
from vhb_shared.environments.process import ProcessEnvironment
from vhb_shared.errors import UserError
from vhb_shared.testing.real_vllm import RANDOM_VLM

SIZES = {"7b": 20.0, "3b": 10.0}
"""Models, the largest first -> GiB of the device that they need: two bytes a weight, the engine's own, one request."""
SAMPLES, TOKENS = 64, 128
RUN_S = 3600


@dataclass(frozen=True)
class Answered:
    """What a run left behind."""

    performance: dict[str, Any]
    environment: dict[str, Any]
    weights: int
    """Of the model."""


def measure() -> Figures:
    """The largest model that the first device of this host bears.

    Raises:
        UserError: no device, or too small a one.
    """
    log_warnings_only()
    device = device_of(find_devices())
    answered = run(size_for(device), device, SAMPLES, TOKENS)
    return figures(answered)


def device_of(devices: tuple[Device, ...]) -> Device:
    """The one that is measured.

    Raises:
        UserError: there is none.
    """
    if not devices:
        raise UserError(
            "This measurement needs a GPU and NVML finds none on this host; run it where `nvidia-smi` lists one."
        )
    return devices[0]


def size_for(device: Device) -> str:
    """The largest model that it bears.

    Raises:
        UserError: none.
    """
    for size, needed in SIZES.items():
        if device.memory_gib >= needed:
            return size
    raise UserError(
        f"This measurement needs a GPU with {min(SIZES.values()):g} GiB and {device.name} has "
        f"{device.memory_gib:g} GiB; run it on a larger one."
    )


def run(size: str, device: Device | None, samples: int, tokens: int) -> Answered:
    """Makes a model of random weights and has it answer through `vhb run`, one request at a time.

    Args:
        size: of `random_vlm.py`.
        device: leased to the backend; None: the processor does it.
        samples: each with an image.
        tokens: of each answer, exactly.

    Raises:
        UserError: the engine cannot be installed or the model cannot be made here.
    """
    cache = user_cache() / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as name:  # gigabytes: not for a file system in memory
        folder = Path(name)
        (folder / "model").mkdir()
        entry = model_entry(folder / "model", device, tokens)
        weights = asyncio.run(_make(entry, size, device))
        job, out = _write_job(folder, entry, samples), folder / "out"
        command = [*VHB, "run", str(job), "--out", str(out), "--workdir", str(folder / "work")]
        done = subprocess.run(command, env=clean_environment(), text=True, capture_output=True, timeout=RUN_S)
        if done.returncode:
            raise SystemExit(f"vhb run ended with {done.returncode}:\n{done.stderr[-2000:]}")
        (results,) = (out / "runs").iterdir()
        performance, environment = (
            json.loads((results / file).read_text()) for file in ("performance.json", "environment.json")
        )
    if performance["measured"] != samples:
        raise SystemExit(f"{performance['measured']} of {samples} samples were answered")
    return Answered(performance, environment, weights)


def model_entry(model: Path, device: Device | None, tokens: int) -> ModelEntry:
    """As a user writes it."""
    # Random weights would stop anywhere: an answer has all its tokens.
    settings = json.dumps({"min_new_tokens": tokens, "max_new_tokens": tokens, "do_sample": False})
    return ModelEntry.model_validate(
        {
            "name": "random-vlm",
            "backend": "transformers",
            "environment": "process",
            "model": str(model),
            "concurrency": 1,
            "resources": {"gpus": 0 if device is None else 1},
            "env": {"HF_HUB_OFFLINE": "1"},
            "engine_args": {"dtype": "bfloat16"},
            "generation": {"max_tokens": tokens, "temperature": 0, "extra": {"generation_config": settings}},
        }
    )


def figures(answered: Answered) -> Figures:
    """What of the telemetry belongs into a table; a dash where something was not measured."""
    found, where = answered.performance, answered.environment
    devices = ", ".join(f"{device['name']} (driver {device['driver']})" for device in where["devices"])
    rows = [
        ("weights of the model", f"{answered.weights / 1e9:.2f} billion"),
        ("start of the engine, s", _shown(found["backend_start_s"], 1)),
        ("time to first token, ms: p50, p90", _both(found["ttft_ms"])),
        ("time per output token, ms: p50, p90", _both(found["tpot_ms"])),
        ("latency of a request, ms: p50, p90", _both(found["latency_ms"])),
        ("requests/s", _shown(found["requests_per_s"], 3)),
        ("output tokens/s", _shown(found["completion_tokens_per_s"], 1)),
        ("device memory, GiB: idle", _gib(found["device_memory_idle"])),
        ("device memory, GiB: peak", _gib(found["device_memory_peak"])),
        ("use of the device", _shown(found["device_use"], 2)),
        ("power, W", _shown(found["power_w"], 0)),
        ("energy for an answer, J", _shown(found["energy_j_per_answer"], 1)),
        ("energy for 1000 output tokens, J", _shown(found["energy_j_per_1k_tokens"], 0)),
        ("share of the request time that telemetry covers", _shown(found["telemetry_coverage"], 2)),
    ]
    return Figures(
        name="gpu",
        title="A model of billions of random weights on a GPU, by the Transformers backend",
        goal="Every figure is there.",
        columns=("figure", "value"),
        rows=rows,
        note=f"{devices or 'The processor'}: {found['measured']} images, {found['completion_tokens']} tokens in all, "
        f"one request at a time; transformers {where['engine_version']}, torch {where['packages']['torch']}.",
    )


async def _make(entry: ModelEntry, size: str, device: Device | None) -> int:
    """Fills the model's folder, by the Python of the very environment that will serve it; how many weights it has."""
    spec = TransformersBackend().launch(entry)
    assert spec is not None
    place = ProcessEnvironment(EnvironmentSettings(directory=user_cache() / "environments", agent_id="bench"))
    command = ("{python}", str(RANDOM_VLM), "llava", entry.served_model, "0", size)
    changes = {"command": command, "devices": () if device is None else (device.uuid,)}
    try:
        prepared = await place.prepare(spec, lambda line: print(line, flush=True))
        handle = await place.start(prepared.model_copy(update=changes))
    except EnvironmentFailed as error:
        raise UserError(str(error)) from error
    try:
        ended, said = await place.wait_exit(handle), await place.logs(handle)
    finally:
        await place.stop(handle)
    if ended.code != 0:
        raise UserError(f"The model could not be made: the program {ended.words}; its last words: {said[-1:]}.")
    return int(said[-1].split()[0])


def _write_job(folder: Path, entry: ModelEntry, samples: int) -> Path:
    dataset = write_dataset(folder / "documents", samples)
    task = {"name": "read", "dataset": str(dataset), "prompt": "Read all the text.", "metrics": ["cer"]}
    model = entry.model_dump(mode="json", exclude_defaults=True)
    job = {"name": "gpu", "reuse": False, "models": [model], "tasks": [task]}
    path = folder / "job.json"
    path.write_text(json.dumps(job))
    return path


def _shown(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _gib(value: int | None) -> str:
    return _shown(None if value is None else value / 2**30, 1)


def _both(spread: dict[str, float | None]) -> str:
    return f"{_shown(spread['p50'], 1)}, {_shown(spread['p90'], 1)}"
