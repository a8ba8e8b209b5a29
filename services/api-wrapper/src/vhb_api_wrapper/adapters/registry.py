"""The adapters by name: ours, and those of installed packages. Nothing is imported before it is asked for.

The other members share `vhb_shared.registry.plugins`; this package runs in an engine's own environment, where none of
them is installed, and therefore does it by itself.
"""

import difflib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ValidationError

from vhb_api_wrapper.adapters.base import Adapter, ConfigurationError

GROUP = "vhb_api_wrapper.adapters"

# The same lines as in pyproject.toml: an engine's environment may hold the package without its metadata (copied, or
# on PYTHONPATH), where no entry point is visible. A test compares the two.
BUILT_IN: Mapping[str, str] = {
    "echo": "vhb_api_wrapper.adapters.echo:EchoAdapter",
    "rapidocr": "vhb_api_wrapper.adapters.rapidocr:RapidOcrAdapter",
    "tesseract": "vhb_api_wrapper.adapters.tesseract:TesseractAdapter",
}


def adapter_names() -> tuple[str, ...]:
    """Every known name, sorted."""
    return tuple(sorted(_known()))


def create_adapter(name: str, options: Mapping[str, str]) -> Adapter[Any]:
    """Builds the adapter `name`; does not load the model.

    Raises:
        ConfigurationError: no such adapter, two packages that claim the name, a package that does not import, an
            option that the adapter does not know, or a value that does not fit.
    """
    known = _known()
    if name not in known:
        raise ConfigurationError(f"There is no adapter {name!r}; use one of: {', '.join(sorted(known))}.")
    try:
        adapter_type = known[name].load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"Adapter {name!r} ({known[name].value}) does not import: {error}; "
            "install its package into this environment."
        ) from error
    if not (isinstance(adapter_type, type) and issubclass(adapter_type, Adapter)):
        raise ConfigurationError(
            f"Adapter {name!r} ({known[name].value}) is not a subclass of {Adapter.__module__}.Adapter."
        )
    return adapter_type(_options(name, adapter_type, options))


def _known() -> dict[str, EntryPoint]:
    known = {name: EntryPoint(name, value, GROUP) for name, value in BUILT_IN.items()}
    for point in entry_points(group=GROUP):
        taken = known.get(point.name)
        if taken is not None and taken.value != point.value:
            raise ConfigurationError(
                f"Two packages provide the adapter {point.name!r} ({taken.value} and {point.value}); uninstall one."
            )
        known[point.name] = point
    return known


def _options(name: str, adapter_type: type[Adapter[Any]], given: Mapping[str, str]) -> Any:
    try:
        return adapter_type.options_type.model_validate(dict(given))
    except ValidationError as invalid:
        first = invalid.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        fields = sorted(adapter_type.options_type.model_fields)
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it knows: {', '.join(fields) or 'none'}."
            raise ConfigurationError(f"Adapter {name!r} has no option {key!r}; {hint}") from invalid
        raise ConfigurationError(
            f"Option {key}={given.get(key, '')!r} of adapter {name!r} does not fit: {first['msg']}."
        ) from invalid
