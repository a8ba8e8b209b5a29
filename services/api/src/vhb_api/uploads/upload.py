"""One upload on disk."""

import asyncio
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

ABOUT = "upload.json"
UNPACKED = "unpacked"
"""The folder beside an upload's files for what its archives hold."""
NEW_S = 600.0
"""A folder without `ABOUT` may be one that is just being made."""


@dataclass
class Upload:
    """One user's files. Only the event loop changes it."""

    upload_id: str
    owner: str
    """The token that made it."""
    name: str
    made_at: datetime
    root: Path
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of each file."""
    bytes: int = 0
    """Of all its files, those that are just arriving and what was unpacked of them included."""
    readers: int = 0
    unpacking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def folder(self) -> Path:
        """Where its files are; named as the user named it, as data sets are called by their folder."""
        return self.root / "files" / self.name

    @contextmanager
    def reading(self) -> Iterator["Upload"]:
        """It is not removed meanwhile."""
        self.readers += 1
        try:
            yield self
        finally:
            self.readers -= 1
            self.touch()

    def touch(self) -> None:
        """It was used now."""
        with suppress(OSError):
            os.utime(self.root / ABOUT)


def slug(name: str) -> str:
    """A name as a folder's."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "data"


def read_upload(root: Path) -> Upload | None:
    """An upload that an earlier process made; None where there is none. Blocks."""
    try:
        about = json.loads((root / ABOUT).read_text())
        made_at = datetime.fromisoformat(about["made_at"])
        upload = Upload(root.name, about["owner"], about["name"], made_at, root)
    except (OSError, ValueError, KeyError):
        return None
    for folder, _, names in os.walk(upload.folder):
        for name in names:
            path = Path(folder, name)
            upload.sizes[path.relative_to(upload.folder).as_posix()] = _size(path)
    unpacked = (Path(folder, name) for folder, _, names in os.walk(root / UNPACKED) for name in names)
    upload.bytes = sum(upload.sizes.values()) + sum(map(_size, unpacked))
    return upload


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # removed just now


def all_folders(root: Path) -> list[tuple[Path, float | None]]:
    """Folders with the time of their last use; none where it is no upload. Blocks."""
    if not root.is_dir():
        return []
    found: list[tuple[Path, float | None]] = []
    for folder in root.iterdir():
        used: float | None
        try:
            used = (folder / ABOUT).stat().st_mtime
        except OSError:
            try:
                made = folder.stat().st_mtime
            except FileNotFoundError:
                continue  # removed just now
            # One that is just being made has none yet.
            used = time.time() if time.time() - made < NEW_S else None
        found.append((folder, used))
    return found
