"""`vhb doctor`: what this machine has and lacks, with the remedy."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import typer

from vhb.connect import DEFAULT_WORKDIR, WorkdirOption


class Finding(NamedTuple):
    """One thing looked at."""

    what: str
    ok: bool
    detail: str
    needed: bool = True
    """False: nice to have."""


def doctor(workdir: WorkdirOption = DEFAULT_WORKDIR) -> None:
    """Say what this machine has and what it lacks, with the remedy."""
    from rich.text import Text

    from vhb.screen import console

    out = console()
    findings = list(_findings(workdir))
    for finding in findings:
        # What is only nice to have is no failure and should not look like one.
        lacking = Text("NO  ", style="red") if finding.needed else Text("-   ", style="yellow")
        mark = Text("ok  ", style="green") if finding.ok else lacking
        out.print(mark, Text(f"{finding.what}: {finding.detail}"), sep="", soft_wrap=True)
    raise typer.Exit(0 if all(finding.ok or not finding.needed for finding in findings) else 1)


def _findings(workdir: Path) -> Iterator[Finding]:
    from vhb.embedded.workdir import Workdir, user_cache
    from vhb_shared.bus.server import find_server
    from vhb_shared.errors import UserError

    yield Finding("Python", sys.version_info >= (3, 11), f"{platform.python_version()} on {platform.platform()}")
    try:
        yield Finding("nats-server", True, str(find_server()))
    except UserError as error:
        yield Finding("nats-server", False, str(error))
    yield _uv()
    for name, path in (("working directory", workdir), ("cache", user_cache())):
        yield _writable(name, path)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cpus = os.cpu_count() or 1
    yield Finding("memory", memory >= 4, f"{memory:.0f} GiB, {cpus} processors; the quickstart needs about 4 GiB")
    address = Workdir(workdir).running()
    stack = f"runs at {address.nats_url}" if address else f"none runs in {workdir}; `vhb up` starts one"
    yield Finding("stack", address is not None, stack, needed=False)
    yield Finding(
        "tesseract",
        shutil.which("tesseract") is not None,
        shutil.which("tesseract") or "not installed (Debian: apt-get install tesseract-ocr); needed by that model only",
        needed=False,
    )
    yield Finding(
        "NVIDIA GPU",
        shutil.which("nvidia-smi") is not None,
        shutil.which("nvidia-smi") or "no nvidia-smi; OCR engines and remote endpoints need none",
        needed=False,
    )
    from vhb.deployment.checks import checks

    for what, ok, detail in checks(Path()):
        yield Finding(what, ok, detail, needed=False)
    yield from _plugins()


def _uv() -> Finding:
    try:
        import uv

        return Finding("uv", True, str(uv.find_uv_bin()))
    except (ImportError, FileNotFoundError):
        return Finding("uv", False, "not installed; run `make install`, or `pip install uv`")


def _writable(name: str, path: Path) -> Finding:
    existing = path.absolute()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free / 2**30
    if not os.access(existing, os.W_OK):
        return Finding(name, False, f"{path} cannot be written; give another --workdir, or set XDG_CACHE_HOME")
    return Finding(
        name, free > 2, f"{path}, {free:.1f} GiB free" + ("" if free > 2 else "; free some, 2 GiB are needed")
    )


def _plugins() -> Iterator[Finding]:
    from vhb_shared.errors import UserError
    from vhb_shared.registry.plugins import PluginKind, plugin, plugin_names

    kinds: tuple[PluginKind, ...] = ("backends", "environments", "metrics", "datasets", "report_sections")
    for kind in kinds:
        names = plugin_names(kind)
        what = kind.replace("_", " ")
        try:
            for name in names:
                plugin(kind, name)
        except UserError as disputed:
            yield Finding(what, False, str(disputed))
        else:
            yield Finding(what, bool(names), ", ".join(names) or "none installed; run `make install`")
