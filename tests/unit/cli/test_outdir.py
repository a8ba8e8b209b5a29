"""Where results go is looked at before anything is asked."""

from pathlib import Path

import pytest

from vhb.outdir import check_writable
from vhb_shared.errors import UserError


def test_what_is_new_or_a_folder_will_do(tmp_path: Path) -> None:
    check_writable(None)
    check_writable(tmp_path)
    check_writable(tmp_path / "new" / "deeper")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file; give a folder"):
        check_writable(tmp_path / "file")
    with pytest.raises(UserError, match="cannot be written"):
        check_writable(tmp_path / "file" / "below")


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(UserError, match="allows no new files"):
        check_writable(tmp_path / "new")
