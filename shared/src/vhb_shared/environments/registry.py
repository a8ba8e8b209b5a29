"""The environments by name: what packages register under `vhb.environments`, ours in this member's pyproject.toml."""

from vhb_shared.environments.base import Environment
from vhb_shared.registry.plugins import load_plugin, plugin_names


def environment_names() -> tuple[str, ...]:
    """Every known name, sorted; imports none of them."""
    return plugin_names("environments")


def environment_type(name: str) -> type[Environment]:
    """The class of an environment; make it with `EnvironmentSettings`.

    Raises:
        UserError: no such environment, several packages claim the name, or its package is broken.
    """
    return load_plugin("environments", name, Environment)
