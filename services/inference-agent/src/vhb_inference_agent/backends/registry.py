"""The backends by name: what packages register under `vhb.backends`, ours in this member's pyproject.toml."""

from vhb_inference_agent.backends.base import BackendAdapter
from vhb_shared.errors import UserError
from vhb_shared.registry.plugins import load_plugin, plugin_names


def backend_names() -> tuple[str, ...]:
    """Every known name, sorted; imports none of them."""
    return plugin_names("backends")


def backend_adapter(name: str | None) -> BackendAdapter:
    """The adapter of that name.

    Raises:
        UserError: no name, no such backend, several packages claim the name, or its package is broken.
    """
    if not name:
        raise UserError(f"The entry names no `backend`; use one of: {', '.join(backend_names())}.")
    return load_plugin("backends", name, BackendAdapter)()
