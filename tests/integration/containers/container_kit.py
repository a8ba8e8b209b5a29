"""Helpers of the tests with containers."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from vhb_shared.environments.base import EnvironmentHandle, EnvironmentSpec
from vhb_shared.environments.docker.environment import DockerEnvironment

Build = Callable[..., str]
"""Builds an image: a tag, then lines of a Dockerfile after FROM the base image; returns the tag."""


class Make(Protocol):
    def __call__(self, agent_id: str | None = None, wheels: Path | None = None, **changes: object) -> DockerEnvironment:
        """An environment of one agent; `changes` are of `DockerSettings`."""


def program(code: str, **changes: object) -> EnvironmentSpec:
    return EnvironmentSpec.model_validate({"name": "test", "command": ("{python}", "-c", code), **changes})


async def started(environment: DockerEnvironment, spec: EnvironmentSpec) -> EnvironmentHandle:
    return await environment.start(await environment.prepare(spec, lambda _: None))


async def said(environment: DockerEnvironment, spec: EnvironmentSpec) -> tuple[str, ...]:
    """What it prints until it ends."""
    handle = await started(environment, spec)
    await asyncio.wait_for(environment.wait_exit(handle), 60)
    lines = await environment.logs(handle, 200)
    await environment.stop(handle)
    return lines


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := await condition()):
        assert time.monotonic() < end, "did not happen in time"
        await asyncio.sleep(0.1)
    return found
