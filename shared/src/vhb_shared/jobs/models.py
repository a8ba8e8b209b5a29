"""What is wrong with a model entry."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from vhb_shared.contracts.job import ModelEntry
from vhb_shared.documents.check import did_you_mean
from vhb_shared.errors import UserError
from vhb_shared.registry.plugins import load_plugin, plugin_names


@runtime_checkable
class ChecksModels(Protocol):
    """What validation asks of a backend's adapter; the agent, which this package does not know, asks more."""

    def validate(self, model: ModelEntry, environ: Mapping[str, str] | None = None) -> list[str]:
        """Sentences, each with its remedy."""
        ...


def model_problems(model: ModelEntry, environ: Mapping[str, str] | None) -> list[str]:
    """Sentences, each with its remedy; none when the model could be started.

    A backend's adapter (entry-point group `vhb.backends`) is asked where one is installed; what no package registers
    is left to the agent.

    Args:
        model: resolved.
        environ: the variables of the agent's process, where they are known.
    """
    problems = [*_names(model)]
    if not problems and model.backend in plugin_names("backends"):
        problems += _adapters(model, environ)
    if model.base_url is not None and not any("base_url" in problem for problem in problems):
        problems += _url(model)
    key = model.api_key_env
    if key is not None and environ is not None and not environ.get(key) and not any(key in text for text in problems):
        problems.append(
            f"the variable {key} (`api_key_env` of model {model.name}) is not set: export it before starting."
        )
    return problems


def keeps_schemas(model: ModelEntry) -> bool:
    """Whether its backend may keep to a `response_schema`; True where nobody is installed who could tell."""
    try:
        adapter = load_plugin("backends", model.backend or "", ChecksModels)
    except UserError:
        return True
    return getattr(getattr(adapter, "capabilities", None), "json_schema", "unknown") != "no"


def _names(model: ModelEntry) -> list[str]:
    problems = []
    backends, environments = plugin_names("backends"), plugin_names("environments")
    if backends and model.backend not in backends:
        name = model.backend or ""
        problems.append(f"Model {model.name}: unknown backend {name!r}; {did_you_mean(name, backends)}")
    if model.environment is not None and environments and model.environment not in environments:
        hint = did_you_mean(model.environment, environments)
        problems.append(f"Model {model.name}: unknown environment {model.environment!r}; {hint}")
    return problems


def _adapters(model: ModelEntry, environ: Mapping[str, str] | None) -> list[str]:
    try:
        adapter = load_plugin("backends", model.backend or "", ChecksModels)()
    except UserError as error:
        return [str(error)]
    return adapter.validate(model, environ)


def _url(model: ModelEntry) -> list[str]:
    try:
        parts = urlsplit(model.base_url or "")
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme in ("http", "https") and parts.hostname:
        return []
    return [f"Model {model.name}: base_url {model.base_url!r} should be like http://127.0.0.1:8000/v1."]
