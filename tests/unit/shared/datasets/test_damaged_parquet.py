"""Parquet that takes the process of its reader with it: another process than ours, and a sentence."""

import os
import signal
from pathlib import Path

import polars as pl
import psutil
import pytest

from vhb_shared.datasets.answers_import import _convert
from vhb_shared.datasets.parquet import ParquetReader
from vhb_shared.datasets.parquet_files import ParquetFiles
from vhb_shared.errors import UserError
from vhb_shared.testing.damaged import ABORTS_ITS_READER


def readers() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "vhb_shared.datasets.parquet_worker" in each.cmdline()]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    rows = [{"image_path": f"{n}.png", "question": "q" * n} for n in range(500)]
    pl.DataFrame(rows).write_parquet(tmp_path / "good.parquet", row_group_size=50)
    return tmp_path / "good.parquet"


def test_a_file_that_aborts_its_reader_is_a_sentence(tmp_path: Path) -> None:
    """A page that says it has 2 EiB: Polars asks for them, and the process ends."""
    path = tmp_path / "d.parquet"
    path.write_bytes(ABORTS_ITS_READER)
    with pytest.raises(UserError, match=r"d\.parquet: .*damaged.*; write it again") as caught:
        list(ParquetReader().read("d", path))
    assert len(caught.value.lines) == 1
    assert not readers()


def test_so_are_answers_in_such_a_file(tmp_path: Path) -> None:
    path = tmp_path / "answers.parquet"
    pl.DataFrame({"id": ["a"], "model_answer": ["b"]}).write_parquet(path)
    data = bytearray(path.read_bytes())
    data[4:40] = b"\xff" * 36
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"answers\.parquet: .*damaged.*; write it again"):
        _convert(path, tmp_path)
    assert not readers()


def test_a_reader_that_is_ended_from_outside_is_a_sentence_and_the_next_file_is_read(good: Path) -> None:
    with ParquetFiles() as files:
        assert list(files.schema(good)) == ["image_path", "question"]
        (reader,) = readers()
        os.kill(reader.pid, signal.SIGKILL)
        with pytest.raises(UserError, match=r"good\.parquet: what reads it broke off \(SIGKILL\).*MiB of memory"):
            list(files.rows(["question"], 64))
        files.schema(good)
        assert [len(row["question"]) for row in files.rows(["question"], 64)] == list(range(500))
    assert not readers()


def test_a_reader_that_says_nothing_is_given_up(good: Path) -> None:
    with ParquetFiles(silence_s=0.5) as files:
        files._silence_s = 60  # its start may take its time
        files.schema(good)
        files._silence_s = 0.5
        (reader,) = readers()
        os.kill(reader.pid, signal.SIGSTOP)
        with pytest.raises(UserError, match=r"good\.parquet: nothing came of reading it for 0\.5 s"):
            list(files.rows(["question"], 64))
    assert not readers()


def test_who_takes_the_first_rows_only_leaves_nobody_reading(good: Path) -> None:
    rows = ParquetReader().read("d", good)
    next(iter(rows))
    assert len(readers()) == 1
    rows.close()  # type: ignore[attr-defined]
    assert not readers()
