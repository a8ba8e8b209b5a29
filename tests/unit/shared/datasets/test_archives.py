"""Folders packed in one file: read as the folder would be, unpacked once, whole or not at all."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from vhb_shared.datasets.pin import pin_dataset
from vhb_shared.errors import UserError
from vhb_shared.store import layout
from vhb_shared.store.directory import DirectoryStore


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


FILES = {
    "annotation.csv": b"image_path;question;answer\nimages/a.png;q;1\nimages/b.png;q;2\n",
    "images/a.png": png(1),
    "images/b.png": png(2),
}


@pytest.fixture(autouse=True)
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VHB_SOURCES_DIR", str(tmp_path / "sources"))
    monkeypatch.delenv("VHB_SOURCE_GIB", raising=False)
    return tmp_path / "sources"


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def taped(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def refused(path: Path, store: DirectoryStore) -> str:
    with pytest.raises(UserError) as caught:
        await pin_dataset(str(path), None, store)
    return str(caught.value)


@pytest.mark.parametrize(("name", "mode"), [("d.zip", ""), ("d.tar", "w"), ("d.tar.gz", "w:gz"), ("D.TGZ", "w:gz"),
                                            ("d.tar.xz", "w:xz")])  # fmt: skip
async def test_it_is_the_folder(name: str, mode: str, tmp_path: Path, store: DirectoryStore, sources: Path) -> None:
    folder = tmp_path / "plain"
    for file, data in FILES.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(data)
    inside = {f"set-2/{file}": data for file, data in FILES.items()} | {"__MACOSX/set-2/._a.png": b"x"}
    path = taped(tmp_path / name, inside, mode) if mode else zipped(tmp_path / name, inside)
    ref = await pin_dataset(str(path), None, store)
    assert ref.name == name.partition(".")[0] and ref.source == str(path)
    assert ref.digest == (await pin_dataset(str(folder), None, store)).digest
    frame = pl.read_parquet(await store.get(layout.dataset_samples(ref.digest)))
    assert frame["references"].to_list() == [["1"], ["2"]]
    (unpacked,) = (sources / "unpacked").iterdir()
    changed = unpacked.stat().st_ctime_ns
    await pin_dataset(str(path), None, store)
    assert [each.stat().st_ctime_ns for each in (sources / "unpacked").iterdir()] == [changed], "unpacked once"


@pytest.mark.parametrize("evil", ["../evil.png", "/evil.png", "a/../../evil.png", "..\\evil.png", "C:/evil.png"])
async def test_names_that_leave_the_folder(evil: str, tmp_path: Path, store: DirectoryStore, sources: Path) -> None:
    for path in (zipped(tmp_path / "d.zip", FILES | {evil: b"x"}), taped(tmp_path / "d.tar", FILES | {evil: b"x"})):
        assert "which leaves its folder" in await refused(path, store)
    assert not [path for path in files_below(tmp_path) if path.name == "evil.png"]
    assert not list((sources / "unpacked").iterdir())


async def test_links_and_devices(tmp_path: Path, store: DirectoryStore) -> None:
    path = tmp_path / "d.tar"
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("images")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(link)
    assert '"images", which is no plain file' in await refused(path, store)
    path = tmp_path / "d.zip"
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("images")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc")
    assert '"images", which is no plain file' in await refused(path, store)


async def test_a_bomb(tmp_path: Path, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch, sources: Path) -> None:
    path = zipped(tmp_path / "d.zip", FILES | {"zeros.bin": bytes(20 << 20)})
    assert path.stat().st_size < 1 << 20
    monkeypatch.setenv("VHB_SOURCE_GIB", "0.01")
    assert "takes more than VHB_SOURCE_GIB allows (0.01)" in await refused(path, store)
    assert not list((sources / "unpacked").iterdir()), "nothing is left of it"


async def test_what_is_damaged(tmp_path: Path, store: DirectoryStore) -> None:
    (tmp_path / "junk.zip").write_bytes(b"not a zip file")
    (tmp_path / "junk.tar.gz").write_bytes(b"\x1f\x8bnot a tape")
    whole = taped(tmp_path / "whole.tar.gz", FILES | {"noise.bin": bytes(range(256)) * 400}, "w:gz").read_bytes()
    (tmp_path / "half.tar.gz").write_bytes(whole[: len(whole) // 2])
    for name in ("junk.zip", "junk.tar.gz", "half.tar.gz"):
        assert "damaged or of an unknown kind" in await refused(tmp_path / name, store), name
    clash = taped(tmp_path / "clash.tar", {"a": b"x", "a/b.png": png(1)})
    assert "names that cannot be used here" in await refused(clash, store)


async def test_the_only_table_in_it_is_the_data_set(tmp_path: Path, store: DirectoryStore) -> None:
    lines = b'{"id": "x", "image": "images/a.png"}\n{"id": "y", "image": "images/b.png"}\n'
    files = {"set/rows.jsonl": lines} | {f"set/{name}": FILES[name] for name in ("images/a.png", "images/b.png")}
    ref = await pin_dataset(str(zipped(tmp_path / "set.zip", files)), None, store)
    frame = pl.read_parquet(await store.get(layout.dataset_samples(ref.digest)))
    assert frame["id"].to_list() == ["x", "y"] and ref.name == "set"
    two = zipped(tmp_path / "two.zip", files | {"set/other.csv": b"image_path\n"})
    with pytest.raises(UserError, match=r"no annotation.csv, but there is \"other.csv\""):
        await pin_dataset(str(two), None, store)
