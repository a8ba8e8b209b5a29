"""The connection to the container engine: made when first needed, asked in threads only, errors in sentences."""

import asyncio
import contextlib
import re
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import docker
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from vhb_shared.contracts.events import Failure
from vhb_shared.environments.base import EnvironmentFailed

_THREADS = 16
_SLOW_S = 3600
# Docker and podman put a file of theirs at /etc/hostname; its path on the host names the container.
_OWN_ID = re.compile(r"containers/([0-9a-f]{64})/\S*hostname /etc/hostname ")

P = ParamSpec("P")
T = TypeVar("T")


class EngineAway(Exception):  # noqa: N818 - a condition
    """The engine does not answer; the message is a sentence with the remedy."""


class Engine:
    """Calls of the Docker SDK, each in a thread of its own pool: a slow engine must not starve the agent's threads."""

    def __init__(self, host: str | None, timeout_s: float) -> None:
        self._host, self._timeout_s = host, timeout_s
        self._clients: dict[bool, docker.DockerClient] = {}
        self._lock = threading.Lock()
        self.making = threading.Lock()
        """Held while something is made that all share."""
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="docker")
        self._about: str | None = None

    async def run(self, call: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Runs a function that asks the engine, in a thread.

        Raises:
            EngineAway: no connection, or no answer in time.
            APIError: the engine refuses.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(self._guarded, call, *arguments, **options))

    def client(self, *, slow: bool = False) -> "docker.DockerClient":
        """The SDK's client, connected; from a thread. `slow`: waits long for one answer (commits, large copies).

        Raises:
            EngineAway: no engine answers.
        """
        with self._lock:
            if slow not in self._clients:
                options: dict[str, Any] = {"timeout": _SLOW_S if slow else self._timeout_s, "max_pool_size": _THREADS}
                try:
                    self._clients[slow] = (
                        docker.DockerClient(base_url=self._host, **options)
                        if self._host
                        else docker.from_env(**options)
                    )
                except (DockerException, RequestException, OSError, ValueError) as error:
                    raise EngineAway(self._away(error)) from error
            return self._clients[slow]

    def about(self) -> str:
        """`docker 20.10.24` or `podman 4.3.1`; from a thread."""
        if self._about is None:
            version = self.client().version()
            names = [part.get("Name", "") for part in version.get("Components") or ()]
            name = "podman" if any("podman" in each.lower() for each in names) else "docker"
            self._about = f"{name} {version.get('Version', '?')}"
        return self._about

    def own_container(self) -> Any | None:
        """The container that this process runs in, where this engine runs it; from a thread."""
        try:
            found = _OWN_ID.search(Path("/proc/self/mountinfo").read_text())
        except OSError:
            return None
        if found is None:
            return None
        try:
            return self.client().containers.get(found.group(1))
        except APIError:
            return None  # a container of another engine

    def _guarded(self, call: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        try:
            return call(*arguments, **options)
        except APIError:
            raise
        except (RequestException, DockerException) as error:
            raise EngineAway(self._away(error)) from error

    def _away(self, error: Exception) -> str:
        where = self._host or "the default address"
        text = str(error)
        if "Permission denied" in text:
            return (
                f"The Docker engine at {where} refuses this user: add the user to the group of its socket "
                "(usually `docker`), or set VHB_DOCKER_HOST to an engine of the user's own."
            )
        if "timed out" in text.lower():
            return f"The Docker engine at {where} does not answer in time; see whether it is overloaded or restart it."
        return f"No Docker engine answers at {where}: start it, or set VHB_DOCKER_HOST to its address."


async def or_undone(work: Awaitable[T], undo: Callable[[T], Awaitable[object]]) -> T:
    """Awaits work that goes on in a thread when we are cancelled: then its outcome is undone before we go."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            await undo(await task)
        raise


def failed(message: str, *, retryable: bool = False, log_tail: tuple[str, ...] = ()) -> EnvironmentFailed:
    """The failure of an environment as data."""
    return EnvironmentFailed(Failure(kind="environment_failed", message=message, retryable=retryable), log_tail)


def words(error: APIError) -> str:
    """What the engine said, on one line and bounded."""
    return " ".join(str(error.explanation or error).split())[:500].rstrip(".")
