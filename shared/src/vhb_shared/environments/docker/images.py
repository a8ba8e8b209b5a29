"""Which image a name means: allowed or not, here already or fetched, and pinned by what does not move."""

import asyncio
import threading
import time
from typing import Any

from docker.errors import APIError, ImageNotFound

from vhb_shared.environments.base import Progress, ResolvedImage
from vhb_shared.environments.docker.engine import Engine, failed, words
from vhb_shared.environments.docker.settings import DockerSettings
from vhb_shared.environments.references import full_repository, is_allowed, split_reference

TOLD_EVERY_S = 2.0
_FOREVER = ("not found", "does not exist", "manifest unknown", "denied", "unauthorized", "invalid reference")


class Images:
    """Looks up and fetches images."""

    def __init__(self, engine: Engine, settings: DockerSettings) -> None:
        self._engine, self._settings = engine, settings

    async def resolve(self, image: str | None, resolved: ResolvedImage | None, on_progress: Progress) -> ResolvedImage:
        """What `image` means (None: the base image), or still means where it was resolved before; then it is here.

        Raises:
            EnvironmentFailed: not allowed, not here and not to be fetched, or it cannot be fetched.
            EngineAway: see `Engine.run`.
        """
        if image is not None and not is_allowed(image, self._settings.allowed_images):
            patterns = ", ".join(self._settings.allowed_images) or "none"
            raise failed(
                f"The image {image} is not allowed on this agent (VHB_DOCKER_ALLOWED_IMAGES: {patterns}); "
                "name another image or add it there."
            )
        name = image or self._settings.base_image
        if resolved is not None:
            return await self._again(name, resolved, on_progress)
        found = None
        if self._settings.pull != "always":
            found = await self._engine.run(self._look, name)
        if found is None:
            await self._fetch(name, name, on_progress)
            found = await self._engine.run(self._look, name)
        if found is None:
            raise failed(f"The image {name} was fetched and is gone again; start again.", retryable=True)
        return found

    async def config(self, image_id: str) -> dict[str, Any]:
        """The image's configuration: Entrypoint, Cmd, User, Env, ExposedPorts.

        Raises:
            ImageNotFound: it is not here.
            EngineAway: see `Engine.run`.
        """
        found = await self._engine.run(lambda: self._engine.client().images.get(image_id))
        return dict(found.attrs.get("Config") or {})

    async def _again(self, name: str, resolved: ResolvedImage, on_progress: Progress) -> ResolvedImage:
        if await self._engine.run(self._look, resolved.id) is not None:
            return resolved
        if resolved.digest is None:
            raise failed(
                f"The image {name} that this backend started with ({resolved.id[:19]}) is gone from the engine, and "
                "was never in a registry; load it again with `docker load`."
            )
        await self._fetch(resolved.digest, name, on_progress)
        found = await self._engine.run(self._look, resolved.digest)
        if found is None or found.id != resolved.id:
            raise failed(f"The registry gives another image for {resolved.digest}; submit the job again.")
        return resolved

    def _look(self, name: str) -> ResolvedImage | None:
        try:
            image = self._engine.client().images.get(name)
        except ImageNotFound:
            return None
        except APIError as error:
            raise failed(f"The image name {name!r} is wrong: {words(error)}.") from error
        repository = full_repository(split_reference(name)[0])
        digests = sorted(image.attrs.get("RepoDigests") or ())
        ours = [each for each in digests if full_repository(split_reference(each)[0]) == repository]
        return ResolvedImage(id=str(image.id), digest=next(iter(ours or digests), None))

    async def _fetch(self, reference: str, name: str, on_progress: Progress) -> None:
        if self._settings.pull == "never":
            raise failed(
                f"The image {name} is not on this host, and VHB_DOCKER_PULL=never forbids fetching it: load it with "
                "`docker load`, or allow pulling."
            )
        on_progress(f"pulling {name}")
        loop, cancelled = asyncio.get_running_loop(), threading.Event()

        def tell(line: str) -> None:
            loop.call_soon_threadsafe(on_progress, line)

        try:
            why = await self._engine.run(self._pull, reference, name, tell, cancelled)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        if why is not None:
            remedy = (
                "check its name and `docker login`, load it with `docker load`, or set VHB_DOCKER_PULL=never"
                if any(word in why.lower() for word in _FOREVER)
                else "check the network, or load it with `docker load` and set VHB_DOCKER_PULL=missing"
            )
            retryable = not any(word in why.lower() for word in _FOREVER)
            raise failed(f"The image {name} could not be pulled: {why}; {remedy}.", retryable=retryable)
        on_progress(f"{name} is pulled")

    def _pull(self, reference: str, name: str, tell: Progress, cancelled: threading.Event) -> str | None:
        """None when it is here, else why not."""
        repository, tag, digest = split_reference(reference)
        layers = Layers()
        told = time.monotonic()
        try:
            stream = self._engine.client().api.pull(repository, tag=digest or tag or "latest", stream=True, decode=True)
            for line in stream:
                if cancelled.is_set():
                    return "interrupted"
                if "error" in line:
                    return " ".join(str(line["error"]).split())[:500].rstrip(".")
                layers.take(line)
                if time.monotonic() - told >= TOLD_EVERY_S:
                    told = time.monotonic()
                    tell(f"pulling {name}: {layers.words}")
        except APIError as error:
            return words(error)
        return None


class Layers:
    """Sums up what the engine says of single layers."""

    def __init__(self) -> None:
        self._done: dict[str, int] = {}
        self._size: dict[str, int] = {}
        self._complete: set[str] = set()

    def take(self, line: dict[str, Any]) -> None:
        """One decoded line of the engine's answer."""
        layer, status = str(line.get("id", "")), str(line.get("status", ""))
        if not layer or status.startswith("Pulling from"):
            return
        self._done.setdefault(layer, 0)
        detail = line.get("progressDetail") or {}
        if status == "Downloading":
            self._done[layer] = int(detail.get("current") or 0)
            self._size[layer] = max(int(detail.get("total") or 0), self._done[layer])
        elif status in ("Download complete", "Pull complete", "Already exists"):
            self._done[layer] = self._size.get(layer, 0)
        if status in ("Pull complete", "Already exists"):
            self._complete.add(layer)

    @property
    def words(self) -> str:
        """`3 of 12 layers, 1.2 of 8.3 GB`; sizes are of layers seen so far."""
        done, size = sum(self._done.values()) / 1e9, sum(self._size.values()) / 1e9
        return f"{len(self._complete)} of {len(self._done)} layers, {done:.1f} of {size:.1f} GB"
