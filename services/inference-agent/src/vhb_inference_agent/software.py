"""Which version of this software runs, and from which commit."""

import importlib.metadata
import os
import re
import subprocess
from functools import lru_cache
from pathlib import Path

_TIMEOUT_S = 5.0
_BUILT_FROM = re.compile(r"(?P<commit>[0-9a-f]{40})(?P<dirty>-dirty)?")
"""What `deploy/images/build.sh` writes into an image's VHB_COMMIT: the words of `git describe`."""


@lru_cache(maxsize=1)
def software() -> dict[str, str | bool | None]:
    """`version`; `commit` and `changed` (uncommitted changes) where it runs from a checkout or in an image that was
    built from one, else None. Blocks."""
    version = importlib.metadata.version("vhb-inference-agent")
    if built := _BUILT_FROM.fullmatch(os.environ.get("VHB_COMMIT", "")):
        return {"version": version, "commit": built["commit"], "changed": built["dirty"] is not None}
    here = Path(__file__).resolve()
    # A virtual environment may lie inside somebody else's repository: only files that are tracked there count.
    if _git(here.parent, "ls-files", "--error-unmatch", here.name) is None:
        return {"version": version, "commit": None, "changed": None}
    changes = _git(here.parent, "status", "--porcelain", "--untracked-files=no")
    return {"version": version, "commit": _git(here.parent, "rev-parse", "HEAD"), "changed": bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
