"""Images with packages on top: built once per content in a container of the base image, found again by their name."""

import asyncio
import contextlib
import hashlib
import json
from collections import deque
from collections.abc import Mapping

from docker.errors import APIError, ImageNotFound, NotFound
from docker.types import Mount

from vhb_shared.environments.base import EnvironmentSettings, EnvironmentSpec, Progress
from vhb_shared.environments.docker import owners, payload
from vhb_shared.environments.docker.engine import Engine, failed, or_undone, words
from vhb_shared.environments.docker.settings import DockerSettings
from vhb_shared.environments.uv_output import build_failed, is_passing, why
from vhb_shared.environments.virtualenv import VirtualenvRecipe

REPOSITORY = "vhb-derived"
_WORK, _CACHE = "/vhb/work", "/vhb/cache"
_LOOK_EVERY_S = 1.0
_KEPT_LINES = 40


class DerivedImages:
    """Builds them; one instance per environment, several agents may share an engine."""

    def __init__(self, engine: Engine, settings: DockerSettings, agent: EnvironmentSettings) -> None:
        self._engine, self._settings, self._agent = engine, settings, agent
        self._locks: dict[str, asyncio.Lock] = {}

    async def find(self, spec: EnvironmentSpec, base_id: str) -> str | None:
        """ID of the image to run for `spec` on `base_id` (itself, where nothing is added); None: not built yet.

        Raises:
            EngineAway: see `Engine.run`.
        """
        if not _adds(spec):
            return base_id
        return await self._engine.run(self._look, await asyncio.to_thread(_key, spec, base_id))

    async def build(self, spec: EnvironmentSpec, base_id: str, on_progress: Progress) -> None:
        """Makes it where it is missing. Of several at once, in one agent or in many, one builds and the others wait.

        Raises:
            EnvironmentFailed: packages that cannot be had, an image without Python, a full disk.
            EngineAway: see `Engine.run`.
        """
        key = await asyncio.to_thread(_key, spec, base_id)
        if await self._engine.run(self._look, key) is not None:
            return
        async with self._locks.setdefault(key, asyncio.Lock()):
            told = False
            while await self._engine.run(self._look, key) is None:
                begun = self._engine.run(self._begin, key, base_id, spec)
                container_id = await or_undone(begun, self._remove)
                if container_id is not None:
                    await self._finish(key, base_id, spec, container_id, on_progress)
                    return
                if not told:
                    on_progress("waiting for another process that builds the same image")
                    told = True
                await asyncio.sleep(_LOOK_EVERY_S)

    def _look(self, key: str) -> str | None:
        try:
            return str(self._engine.client().images.get(f"{REPOSITORY}:{key}").id)
        except ImageNotFound:
            return None

    def _begin(self, key: str, base_id: str, spec: EnvironmentSpec) -> str | None:
        """Creates the container; its name is the lock between agents. None: somebody who lives holds it."""
        client, name = self._engine.client(), f"vhb-build-{key}"
        offline = self._agent.wheels is not None
        labels = {
            owners.LABEL_ENVIRONMENT: "docker",
            owners.LABEL_ID: f"{owners.BUILDING}{key}",
            owners.LABEL_OWNER: owners.own_mark(self._engine),
            owners.LABEL_AGENT: self._agent.agent_id,
        }
        try:
            container = client.containers.create(
                base_id,
                entrypoint=["python3"],
                command=[f"{_WORK}/install_packages.py"],
                name=name,
                user="0",
                labels=labels,
                init=True,
                network_mode="none" if offline else "bridge",
                # Anonymous and named volumes are no part of what is committed.
                mounts=[
                    Mount(_WORK, None, type="volume"),
                    Mount(_CACHE, self._settings.package_cache, type="volume"),
                ],
                cap_drop=["ALL"],
                cap_add=["CHOWN", "DAC_OVERRIDE", "FOWNER"],
                security_opt=["no-new-privileges:true"],
                pids_limit=self._settings.pids,
            )
        except APIError as error:
            if error.status_code != 409:
                raise failed(f"{spec.name}: the engine cannot build on its image: {words(error)}.") from error
            with contextlib.suppress(NotFound):
                other = client.containers.get(name)
                if owners.is_dead(other.labels.get(owners.LABEL_OWNER, ""), self._engine):
                    with contextlib.suppress(APIError):  # somebody else removes it just now
                        other.remove(force=True, v=True)
            return None
        return str(container.id)

    async def _finish(
        self, key: str, base_id: str, spec: EnvironmentSpec, container_id: str, on_progress: Progress
    ) -> None:
        on_progress(f"building the image of {spec.name} (once; cached afterwards)")
        try:
            variables = await payload.variables(self._agent.wheels is not None)
            loop = asyncio.get_running_loop()
            lines: deque[str] = deque(maxlen=_KEPT_LINES)

            def take(line: str) -> None:
                lines.append(line)
                if not line.startswith(("+ ", " + ")):
                    loop.call_soon_threadsafe(on_progress, line.strip())

            running = asyncio.ensure_future(self._engine.run(self._install, container_id, spec, variables, take))
            try:
                code = await asyncio.shield(running)
            except asyncio.CancelledError:
                await self._remove(container_id)  # ends what is installed, and with it the thread
                await asyncio.gather(running, return_exceptions=True)
                raise
            if code:
                text = "\n".join(lines)
                raise build_failed(spec.name, why(list(lines)), retryable=is_passing(text), log_tail=tuple(lines))
            await self._engine.run(self._commit, key, base_id, spec, container_id)
            on_progress(f"the image of {spec.name} is built")
        finally:
            await asyncio.shield(self._remove(container_id))

    def _install(self, container_id: str, spec: EnvironmentSpec, variables: Mapping[str, str], take: Progress) -> int:
        client = self._engine.client(slow=True)
        container = client.containers.get(container_id)
        wheels = self._agent.wheels
        if wheels is not None and not wheels.is_dir():
            raise build_failed(
                spec.name,
                f"VHB_AGENT_WHEELS (of metrics: VHB_EVALUATOR_WHEELS) names {wheels}, which is no folder",
                retryable=False,
            )
        with payload.packed(spec, variables, wheels, _WORK, _CACHE) as archive:
            container.put_archive(_WORK, archive)
        try:
            container.start()
        except APIError as error:
            raise failed(f"{spec.name}: its image cannot be started: {words(error)}.") from error
        rest = b""
        for chunk in container.logs(stream=True, follow=True):
            *whole, rest = (rest + chunk).split(b"\n")
            for raw in whole:
                if line := raw.decode(errors="replace").rstrip():
                    take(line[:1000])
        return int(container.wait()["StatusCode"])

    def _commit(self, key: str, base_id: str, spec: EnvironmentSpec, container_id: str) -> None:
        container = self._engine.client(slow=True).containers.get(container_id)
        labels = dict.fromkeys((owners.LABEL_ENVIRONMENT, owners.LABEL_ID, owners.LABEL_OWNER, owners.LABEL_AGENT), "")
        labels |= {
            "vhb.derived": key,
            "vhb.derived.base": base_id,
            "vhb.derived.by": self._agent.agent_id,
            "vhb.derived.packages": json.dumps(spec.packages),
        }
        try:
            container.commit(repository=REPOSITORY, tag=key, pause=False, conf={"Labels": labels})
        except APIError as error:
            full = "no space left" in words(error).lower()
            raise failed(f"The image of {spec.name} cannot be stored: {words(error)}.", retryable=full) from error

    async def _remove(self, container_id: str | None) -> None:
        def remove() -> None:
            if container_id is None:
                return
            with contextlib.suppress(APIError):
                self._engine.client().containers.get(container_id).remove(force=True, v=True)

        await self._engine.run(remove)


def _adds(spec: EnvironmentSpec) -> bool:
    return bool(spec.lock or spec.packages or spec.local_packages)


def _key(spec: EnvironmentSpec, base_id: str) -> str:
    """16 hex digits. Reads the local packages."""
    recipe = VirtualenvRecipe(spec.name, spec.lock, spec.packages, spec.local_packages)
    return hashlib.sha256(f"{base_id}\n{recipe.content_key()}".encode()).hexdigest()[:16]
