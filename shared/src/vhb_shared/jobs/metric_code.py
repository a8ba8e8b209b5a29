"""The code of a metric entry as one object: packed where the user is, unpacked where it runs."""

import hashlib
import io
import stat
import zipfile
from pathlib import Path, PurePosixPath

from vhb_shared.errors import UserError

STORED = "sha256:"
"""Before the digest of code that is in object storage."""
_MAX_BYTES = 32 << 20
_MAX_FILES = 2000


def packed(path: Path, whose: str) -> bytes:
    """A zip file whose bytes depend on names and contents only; its one folder is the package.

    Args:
        path: a folder, or one file of Python, which becomes a package of its name.
        whose: for messages: `metric 'x'`.

    Raises:
        UserError: it is neither, empty, or larger than code is.
    """
    files = _files(path, whose)
    if len(files) > _MAX_FILES or sum(file.stat().st_size for file in files.values()) > _MAX_BYTES:
        raise UserError(
            f"{whose}: {path} holds more than {_MAX_FILES} files or {_MAX_BYTES >> 20} MiB: make it a package of its "
            "own and name it in `packages`."
        )
    buffer = io.BytesIO()
    # Not compressed: what a compressor makes of the same bytes differs between its versions.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, file in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), file.read_bytes())
    return buffer.getvalue()


def _files(path: Path, whose: str) -> dict[str, Path]:
    if path.is_file() and path.suffix == ".py":
        name, found = path.stem, {f"{path.stem}/__init__.py": path}
    elif path.is_dir():
        name = path.resolve().name
        inside = [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
        parts = {file: file.relative_to(path).parts for file in inside}
        found = {
            "/".join((name, *parts[file])): file
            for file in inside
            if not any(part.startswith(".") or part == "__pycache__" for part in parts[file])
        }
    else:
        raise UserError(
            f"{whose}: `path` names {str(path)!r}, which is neither a folder nor a .py file: check the path."
        )
    if not name.isidentifier() or not found:
        raise UserError(f"{whose}: {path} is no Python package: its name is what is imported, and it holds files.")
    return found


def unpacked(data: bytes, digest: str, folder: Path) -> Path:
    """Unpacks what `packed` made into `folder`, which is empty.

    Returns:
        The package's folder.

    Raises:
        ValueError: the content is not what the digest says, or not what `packed` makes.
    """
    if hashlib.sha256(data).hexdigest() != digest:
        raise ValueError("its content does not match its digest")
    tops: set[str] = set()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > _MAX_FILES or sum(entry.file_size for entry in entries) > _MAX_BYTES:
                raise ValueError("it is larger than code is")
            for entry in entries:
                name = PurePosixPath(entry.filename)
                if name.is_absolute() or len(name.parts) < 2 or {"..", "."} & set(name.parts) or "\\" in entry.filename:
                    raise ValueError(f"it has the file name {entry.filename!r}")
                if stat.S_ISLNK(entry.external_attr >> 16) or entry.is_dir():
                    raise ValueError("it holds something that is not a file")
                tops.add(name.parts[0])
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(entry))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"it is no zip file ({error})") from error
    if len(tops) != 1 or not all(top.isidentifier() for top in tops):
        raise ValueError("it does not hold one package")
    return folder / tops.pop()
