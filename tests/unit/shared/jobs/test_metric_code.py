"""Code of metrics as one object: the same bytes for the same code, and nothing outside its folder."""

import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest

from vhb_shared.errors import UserError
from vhb_shared.jobs.metric_code import packed, unpacked


def archive(*names: str, link: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name in names:
            entry = zipfile.ZipInfo(name)
            if link:
                entry.external_attr = 0o120777 << 16
            out.writestr(entry, "x")
    return buffer.getvalue()


def test_code_comes_back_whatever_lies_beside_it(tmp_path: Path) -> None:
    package = tmp_path / "mine"
    (package / "sub" / "__pycache__").mkdir(parents=True)
    (package / "__init__.py").write_text("A = 1")
    (package / "sub" / "b.py").write_text("B = 2")
    first = packed(package, "metric 'm'")
    (package / "sub" / "__pycache__" / "b.pyc").write_bytes(b"0")
    (package / ".hidden").write_text("secret")
    (package / "link.py").symlink_to("/etc/hostname")
    os.utime(package / "__init__.py", (0, 0))
    assert packed(package, "metric 'm'") == first
    target = tmp_path / "out"
    target.mkdir()
    folder = unpacked(first, hashlib.sha256(first).hexdigest(), target)
    assert folder == target / "mine"
    assert {path.relative_to(target).as_posix() for path in target.rglob("*.*")} == {
        "mine/__init__.py",
        "mine/sub/b.py",
    }


def test_one_file_becomes_a_package(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("A = 1")
    data = packed(tmp_path / "mine.py", "metric 'm'")
    out = tmp_path / "out"
    assert (unpacked(data, hashlib.sha256(data).hexdigest(), out) / "__init__.py").read_text() == "A = 1"


@pytest.mark.parametrize("name", ["absent", "notes.txt", "no-package"])
def test_what_is_no_code_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "no-package").mkdir()
    with pytest.raises(UserError, match=f"metric 'm': .*{name}"):
        packed(tmp_path / name, "metric 'm'")


@pytest.mark.parametrize(
    "data",
    [
        archive("a/../../evil.py"),
        archive("/etc/evil.py"),
        archive("top.py"),
        archive("a/x.py", "b/y.py"),
        archive("a\\..\\b/x.py"),
        archive("a/link", link=True),
        archive("no-package/x.py"),
        b"PK not a zip",
    ],
)
def test_hostile_archives_write_nothing_outside(tmp_path: Path, data: bytes) -> None:
    out = tmp_path / "deep" / "out"
    out.mkdir(parents=True)
    with pytest.raises(ValueError, match="it "):
        unpacked(data, hashlib.sha256(data).hexdigest(), out)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and out not in path.parents]


def test_other_content_than_the_digest_says_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="digest"):
        unpacked(archive("a/x.py"), "0" * 64, tmp_path)
