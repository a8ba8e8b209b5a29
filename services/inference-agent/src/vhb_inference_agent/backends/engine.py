"""What all inference engines that we start ourselves have in common: weights, a GPU, a cache of the model hub."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import ClassVar

from vhb_inference_agent.backends.arguments import Off, argument_problems, command_words, options, whole_number
from vhb_inference_agent.backends.base import BackendAdapter
from vhb_inference_agent.backends.entry import place_problems
from vhb_inference_agent.backends.last_words import Reason, find_reason
from vhb_inference_agent.backends.probe import NoReply, get, serves
from vhb_inference_agent.endpoint import BackendLost, Endpoint
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import ModelEntry, Mount
from vhb_shared.environments.base import EnvironmentSpec, Exit

CACHE_TARGET = "/vhb/huggingface"
"""Where a container sees the host's cache of model weights."""
_HUB_VARIABLES = ("HF_HUB_OFFLINE", "HF_ENDPOINT")
_GIB = 1 << 30
_READY_TIMEOUT_S = 3600.0
"""Weights of tens of gigabytes are fetched and loaded in it."""
_SHM_GIB = 4.0
"""Per GPU. Docker's own 64 MB stops engines that share tensors between processes; it is a limit, not a reservation."""


class EngineAdapter(BackendAdapter):
    """An engine with a command line and weights. One file per engine says what differs."""

    loads_weights: ClassVar[bool] = True
    image: ClassVar[str | None]
    """What runs it where the entry names no image, pinned: the same job starts the same engine next year. None: the
    environment's own base image."""
    image_has_engine: ClassVar[bool] = True
    """Whether the engine is in its image; otherwise it is put on top, as into a process's environment."""
    program: ClassVar[tuple[str, ...]]
    """The start of the command line, up to the model."""
    health_path: ClassVar[str] = "/health"
    off: ClassVar[Off] = "left out"
    environment_variables: ClassVar[Mapping[str, str]] = {}
    reserved: ClassVar[Mapping[str, str]] = {}
    """Options that the adapter sets itself -> what the user does instead."""
    reasons: ClassVar[tuple[Reason, ...]] = ()
    """What only this engine says when it dies; see `last_words.py`."""
    lists_models: ClassVar[bool] = True
    """Whether `/v1/models` names what is served."""
    version_path: ClassVar[str | None] = None
    """Where it tells its `version`."""
    concurrency: ClassVar[int | None] = None
    """The most requests in flight where the entry gives no cap; None: the agent finds how many the engine can use."""

    def validate(self, model: ModelEntry, environ: Mapping[str, str] | None = None) -> list[str]:
        """See `BackendAdapter.validate`."""
        problems = self.environment_problems(model)
        problems += place_problems(model, environ, images=self._runs_image(model))
        problems += argument_problems(model.name, model.engine_args, self.reserved)
        problems += self._model_problems(model)
        return problems + self.engine_problems(model)

    def engine_problems(self, model: ModelEntry) -> list[str]:
        """What only this engine minds."""
        return []

    @abstractmethod
    def own_arguments(self, model: ModelEntry) -> list[str]:
        """Everything between the program and the entry's own arguments; may hold {host} and {port}."""

    def process_packages(self) -> tuple[str, ...]:
        """Requirements that bring the engine where no image and no `command` does."""
        return ()

    def process_lock(self) -> str:
        """Locked requirements that go before `process_packages`."""
        return ""

    def launch(self, model: ModelEntry) -> EnvironmentSpec | None:
        """See `BackendAdapter.launch`. What the entry itself asks of the place (limits, variables, mounts) is added by
        whoever starts it."""
        images = self._runs_image(model)
        folder = self._folder(model)
        if folder is not None and not folder.is_dir():
            message = f"Model {model.name}: this host has no folder {folder}; correct `model` or copy it there."
            raise BackendLost(Failure(kind="model_missing", message=message))
        env, mounts = self._hub(images)
        if folder is not None and images:
            mounts = (*mounts, Mount(source=str(folder), target=str(folder)))
        installs = not model.command and not (images and (model.image or self.image_has_engine))
        command = [*(model.command or self.program), *self.own_arguments(model)]
        return EnvironmentSpec(
            name=f"{self.name}/{model.name}",
            command=(*command, *command_words(model.engine_args, self.off)),
            env={**env, **self.environment_variables},
            pass_env=_HUB_VARIABLES,
            lock=self.process_lock() if installs else "",
            packages=(*(self.process_packages() if installs else ()), *model.packages),
            image=(model.image or self.image) if images else None,
            mounts=mounts,
            caches=(f"{CACHE_TARGET}/hub",),
            shm_bytes=int(_SHM_GIB * max(1, model.resources.gpus) * _GIB) if images else None,
            ready_timeout_s=model.ready_timeout_s or _READY_TIMEOUT_S,
        )

    def endpoint(self, model: ModelEntry, address: str | None, environ: Mapping[str, str]) -> Endpoint:
        """See `BackendAdapter.endpoint`."""
        return Endpoint(base_url=f"{address}/v1", model=model.served_model, default_concurrency=self.concurrency)

    async def check_ready(self, model: ModelEntry, endpoint: Endpoint) -> bool:
        """See `BackendAdapter.check_ready`: healthy, and it lists the model."""
        try:
            healthy = await get(endpoint.base_url.removesuffix("/v1") + self.health_path)
            return healthy.status == 200 and (not self.lists_models or await serves(endpoint))
        except NoReply:
            return False

    async def engine_version(self, endpoint: Endpoint) -> str | None:
        """See `BackendAdapter.engine_version`."""
        if self.version_path is None:
            return None
        try:
            said = (await get(endpoint.base_url.removesuffix("/v1") + self.version_path)).json()
        except NoReply:
            return None
        version = said.get("version") if isinstance(said, dict) else None
        return version[:100] if isinstance(version, str) else None

    def explain_exit(self, model: ModelEntry, ended: Exit, log_tail: tuple[str, ...]) -> Failure:
        """See `BackendAdapter.explain_exit`: the engine's own words, in plain ones."""
        if ended.out_of_memory:
            message = (
                f"The backend of {model.name} ({self.name}) used more memory of the host than it may; raise "
                "`resources: {memory_gib: ...}`, or lower what the engine keeps in host memory."
            )
            return Failure(kind="out_of_memory", message=message)
        known = None if ended.code == 0 else find_reason(self.name, model, log_tail, self.reasons)
        return known or super().explain_exit(model, ended, log_tail)

    def _runs_image(self, model: ModelEntry) -> bool:
        return (model.environment or self.default_environment()) != "process"

    def _folder(self, model: ModelEntry) -> Path | None:
        """The folder that `model` names, None where it is a name on the hub."""
        return Path(model.served_model) if PurePosixPath(model.served_model).is_absolute() else None

    def _hub(self, images: bool) -> tuple[dict[str, str], tuple[Mount, ...]]:
        """The cache of weights: its variables, and its mount where images are run. Not the folder above it, where the
        hub's tools keep the user's token."""
        from vhb_inference_agent.settings import AgentSettings

        home = AgentSettings().weights_directory()
        try:
            (home / "hub").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"The cache of model weights cannot be made: {home}: {error.strerror}; set VHB_AGENT_WEIGHTS."
            raise BackendLost(Failure(kind="environment_failed", message=message)) from error
        if not images:
            return {"HF_HOME": str(home)}, ()
        mount = Mount(source=str(home / "hub"), target=f"{CACHE_TARGET}/hub", read_only=False)
        return {"HF_HOME": CACHE_TARGET}, (mount,)

    def _model_problems(self, model: ModelEntry) -> list[str]:
        problems = [
            f"Model {model.name}: backend {self.name} starts its own server, so `{key}` has no meaning; remove it, or "
            "use `backend: openai` for a server that runs already."
            for key in ("base_url", "api_key_env")
            if getattr(model, key) is not None
        ]
        name = model.served_model
        if name.startswith(("./", "../", "~")):
            problems.append(f"Model {model.name}: `model: {name}` is a folder; give its absolute path.")
        if model.revision is not None and self._folder(model) is not None:
            problems.append(f"Model {model.name}: `revision` has no meaning for a folder ({name}); remove it.")
        return problems


def parallel_problems(model: ModelEntry, keys: tuple[str, ...]) -> list[str]:
    """Whether the sizes in `engine_args` multiply to the GPUs asked for.

    Args:
        model: The entry.
        keys: The engine's options that spread a model over GPUs.
    """
    given = {key: value for key, value in options(model.engine_args).items() if key in keys}
    product = 1
    for key, value in given.items():
        if (number := whole_number(value)) is None:
            return [f"Model {model.name}: `engine_args: {key}` must be a whole number above 0."]
        product *= number
    if given and product != max(1, model.resources.gpus):
        asked = " x ".join(f"{key} {value}" for key, value in given.items())
        return [
            f"Model {model.name}: {asked} needs {product} GPU{'s' * (product > 1)}, but `resources` asks for "
            f"{model.resources.gpus}; make them agree."
        ]
    return []
