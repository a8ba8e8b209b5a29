"""An empty storage, and caches of a test's own, so that nothing was fetched before."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from vhb_shared.store.base import ObjectStore
from vhb_shared.store.directory import DirectoryStore


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return DirectoryStore(tmp_path / "store")


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VHB_SOURCES_DIR", str(tmp_path / "sources"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "VHB_SOURCE_GIB"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "sources"
