"""The contract of a backend adapter: what to run for a model entry, where it answers, when it is ready.

Adapters are loaded wherever job files are validated: their modules import the standard library and contracts only;
anything heavier is imported inside the method that needs it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from vhb_inference_agent.endpoint import Endpoint
from vhb_shared.contracts.backend_id import backend_id
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.environments.base import EnvironmentSpec, Exit

Ability = Literal["yes", "no", "unknown"]


class BackendCapabilities(BaseModel):
    """What a backend can do, as data. "unknown": it depends on a server or model that is not ours."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    environments: tuple[str, ...] = ()
    """Where it can run, the default first; empty for what is already running elsewhere."""
    vision: Ability = "unknown"
    json_schema: Ability = "unknown"
    logprobs: Ability = "unknown"
    seed: Ability = "unknown"
    metrics: Ability = "unknown"
    """Offers /metrics in Prometheus' format."""


class BackendAdapter(ABC):
    """A kind of backend. Without state: one instance serves all models of its kind."""

    name: ClassVar[str]
    capabilities: ClassVar[BackendCapabilities]
    loads_weights: ClassVar[bool] = False
    """Whether `model` names weights on the model hub or in a folder of the host."""

    def default_environment(self) -> str | None:
        """Where it runs when the entry does not say; None for what is already running elsewhere."""
        return next(iter(self.capabilities.environments), None)

    def backend_id(self, model: ModelEntry) -> str:
        """See `vhb_shared.contracts.backend_id`."""
        return backend_id(model)

    @abstractmethod
    def validate(self, model: ModelEntry, environ: Mapping[str, str] | None = None) -> list[str]:
        """What is wrong with a resolved entry, each a sentence with the remedy; empty when it can be run.

        Args:
            model: The entry.
            environ: The variables of the process that will host the agent, where they are known (`vhb run`).

        Does no I/O beyond files of installed packages; raises nothing.
        """

    @abstractmethod
    def launch(self, model: ModelEntry) -> EnvironmentSpec | None:
        """What to run for a valid entry; None for what is already running elsewhere.

        Raises:
            BackendLost: something that the entry names is not on this host.
        """

    @abstractmethod
    def endpoint(self, model: ModelEntry, address: str | None, environ: Mapping[str, str]) -> Endpoint:
        """Where the model answers.

        Args:
            model: The entry.
            address: `http://host:port` of what was launched; None where nothing was.
            environ: The agent's variables, for keys.

        Raises:
            BackendLost: a variable that the entry names is not set.
        """

    @abstractmethod
    async def check_ready(self, model: ModelEntry, endpoint: Endpoint) -> bool:
        """Whether it can be asked now; False: not yet, ask again.

        Raises:
            BackendLost: waiting will not help, the reason is the failure's message.
        """

    async def engine_version(self, endpoint: Endpoint) -> str | None:
        """What the running engine says its version is; None where it does not say. Raises nothing."""
        return None

    def request_options(self, model: ModelEntry, parameters: dict[str, Any]) -> dict[str, Any]:
        """What is sent with each request: an engine that minds some of it says so here.

        Args:
            model: The entry.
            parameters: Everything of the body but the model's name and the messages.
        """
        return parameters

    def explain_exit(self, model: ModelEntry, ended: Exit, log_tail: tuple[str, ...]) -> Failure:
        """Why it died, in a sentence. Adapters that know their engine's last words override it."""
        hint = " (often: out of memory)" if ended.signal == 9 and not ended.out_of_memory else ""
        last = next((line.strip() for line in reversed(log_tail) if line.strip()), None)
        said = f"; its last words: {last[:300]}" if last else ""
        message = f"The backend of {model.name} ({self.name}) {ended.words}{hint}{said}"
        return Failure(kind="backend_died", message=message if message.endswith(".") else f"{message}.")

    def environment_problems(self, model: ModelEntry) -> list[str]:
        """For `validate`: an environment it cannot run in, and packages that are no requirements."""
        known = self.capabilities.environments
        problems: list[str] = []
        if model.environment is not None and known and model.environment not in known:
            problems.append(
                f"Model {model.name}: backend {self.name} cannot run in environment {model.environment!r}; "
                f"use {' or '.join(known)}."
            )
        problems += [
            f"Model {model.name}: {package!r} in `packages` is not a requirement; write one like `name==1.0`."
            for package in model.packages
            if not package.strip() or package.lstrip().startswith("-")
        ]
        return problems
