"""Whatever bytes a file holds: rows, or a sentence; never another exception."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vhb_shared.datasets.answers_import import _convert
from vhb_shared.datasets.base import BadRow, Sample
from vhb_shared.datasets.folder import FolderReader
from vhb_shared.datasets.jsonl import JsonlReader
from vhb_shared.datasets.prompt_files import read_prompts
from vhb_shared.datasets.tsv import TsvReader
from vhb_shared.datasets.user_config import read_user_config
from vhb_shared.errors import UserError

HEADERS = (
    b"",
    b"image_path;question\n",
    b"index\timage\tquestion\n",
    b"id;model_answer\n",
    b"prompt;doc_class_question_type\n",
    b"dataset;model_name;metrics\n",
    b'{"image": "a.png", ',
)
PIECES = st.lists(
    st.one_of(st.binary(max_size=20), st.sampled_from([b";", b'"', b"\n", b"\r", b"\t", b"\0", b"a.png", b"[", b"{"]))
).map(b"".join)


def _folder(folder: Path) -> None:
    rows = list(FolderReader().read("d", folder))
    assert all(isinstance(row, Sample | BadRow) for row in rows)


def _tsv(folder: Path) -> None:
    list(TsvReader().read("d", folder / "d.tsv"))


def _jsonl(folder: Path) -> None:
    list(JsonlReader().read("d", folder / "d.jsonl"))


def _prompts(folder: Path) -> None:
    for name in ("d.csv", "d.json", "d.yaml", "d.txt"):
        try:
            read_prompts(folder / name)
        except UserError:
            continue


def _answers(folder: Path) -> None:
    (folder / "work").mkdir(exist_ok=True)
    for name in ("d.csv", "d.parquet"):
        try:
            _convert(folder / name, folder / "work")
        except UserError:
            continue


def _config(folder: Path) -> None:
    read_user_config(folder / "d.csv")


@pytest.mark.parametrize("read", [_folder, _tsv, _jsonl, _prompts, _answers, _config])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.sampled_from(HEADERS), rest=PIECES)
def test_junk_is_a_sentence(tmp_path: Path, read: Callable[[Path], None], header: bytes, rest: bytes) -> None:
    for name in ("annotation.csv", "d.csv", "d.tsv", "d.jsonl", "d.json", "d.yaml", "d.txt", "d.parquet"):
        (tmp_path / name).write_bytes(header + rest)
    try:
        read(tmp_path)
    except UserError as error:
        assert str(error)
