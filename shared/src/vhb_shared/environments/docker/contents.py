"""What is in an image: its Python and packages, read in a short-lived container without network or rights."""

import contextlib
import json

from docker.errors import APIError

from vhb_shared.environments.base import Installed
from vhb_shared.environments.docker.engine import Engine

_CODE = """
import json, platform
from importlib import metadata
found = {str(each.metadata["Name"]): str(each.version) for each in metadata.distributions()}
print(json.dumps({"python": platform.python_version(), "packages": dict(sorted(found.items()))}))
"""
_PATIENCE_S = 120
_MOST_BYTES = 4 << 20


class Contents:
    """Reads images and remembers what it read: an image does not change."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[tuple[str, str], Installed] = {}

    def read(self, image_id: str, python: str) -> Installed:
        """Python's version and packages; nothing where the image has no Python. From a thread.

        Raises:
            EngineAway: see `Engine.run`.
        """
        key = (image_id, python)
        if key not in self._known:
            self._known[key] = self._read(image_id, python)
        return self._known[key]

    def _read(self, image_id: str, python: str) -> Installed:
        container = self._engine.client().containers.create(
            image_id,
            entrypoint=[python, "-I", "-c", _CODE],
            command=[],
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            pids_limit=64,
            mem_limit=1 << 30,
            environment={"NVIDIA_VISIBLE_DEVICES": "void"},
        )
        try:
            container.start()
            if container.wait(timeout=_PATIENCE_S)["StatusCode"]:
                return Installed()
            said = json.loads(container.logs(stdout=True, stderr=False)[:_MOST_BYTES])
            return Installed(python=said["python"], packages=said["packages"])
        except (APIError, ValueError, KeyError):
            return Installed()
        finally:
            with contextlib.suppress(APIError):
                container.remove(force=True, v=True)
