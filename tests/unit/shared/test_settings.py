"""Settings from the environment, under the names users rely on."""

import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from vhb_shared.errors import UserError
from vhb_shared.settings import BusSettings, LogSettings, RegistrySettings, StoreSettings, settings_error
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.store.open import open_store
from vhb_shared.store.s3 import S3Store


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("VHB_"):
            monkeypatch.delenv(name)


def test_bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    creds = tmp_path / "creds.json"
    creds.write_text(json.dumps({"user": "agent", "password": "hunter2"}))
    monkeypatch.setenv("VHB_NATS_URL", "nats://host:1")
    monkeypatch.setenv("VHB_NATS_CREDS", str(creds))
    settings = BusSettings()
    found = settings.credentials()
    assert settings.nats_url == "nats://host:1"
    assert found is not None
    assert (found.user, found.password.get_secret_value()) == ("agent", "hunter2")
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize("content", ["", "hunter2", '{"user": "a"}', '["hunter2"]', '{"user": 1, "password": []}'])
def test_bad_credentials_file(tmp_path: Path, content: str) -> None:
    creds = tmp_path / "creds.json"
    creds.write_text(content)
    with pytest.raises(UserError, match="VHB_NATS_CREDS") as caught:
        BusSettings(nats_creds=creds).credentials()
    assert "hunter2" not in str(caught.value)
    with pytest.raises(UserError, match="cannot be read"):
        BusSettings(nats_creds=tmp_path / "missing").credentials()


def test_store_by_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="VHB_STORE_DIR"):
        open_store(StoreSettings())
    monkeypatch.setenv("VHB_STORE_DIR", str(tmp_path))
    assert isinstance(open_store(StoreSettings()), DirectoryStore)
    monkeypatch.setenv("VHB_S3_ENDPOINT", "https://minio.example:9000")
    with pytest.raises(UserError, match="VHB_S3_ACCESS_KEY and VHB_S3_SECRET_KEY"):
        open_store(StoreSettings())
    monkeypatch.setenv("VHB_S3_ACCESS_KEY", "someone")
    monkeypatch.setenv("VHB_S3_SECRET_KEY", "hunter2")
    monkeypatch.setenv("VHB_S3_BUCKET", "results")
    store = open_store(StoreSettings())
    assert isinstance(store, S3Store)
    assert repr(store) == "S3Store('https://minio.example:9000', 'results')"
    assert "hunter2" not in repr(StoreSettings())


@pytest.mark.parametrize("endpoint", ["ftp://host", "http://host/path", "http://", "http://user:pw@host"])
def test_bad_endpoint(endpoint: str) -> None:
    settings = StoreSettings.model_validate({"s3_endpoint": endpoint, "s3_access_key": "a", "s3_secret_key": "b"})
    with pytest.raises(UserError, match="VHB_S3_ENDPOINT"):
        open_store(settings)


def test_registry_dirs_are_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RegistrySettings().registry_dirs == ()
    monkeypatch.setenv("VHB_REGISTRY_DIRS", os.pathsep.join(["/a", "/b c"]))
    assert RegistrySettings().registry_dirs == (Path("/a"), Path("/b c"))


def test_log_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VHB_LOG_FORMAT", "json")
    monkeypatch.setenv("VHB_LOG_LEVEL", "debug")
    assert (LogSettings().log_format, LogSettings().log_level) == ("json", "DEBUG")
    monkeypatch.setenv("VHB_LOG_FORMAT", "xml")
    with pytest.raises(ValidationError) as caught:
        LogSettings()
    assert str(settings_error(caught.value)).startswith("VHB_LOG_FORMAT: Input should be 'json' or 'console'")
