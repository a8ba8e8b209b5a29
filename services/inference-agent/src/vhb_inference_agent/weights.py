"""Which weights an engine loaded, by their hashes: of a folder, or of a snapshot in the cache of the model hub."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vhb_shared.contracts.job import ModelEntry

_WEIGHTS = (".safetensors", ".bin", ".gguf", ".pt", ".pth", ".onnx", ".npz")
_OTHERS = ("config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json", "chat_template.jinja")
MOST_BYTES = 64 << 30
"""What a folder may hold to be hashed: about a minute of reading; known hashes cost nothing."""
_MOST_FILES = 500
_CHUNK = 16 << 20
_COMMIT = re.compile(r"^[0-9a-f]{40}$")
_HASH = re.compile(r"^[0-9a-f]{40}$|^[0-9a-f]{64}$")


def describe_weights(model: ModelEntry, hub: Path, known: Path) -> dict[str, Any]:
    """Plain JSON values: `{"folder"|"commit": ..., "files": {name: {...}}}`, or `{"unknown": why}`.

    Files of the hub's snapshots are named by the hub's own etag: the sha256 of large files, git's hash of small ones.
    Blocks, the first time for as long as it takes to read a folder: call it in a thread. Raises nothing.

    Args:
        model: The entry.
        hub: The hub's cache on this host (`hub` below its home).
        known: File that remembers hashes by path, size and time of change.
    """
    try:
        if Path(model.served_model).is_absolute():
            return _of_folder(Path(model.served_model), known)
        return _of_snapshot(model.served_model, model.revision or "main", hub)
    except OSError as error:
        return {"unknown": f"the files cannot be read: {error.strerror or error}"}


def _of_folder(folder: Path, known: Path) -> dict[str, Any]:
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and _counts(path.name)][:_MOST_FILES]
    remembered = _read(known)
    stats = {path: path.stat() for path in files}
    keys = {path: f"{path}|{stat.st_size}|{stat.st_mtime_ns}" for path, stat in stats.items()}
    missing = sum(stats[path].st_size for path in files if keys[path] not in remembered)
    if missing > MOST_BYTES:
        return {"folder": str(folder), "unknown": f"{missing >> 30} GiB are too much to hash at the start of a run"}
    found = {}
    for path in files:
        digest = remembered.get(keys[path]) or _sha256(path)
        remembered[keys[path]] = digest
        found[path.name] = {"sha256": digest, "bytes": stats[path].st_size}
    if missing:
        _write(known, remembered)
    return {"folder": str(folder), "files": found}


def _of_snapshot(name: str, revision: str, hub: Path) -> dict[str, Any]:
    repository = hub / f"models--{name.replace('/', '--')}"
    if not repository.is_dir():
        return {"unknown": f"this host's cache of the model hub does not hold {name}"}
    reference = repository / "refs" / revision
    commit = revision if _COMMIT.match(revision) else reference.read_text().strip() if reference.is_file() else ""
    if not _COMMIT.match(commit):
        return {"unknown": f"this host's cache does not say which commit {revision!r} of {name} is"}
    snapshot = repository / "snapshots" / commit
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(snapshot.rglob("*"))[: 10 * _MOST_FILES]:
        if not _counts(path.name) or not path.is_file() or len(found) == _MOST_FILES:
            continue
        etag = path.resolve().name
        about: dict[str, Any] = {"etag": etag} if _HASH.match(etag) else {"etag": None}
        found[path.relative_to(snapshot).as_posix()] = {**about, "bytes": path.stat().st_size}
    return {"commit": commit, "files": found}


def _counts(name: str) -> bool:
    return name.endswith(_WEIGHTS) or name in _OTHERS


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _read(known: Path) -> dict[str, str]:
    try:
        content = json.loads(known.read_text())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}


def _write(known: Path, remembered: Mapping[str, str]) -> None:
    """Whole or not at all; another agent of the host may write at the same time, and one of both is kept."""
    partial = known.with_name(f"{known.name}.{os.getpid()}")
    try:
        known.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(dict(list(remembered.items())[-4 * _MOST_FILES :])))
        partial.replace(known)
    except OSError:
        partial.unlink(missing_ok=True)
