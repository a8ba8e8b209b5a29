"""The annotation folder: what is written comes back, and each bad row says where and what."""

import csv
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vhb_shared.datasets.base import BadRow, ImageSource, Sample
from vhb_shared.datasets.folder import FolderReader
from vhb_shared.datasets.image_problem import ImageProblem
from vhb_shared.datasets.images import read_image
from vhb_shared.errors import UserError

HEADER = ("data_index", "split", "image_path", "question", "answer", "doc_class", "question_type", "answer_bbox")
PASSPORT = ("0", "test", "images/0.png", "Какие серия и номер?", "40 09 123456", "passport", "Серия и номер паспорта")


def read(folder: Path) -> list[Sample | BadRow]:
    return list(FolderReader().read(str(folder), folder))


def samples(folder: Path) -> list[Sample]:
    rows = read(folder)
    assert all(isinstance(row, Sample) for row in rows), rows
    return [row for row in rows if isinstance(row, Sample)]


def bad(folder: Path) -> list[BadRow]:
    return [row for row in read(folder) if isinstance(row, BadRow)]


def test_reads_a_cyrillic_folder(make_folder) -> None:
    folder = make_folder([(*PASSPORT, "[10, 20, 30, 40]"), ("0", "", "images/0.png", "", "", "", "", "")])
    first, second = samples(folder)
    assert (first.index, first.id, first.data_index) == (0, "0", "0")
    assert first.question == "Какие серия и номер?"
    assert first.references == ("40 09 123456",)
    assert (first.doc_class, first.question_type) == ("passport", "Серия и номер паспорта")
    assert first.answer_bbox == "[10, 20, 30, 40]"
    assert first.images[0].path == (folder / "images/0.png").resolve()
    assert (second.id, second.data_index) == ("1", "0")
    assert second.question is None and second.doc_class is None and second.answer_bbox is None
    assert second.references == ("",), "an empty cell is an empty reference"


def test_no_answer_column_means_no_reference(make_folder) -> None:
    folder = make_folder([("images/0.png", "q")], header=("image_path", "question"))
    assert samples(folder)[0].references == ()


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_separator_is_taken_from_the_header(make_folder, delimiter: str) -> None:
    folder = make_folder([(*PASSPORT, "1;2,3")], delimiter=delimiter)
    assert samples(folder)[0].answer_bbox == "1;2,3"


def test_line_numbers_are_those_of_the_file(make_folder) -> None:
    folder = make_folder(
        [
            ("0", "", "images/0.png", "two\nlines\r\nthree", "a\nb", "", "", ""),
            ("1", "", "", "no image", "", "", "", ""),
            ("2", "", "images/1.png", "fine", "", "", "", ""),
        ]
    )
    first, second, third = read(folder)
    assert isinstance(first, Sample) and first.origin.line == 2 and first.question == "two\nlines\r\nthree"
    assert isinstance(second, BadRow) and (second.line, second.column) == (6, "image_path")
    assert isinstance(third, Sample) and third.origin.line == 7
    assert third.id == "2", "a bad row keeps its number"


def test_paths_that_leave_the_folder_are_refused(make_folder, tmp_path: Path) -> None:
    outside = tmp_path / "secret.png"
    outside.write_bytes(b"x")
    names = ("../secret.png", str(outside), "images/link.png", "images/dir/secret.png")
    folder = make_folder([("", "", name, "", "", "", "", "") for name in names])
    (folder / "images/link.png").symlink_to(outside)
    (folder / "images/dir").symlink_to(tmp_path)
    problems = bad(folder)
    assert [row.line for row in problems] == [2, 3, 4, 5]
    assert all("leaves it" in row.expected and row.column == "image_path" for row in problems)


def test_a_sibling_with_the_same_beginning_is_outside(make_folder, tmp_path: Path) -> None:
    (tmp_path / "demo_mini_2").mkdir()
    (tmp_path / "demo_mini_2/0.png").write_bytes(b"x")
    assert len(bad(make_folder([("", "", "../demo_mini_2/0.png", "", "", "", "", "")]))) == 1


def test_back_slashes_of_another_system(make_folder) -> None:
    folder = make_folder([("", "", "images\\0.png", "", "", "", "", "")])
    assert samples(folder)[0].images[0].path == (folder / "images/0.png").resolve()


def test_too_few_and_too_many_cells(make_folder) -> None:
    problems = bad(make_folder([PASSPORT, (*PASSPORT, "", "more")]))
    assert [row.expected for row in problems] == ["expected 8 cells, found 7", "expected 8 cells, found 9"]


def test_missing_column_names_those_found(make_folder) -> None:
    folder = make_folder([("a.png", "q")], header=("imagepath", "question"))
    with pytest.raises(UserError, match=r'no such column "image_path"; found: imagepath, question; nearest.*imagepath'):
        read(folder)


def test_misspelled_optional_column_is_not_dropped_silently(make_folder) -> None:
    folder = make_folder([("images/0.png", "q")], header=("image_path", "qestion"))
    with pytest.raises(UserError, match=r'no such column "question".*"qestion"'):
        read(folder)


def test_doubled_column(make_folder) -> None:
    with pytest.raises(UserError, match='"question" is there twice'):
        read(make_folder([], header=("image_path", "question", "question")))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (bytes(range(256)) * 64, "not a text table"),
        ("image_path;question\n".encode("utf-16"), "is UTF-16"),
        ("image_path;вопрос\na.png;b\n".encode("cp1251"), "UTF-8"),
        (b'image_path;question\na.png;"never closed\nb.png;x\n', "line 2: broken quoting"),
        (b"image_path;question\ra.png;b\rc.png;d\r", "not a text table|broken|no such column"),
    ],
)
def test_what_is_no_table_is_said_so(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "annotation.csv").write_bytes(content)
    with pytest.raises(UserError, match=said):
        read(tmp_path)


def test_wrong_bytes_in_a_row_name_the_line(tmp_path: Path) -> None:
    rows = [b"image_path;question", b"a.png;fine", "b.png;плохо".encode("cp1251"), b"c.png;nul\0", b"d.png;fine"]
    (tmp_path / "annotation.csv").write_bytes(b"\n".join(rows))
    found = read(tmp_path)
    assert [type(row) for row in found] == [Sample, BadRow, BadRow, Sample]
    assert "line 3: is not UTF-8" in str(found[1])
    assert "line 4: holds a NUL byte" in str(found[2])


def test_images_alone_in_natural_order(tmp_path: Path) -> None:
    for name in ("page10.png", "page2.PNG", "page1.jpg", ".hidden.png", "notes.txt", "sub/a.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    rows = samples(tmp_path)
    assert [row.origin.file for row in rows] == ["page1.jpg", "page2.PNG", "page10.png", "sub/a.webp"]
    assert [row.id for row in rows] == ["0", "1", "2", "3"]
    assert all(row.references == () and row.question is None for row in rows)


def test_a_table_of_another_name_is_not_ignored(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"x")
    (tmp_path / "annotations.csv").write_bytes(b"image_path\n0.png\n")
    with pytest.raises(UserError, match=r'"annotations\.csv"; rename it'):
        read(tmp_path)


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="empty data set"):
        read(tmp_path)


CELL = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(CELL, CELL, CELL, CELL, CELL, CELL, CELL), max_size=8),
    delimiter=st.sampled_from(";,"),
    bom=st.booleans(),
    order=st.permutations(HEADER),
)
def test_what_was_written_comes_back(tmp_path: Path, rows, delimiter: str, bom: bool, order: list[str]) -> None:
    columns = [name for name in HEADER if name != "image_path"]
    records = [dict(zip(columns, row, strict=True)) | {"image_path": "0.png"} for row in rows]
    with (tmp_path / "annotation.csv").open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
        writer = csv.DictWriter(file, order, delimiter=delimiter)
        writer.writeheader()
        writer.writerows(records)
    found = samples(tmp_path)
    assert len(found) == len(records)
    starts = _line_starts(tmp_path / "annotation.csv", delimiter)
    for index, (sample, record) in enumerate(zip(found, records, strict=True)):
        assert (sample.index, sample.id) == (index, str(index))
        for name in ("data_index", "split", "question", "doc_class", "question_type", "answer_bbox"):
            assert (getattr(sample, name) or "") == record[name]
        assert sample.references == (record["answer"],)
        assert sample.origin.line == starts[index]


def _line_starts(path: Path, delimiter: str) -> list[int]:
    """Where each row starts, found by writing the rows before it and counting their newlines."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.reader(file, delimiter=delimiter))
    starts, line = [], 1
    for row in table:
        starts.append(line)
        line += 1 + sum(cell.count("\n") for cell in row)
    return starts[1:]


def test_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageProblem, match="not a plain file"):
        read_image(ImageSource(path=tmp_path / "pipe.png", label="pipe.png"))
