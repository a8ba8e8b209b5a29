"""Virtual environments made by uv: built once per content, found again by a hash, never half-built."""

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import signal
import sys
import sysconfig
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import uv

from vhb_shared.environments.base import Progress
from vhb_shared.environments.package_index import index_flags, uv_environment
from vhb_shared.environments.uv_output import build_failed, is_network, is_passing, why

_COMPLETE = ".complete"
_KEPT_LINES = 40


@dataclass(frozen=True)
class VirtualenvRecipe:
    """What goes into a virtual environment. Its interpreter is the agent's own."""

    name: str
    """For people; not part of the key."""
    lock: str
    packages: tuple[str, ...]
    local_packages: tuple[Path, ...]

    def key(self) -> str:
        """Hash of the content and the interpreter, 16 hex digits. Reads the local packages: call it in a thread."""
        about = [sys.implementation.name, platform.python_version(), sysconfig.get_platform(), sys.base_prefix]
        return hashlib.sha256(json.dumps([about, self.content_key()]).encode()).hexdigest()[:16]

    def content_key(self) -> str:
        """Hash of the content alone. Reads the local packages: call it in a thread."""
        digest = hashlib.sha256(json.dumps([self.lock, sorted(self.packages)]).encode())
        for package in self.local_packages:
            for path in sorted(_files(package)):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{package.name}/{path.relative_to(package).as_posix()}\0{content}\n".encode())
        return digest.hexdigest()


def python_of(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / "bin" / "python"


def is_complete(folder: Path) -> bool:
    """Whether it was built to the end and its interpreter still exists."""
    return (folder / _COMPLETE).is_file() and python_of(folder).exists()


def installed_packages(folder: Path) -> dict[str, str]:
    """Package -> version, as the environment's metadata say. Reads many small files: call it in a thread."""
    found = importlib.metadata.distributions(path=[str(path) for path in folder.glob("lib/python*/site-packages")])
    return dict(sorted((each.metadata["Name"], each.version) for each in found))


async def build(recipe: VirtualenvRecipe, root: Path, on_progress: Progress, wheels: Path | None = None) -> Path:
    """Makes the environment of a recipe below `root`, or finds it; then without any network.

    Packages come from the folder `wheels` alone, where it is given.

    Virtual environments do not survive being moved, so it is built in place under a lock and marked at the end;
    what has no mark is removed and built again.

    Raises:
        EnvironmentFailed: a package that cannot be had, no network and nothing cached, a full disk.
    """
    try:
        folder = root / await asyncio.to_thread(recipe.key)
        if is_complete(folder):
            return folder
        await asyncio.to_thread(root.mkdir, parents=True, exist_ok=True)
        async with _lock(folder.with_name(folder.name + ".lock"), on_progress) as lock:
            if not is_complete(folder):
                await _build(recipe, folder, lock, on_progress, wheels)
    except OSError as error:
        raise build_failed(
            recipe.name, f"{error.strerror or error} ({error.filename or root})", retryable=True
        ) from error
    return folder


async def _build(recipe: VirtualenvRecipe, folder: Path, lock: int, on_progress: Progress, wheels: Path | None) -> None:
    if wheels is not None and not await asyncio.to_thread(wheels.is_dir):
        raise build_failed(
            recipe.name,
            f"VHB_AGENT_WHEELS (of metrics: VHB_EVALUATOR_WHEELS) names {wheels}, which is no folder",
            retryable=False,
        )
    on_progress(f"building the environment of {recipe.name} (once; cached afterwards)")
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    from_lock = any(line.strip() and not line.lstrip().startswith("#") for line in recipe.lock.splitlines())
    variables = await uv_environment(index=from_lock or bool(recipe.packages), wheels=wheels)
    run = _Uv(recipe, variables, lock, on_progress)
    await run("venv", "--quiet", "--no-project", "--python", sys.executable, str(folder))
    python = str(python_of(folder))
    install = ("pip", "install", *index_flags(variables), "--python", python, "--compile-bytecode")
    if from_lock:
        lock_file = folder / "requirements.lock"
        lock_file.write_text(recipe.lock)
        await run(*install, "--no-deps", "--require-hashes", "-r", str(lock_file), network=True)
    if recipe.packages:
        await run(*install, "--", *recipe.packages, network=True)
    await asyncio.to_thread(_finish, recipe, folder)
    on_progress(f"the environment of {recipe.name} is built")


def _finish(recipe: VirtualenvRecipe, folder: Path) -> None:
    site = next(folder.glob("lib/python*/site-packages"))
    ignore = shutil.ignore_patterns("__pycache__")
    for package in recipe.local_packages:
        shutil.copytree(package, site / package.name, ignore=ignore, dirs_exist_ok=True)
    partial = folder / f"{_COMPLETE}.tmp"
    with partial.open("w") as file:
        json.dump({"name": recipe.name, "packages": list(recipe.packages)}, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / _COMPLETE)


class _Uv:
    """Runs uv. Each run holds the lock file open too: if the agent dies, the next one waits until uv has ended."""

    def __init__(self, recipe: VirtualenvRecipe, environ: dict[str, str], lock: int, on_progress: Progress) -> None:
        self._recipe, self._environ, self._lock, self._on_progress = recipe, environ, lock, on_progress

    async def __call__(self, *arguments: str, network: bool = False) -> None:
        code, lines = await self._run(arguments)
        if code and network and is_network("\n".join(lines)):
            # Everything may be in uv's cache although the index cannot be asked.
            self._on_progress("the package index does not answer; trying what uv has cached")
            offline, _ = await self._run((*arguments[:2], "--offline", *arguments[2:]))
            if offline == 0:
                return
        if code:
            text = "\n".join(lines)
            raise build_failed(self._recipe.name, why(lines), retryable=is_passing(text), log_tail=tuple(lines))

    async def _run(self, arguments: tuple[str, ...]) -> tuple[int, list[str]]:
        process = await asyncio.create_subprocess_exec(
            uv.find_uv_bin(),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environ,
            pass_fds=(self._lock,),
            start_new_session=True,
            limit=1 << 20,
        )
        lines: deque[str] = deque(maxlen=_KEPT_LINES)
        try:
            assert process.stdout is not None
            async for raw in process.stdout:
                if line := raw.decode(errors="replace").rstrip():
                    lines.append(line)
                    if not line.startswith(("+ ", " + ")):
                        self._on_progress(line.strip())
            return await process.wait(), list(lines)
        finally:
            if process.returncode is None:
                with contextlib.suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


@contextlib.asynccontextmanager
async def _lock(path: Path, on_progress: Progress) -> AsyncIterator[int]:
    """An exclusive lock between processes. Polls, so that waiting can be cancelled; never unlocks but by closing,
    because whoever inherited the descriptor holds it as well."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        told = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    on_progress("waiting for another process that builds the same environment")
                told = True
                await asyncio.sleep(0.2)
        yield descriptor
    finally:
        os.close(descriptor)


def _files(package: Path) -> list[Path]:
    return [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
