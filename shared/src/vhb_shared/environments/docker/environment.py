"""The docker environment: a container for each backend, of an image, with what its spec names and nothing else."""

import asyncio
import contextlib
import datetime
import math
import os
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any, ClassVar, TypeVar

from docker.errors import APIError, NotFound

from vhb_shared.environments.base import (
    Capabilities,
    Environment,
    EnvironmentFailed,
    EnvironmentHandle,
    EnvironmentSettings,
    EnvironmentSpec,
    Exit,
    Installed,
    Output,
    Progress,
    Stats,
)
from vhb_shared.environments.docker import containers, ending, lives, owners, reading, starting
from vhb_shared.environments.docker.contents import Contents
from vhb_shared.environments.docker.derived import DerivedImages
from vhb_shared.environments.docker.engine import Engine, EngineAway, failed, or_undone, words
from vhb_shared.environments.docker.images import Images
from vhb_shared.environments.docker.network import Reach, address_of, reach_of
from vhb_shared.environments.docker.settings import DockerSettings

_LOOK_EVERY_S = 0.5
_LINE_CHARACTERS = 4000
_REMOVED_WITHIN_S = 30.0

T = TypeVar("T")


class DockerEnvironment(Environment):
    """Runs containers of a Docker engine. They outlive the agent; their handles are all that is needed to go on."""

    name: ClassVar[str] = "docker"
    capabilities: ClassVar[Capabilities] = Capabilities(
        survives_agent=True,
        installs_packages=True,
        runs_images=True,
        mounts=True,
        gpus=True,
        limits=frozenset({"memory", "cpus", "pids", "shm"}),
    )

    def __init__(self, settings: EnvironmentSettings, docker: DockerSettings | None = None) -> None:
        """Raises UserError: a VHB_DOCKER_ variable holds what it should not."""
        super().__init__(settings)
        self._docker = docker or DockerSettings.from_environment()
        self._engine = Engine(self._docker.host, self._docker.timeout_s)
        self._images = Images(self._engine, self._docker)
        self._derived = DerivedImages(self._engine, self._docker, settings)
        self._contents = Contents(self._engine)
        self._strays = owners.Strays(self._engine, settings.agent_id)
        self._held: set[str] = set()
        self._goes_on = False

    @property
    def images(self) -> tuple[str, ...]:
        """See `Environment.images`."""
        return self._docker.allowed_images

    async def problem(self) -> str | None:
        """See `Environment.problem`."""
        try:
            await self._engine.run(self._engine.about)
        except (EngineAway, APIError) as error:
            return str(error)
        return None

    async def prepare(self, spec: EnvironmentSpec, on_progress: Progress) -> EnvironmentSpec:
        """See `Environment.prepare`."""
        async with _sentences(spec):
            resolved = await self._images.resolve(spec.image, spec.resolved, on_progress)
            if await self._derived.find(spec, resolved.id) is None:
                await self._derived.build(spec, resolved.id, on_progress)
            return spec.model_copy(update={"resolved": resolved})

    async def start(self, spec: EnvironmentSpec) -> EnvironmentHandle:
        """See `Environment.start`."""
        async with _sentences(spec):
            image_id, run_id = await self._prepared(spec)
            image = await self._images.config(image_id)
            reach: Reach = await self._engine.run(reach_of, self._engine, self._docker)
            handle_id = uuid.uuid4().hex[:12]
            starting_ = self._start(spec, handle_id, run_id, image, reach)
            return await or_undone(starting_, lambda handle: self.stop(handle, 0))

    async def address(self, handle: EnvironmentHandle) -> str | None:
        """See `Environment.address`."""
        reach, port = handle.state.get("reach", "published"), handle.state.get("port", "")
        return await self._asked(handle, lambda container: address_of(container, reach, port), None, None)

    async def exit_state(self, handle: EnvironmentHandle) -> Exit | None:
        """See `Environment.exit_state`."""
        return await self._asked(handle, lambda container: ending.exit_of(container.attrs["State"]), Exit(), None)

    async def wait_exit(self, handle: EnvironmentHandle) -> Exit:
        """See `Environment.wait_exit`. Asks again and again: a connection that waits for hours breaks unnoticed."""
        while True:
            if (ended := await self.exit_state(handle)) is not None:
                return ended
            await asyncio.sleep(_LOOK_EVERY_S)

    async def logs(self, handle: EnvironmentHandle, lines: int = 50) -> tuple[str, ...]:
        """See `Environment.logs`."""

        def read(container: Any) -> tuple[str, ...]:
            text = container.logs(tail=lines).decode(errors="replace")
            return tuple(line[:_LINE_CHARACTERS] for line in text.splitlines()[-lines:])

        return await self._asked(handle, read, (), ())

    async def output(self, handle: EnvironmentHandle, place: str = "") -> Output:
        """See `Environment.output`. Its places are the engine's times of lines, down to the nanosecond."""
        return await self._asked(
            handle, lambda container: reading.read_on(container, place), Output(place=place), Output(place=place)
        )

    async def stats(self, handle: EnvironmentHandle) -> Stats:
        """See `Environment.stats`."""
        read: Callable[[Any], Stats] = lambda container: ending.stats_of(self._engine, str(container.id))  # noqa: E731
        return await self._asked(handle, read, Stats(), Stats())

    async def installed(self, spec: EnvironmentSpec) -> Installed:
        """See `Environment.installed`."""
        async with _sentences(spec):
            image_id, run_id = await self._prepared(spec)
            found = await self._engine.run(self._contents.read, run_id, containers.python_of(spec))
            return found.model_copy(
                update={
                    "image": spec.resolved,
                    "built_image": run_id if run_id != image_id else None,
                    "runtime": await self._engine.run(self._engine.about),
                }
            )

    async def stop(self, handle: EnvironmentHandle, grace_s: float = 3.0) -> None:
        """See `Environment.stop`."""
        try:
            await asyncio.shield(asyncio.ensure_future(self._engine.run(self._stop, handle, grace_s)))
        except EngineAway as error:
            raise failed(f"A container may still run ({_name(handle)}): {error}", retryable=True) from error
        except APIError as error:
            message = f"The container {_name(handle)} cannot be removed: {words(error)}; see `docker ps`."
            raise failed(message, retryable=True) from error
        self._held.discard(handle.id)

    async def recover(self, handle: EnvironmentHandle) -> bool:
        """See `Environment.recover`. Where the engine is away, what runs is unknown and counts as running."""
        if await self.exit_state(handle) is None:
            self._held.add(handle.id)
            self._goes_on = True
            await self._say_that_it_lives()
            return True
        with contextlib.suppress(EnvironmentFailed):
            await self.stop(handle, 0)
        return False

    async def reap(self, labels: Mapping[str, str], keep: Collection[str] = ()) -> tuple[str, ...]:
        """See `Environment.reap`."""
        try:
            return await self._engine.run(
                owners.reap, self._engine, dict(labels), self._held | set(keep), self.settings.agent_id
            )
        except (EngineAway, APIError):
            return ()

    async def collect(self) -> tuple[str, ...]:
        """See `Environment.collect`."""
        await self._say_that_it_lives()  # again: whoever prunes volumes takes the word with them
        try:
            return await self._engine.run(self._strays.collect)
        except (EngineAway, APIError):
            return ()

    async def _say_that_it_lives(self) -> None:
        def say() -> None:
            lives.say(self._engine, self.settings.agent_id, owners.own_mark(self._engine))

        if self._goes_on:
            with contextlib.suppress(EngineAway, APIError):
                await self._engine.run(say)

    async def _prepared(self, spec: EnvironmentSpec) -> tuple[str, str]:
        """The image that was asked for, and what is run: itself or the one built on it."""
        run_id = None if spec.resolved is None else await self._derived.find(spec, spec.resolved.id)
        if spec.resolved is None or run_id is None:
            raise failed(f"The image of {spec.name} is not prepared or is gone from the engine; start again.")
        return spec.resolved.id, run_id

    async def _start(
        self, spec: EnvironmentSpec, handle_id: str, run_id: str, image: Mapping[str, Any], reach: Reach
    ) -> EnvironmentHandle:
        labels = {
            **spec.labels,
            owners.LABEL_ENVIRONMENT: self.name,
            owners.LABEL_ID: handle_id,
            owners.LABEL_OWNER: await self._engine.run(owners.own_mark, self._engine),
            owners.LABEL_AGENT: self.settings.agent_id,
        }
        # Before the engine knows of it, or another life of this agent could take it for left behind.
        self._held.add(handle_id)
        try:
            options = await asyncio.to_thread(
                containers.options_of,
                spec,
                image_id=run_id,
                image=image,
                settings=self._docker,
                labels=labels,
                publish=reach == "published",
                log_bytes=self.settings.log_bytes,
                environ=os.environ,
            )
            name = f"vhb-{handle_id}"
            container = await self._engine.run(starting.start, self._engine, self._docker, spec, name, options, image)
        except BaseException:
            self._held.discard(handle_id)
            raise
        return EnvironmentHandle(
            environment=self.name,
            id=handle_id,
            labels={**spec.labels, "agent": self.settings.agent_id},
            started_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            state={
                "container": str(container.id),
                "image": run_id,
                "port": str(containers.port_of(spec, image)),
                "reach": reach,
            },
        )

    async def _asked(self, handle: EnvironmentHandle, read: Callable[[Any], T], unknown: T, away: T) -> T:
        """What `read` makes of the container; `unknown` where there is none, `away` where the engine does not say."""
        try:
            return await self._engine.run(lambda: read(self._engine.client().containers.get(_name(handle))))
        except NotFound:
            return unknown
        except (EngineAway, APIError):
            return away

    def _stop(self, handle: EnvironmentHandle, grace_s: float) -> None:
        found = self._engine.client().containers
        try:
            container = found.get(_name(handle))
            if container.attrs["State"].get("Running"):
                with contextlib.suppress(APIError):  # removed by force all the same
                    container.stop(timeout=math.ceil(grace_s))
            container.remove(force=True, v=True)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != 409:  # somebody else removes it just now
                raise
            with contextlib.suppress(NotFound):
                found.get(_name(handle)).wait(condition="removed", timeout=_REMOVED_WITHIN_S)


def _name(handle: EnvironmentHandle) -> str:
    return handle.state.get("container") or f"vhb-{handle.id}"


@contextlib.asynccontextmanager
async def _sentences(spec: EnvironmentSpec) -> AsyncIterator[None]:
    """Turns what the engine refuses, or its silence, into failures."""
    try:
        yield
    except EngineAway as error:
        raise failed(f"{spec.name}: {error}", retryable=True) from error
    except APIError as error:
        raise failed(f"{spec.name}: the engine refuses: {words(error)}.") from error
