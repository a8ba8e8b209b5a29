"""PDF files, folders of documents, lists of pages: real files, through pinning."""

import io
import json
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.datasets.pdf_pages import render_page
from vhb_shared.datasets.pin import pin_dataset
from vhb_shared.errors import UserError
from vhb_shared.store import layout


def write_pdf(path: Path, pages: int, size: tuple[int, int] = (144, 72)) -> Path:
    """A PDF file of pages in different greys; `size` in points."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = [Image.new("RGB", size, (40 * number, 0, 0)) for number in range(pages)]
    first.save(path, save_all=True, append_images=others, resolution=72)
    return path


def draw(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (0, number, 0)).save(path)


async def pinned(source: DatasetSource | str, store, base: Path | None = None) -> list[dict]:
    ref = await pin_dataset(source, base, store)
    frame = pl.read_parquet(io.BytesIO(store.objects[layout.dataset_samples(ref.digest)]))
    digest = ref.digest
    return [
        {**row, "shown": [store.objects[layout.dataset_media(digest, image)] for image in row["images"]]}
        for row in frame.to_dicts()
    ]


def colours(row: dict) -> list[int]:
    """What pages show, as their brightest channel."""
    return [max(Image.open(io.BytesIO(data)).convert("RGB").getpixel((4, 4))) for data in row["shown"]]


async def test_a_pdf_file_is_a_sample_for_each_page(tmp_path: Path, store) -> None:
    write_pdf(tmp_path / "a.pdf", 3)
    rows = await pinned("a.pdf", store, tmp_path)
    assert [row["id"] for row in rows] == ["0", "1", "2"]
    assert [row["document"] for row in rows] == ["a.pdf"] * 3
    assert [json.loads(row["fields"])["page"] for row in rows] == ["1", "2", "3"]
    assert [abs(colours(row)[0] - 40 * n) <= 3 for n, row in enumerate(rows)] == [True] * 3
    assert Image.open(io.BytesIO(rows[0]["shown"][0])).size == (400, 200), "2 x 1 inches at 200 dpi"


async def test_a_pdf_file_as_one_document_at_another_resolution(tmp_path: Path, store) -> None:
    file = write_pdf(tmp_path / "a.pdf", 3)
    (row,) = await pinned(DatasetSource(source=str(file), options={"per": "document", "dpi": 72}), store)
    assert len(row["images"]) == 3 and Image.open(io.BytesIO(row["shown"][0])).size == (144, 72)
    with pytest.raises(UserError, match=r"option 'dpi' of the data set reader 'pdf'"):
        await pin_dataset(DatasetSource(source=str(file), options={"dpi": 1}), None, store)


def test_a_page_gives_the_same_bytes_again(tmp_path: Path) -> None:
    file = write_pdf(tmp_path / "a.pdf", 2)
    assert render_page(file, 1, 100) == render_page(file, 1, 100)
    assert render_page(file, 0, 100) != render_page(file, 1, 100)


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7\nbroken", b"\x89PNG"])
async def test_what_is_no_pdf(tmp_path: Path, store, content: bytes) -> None:
    (tmp_path / "a.pdf").write_bytes(content)
    with pytest.raises(UserError, match=r'expected a PDF file, "a\.pdf" is none or is damaged'):
        await pin_dataset("a.pdf", tmp_path, store)


async def test_a_page_that_would_be_huge(tmp_path: Path, store) -> None:
    write_pdf(tmp_path / "a.pdf", 1, size=(3000, 3000))
    with pytest.raises(UserError) as caught:
        await pin_dataset(DatasetSource(source="a.pdf", options={"dpi": 600}), tmp_path, store)
    assert "a.pdf, page 1: expected a page of at most 100 megapixels" in caught.value.problems[0]
    assert "lower `dpi`" in caught.value.problems[0]


async def test_a_folder_with_images_and_pdf_files(tmp_path: Path, store) -> None:
    draw(tmp_path / "d/p10.png", 10)
    draw(tmp_path / "d/p2.png", 2)
    write_pdf(tmp_path / "d/p3.pdf", 2)
    rows = await pinned("d", store, tmp_path)
    assert [row["id"] for row in rows] == ["0", "1", "2", "3"]
    assert [row["fields"] for row in rows] == [None, '{"page": "1"}', '{"page": "2"}', None]
    assert [colours(rows[n]) for n in (0, 3)] == [[2], [10]]
    (tmp_path / "d/p3.pdf").write_bytes(b"junk")
    with pytest.raises(UserError, match=r'p3.pdf: expected a PDF file, "p3.pdf" is none'):
        await pin_dataset("d", tmp_path, store)


async def test_a_folder_of_documents(tmp_path: Path, store) -> None:
    for page in (1, 2, 10):
        draw(tmp_path / f"d/contract 2/page{page}.png", page)
    write_pdf(tmp_path / "d/contract 10.pdf", 2)
    draw(tmp_path / "d/letter.png", 77)
    rows = await pinned(DatasetSource(source="d", reader="documents"), store, tmp_path)
    assert [row["id"] for row in rows] == ["contract 2", "contract 10.pdf", "letter.png"]
    assert [row["document"] for row in rows] == [row["id"] for row in rows]
    assert colours(rows[0]) == [1, 2, 10], "natural order, never that of the directory"
    assert [len(row["images"]) for row in rows] == [3, 2, 1]
    (tmp_path / "d/empty").mkdir()
    with pytest.raises(UserError, match='empty: expected a folder with images or PDF files, "empty" has none'):
        await pin_dataset(DatasetSource(source="d", reader="documents"), tmp_path, store)


async def test_annotation_names_folders_pdf_files_pages_and_lists(tmp_path: Path, store) -> None:
    for page in (1, 2, 10):
        draw(tmp_path / f"d/contract/page{page}.png", page)
    write_pdf(tmp_path / "d/a.pdf", 3)
    (tmp_path / "d/annotation.csv").write_text(
        "image_path;question;answer;document;extra\n"
        "contract;q;a;;kept\n"
        "contract/;q2;a;;\n"
        "a.pdf;q;a;mine;\n"
        "a.pdf#page=2;q;a;;\n"
        "['contract/page10.png', 'a.pdf#page=1'];q;a;;\n"
    )
    rows = await pinned("d", store, tmp_path)
    assert [len(row["images"]) for row in rows] == [3, 3, 3, 1, 2]
    assert colours(rows[0]) == [1, 2, 10] and colours(rows[4])[0] == 10
    assert rows[0]["document"] == rows[1]["document"] != rows[3]["document"], "the same pages are the same document"
    assert rows[2]["document"] == "mine"
    assert (rows[0]["fields"], rows[1]["fields"]) == ('{"extra": "kept"}', '{"extra": ""}') or rows[1]["fields"] is None


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("a.pdf#page=9", 'expected one of 3 pages of "a.pdf", found page 9'),
        ("a.pdf#page=0", 'expected one of 3 pages of "a.pdf", found page 0'),
        ("b.pdf", 'expected a PDF file, "b.pdf" does not exist'),
        ("../a.pdf", "leaves it"),
        ("empty", 'expected a folder with images or PDF files, "empty" has none'),
    ],
)
async def test_pages_that_are_not_there(tmp_path: Path, store, cell: str, said: str) -> None:
    write_pdf(tmp_path / "d/a.pdf", 3)
    (tmp_path / "d/empty").mkdir()
    (tmp_path / "d/annotation.csv").write_text(f"image_path;question\n{cell};q\n")
    with pytest.raises(UserError) as caught:
        await pin_dataset("d", tmp_path, store)
    assert caught.value.problems[0].startswith("annotation.csv, line 2, column image_path: ")
    assert said in caught.value.problems[0]


async def test_a_csv_file_is_a_data_set(tmp_path: Path, store) -> None:
    draw(tmp_path / "a.png", 1)
    (tmp_path / "q.csv").write_text(
        "id,image,question,answers,choices,doc_class,note\n"
        'x1,a.png,"two\nlines","[""one"", ""two""]","[\'red\', \'blue\']",form,hi\n'
        "x2,a.png,q,plain,,form,\n",
        encoding="utf-8-sig",
    )
    first, second = await pinned("q.csv", store, tmp_path)
    assert (first["id"], first["question"], first["references"]) == ("x1", "two\nlines", ["one", "two"])
    assert (first["choices"], first["fields"]) == (["red", "blue"], '{"note": "hi"}')
    assert (second["references"], second["choices"], second["fields"]) == (["plain"], [], None)
    (tmp_path / "q.csv").write_text("id,question\n1,q\n")
    with pytest.raises(UserError, match=r'line 1: no such column "image_path"; found: id, question'):
        await pin_dataset("q.csv", tmp_path, store)


async def test_json_lines_with_pages_choices_and_other_keys(tmp_path: Path, store) -> None:
    draw(tmp_path / "doc/p2.png", 2)
    draw(tmp_path / "doc/p10.png", 10)
    row = {"id": "a", "pages": ["doc/p10.png", "doc/p2.png"], "choices": ["x", 2], "document": "doc", "n": {"k": [1]}}
    (tmp_path / "q.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({"image": "doc", "question": "q"}))
    first, second = await pinned("q.jsonl", store, tmp_path)
    assert colours(first) == [10, 2], "the order that is given" and colours(second) == [2, 10]
    assert (first["choices"], first["document"]) == (["x", "2"], "doc")
    assert json.loads(first["fields"]) == {"n": '{"k": [1]}'}


async def test_one_split_of_a_csv_file(tmp_path: Path, store) -> None:
    draw(tmp_path / "a.png", 1)
    (tmp_path / "q.csv").write_text("image_path,split\na.png,val\na.png,test\na.png,val\n")
    rows = await pinned(DatasetSource(source="q.csv", split="val"), store, tmp_path)
    assert [row["id"] for row in rows] == ["0", "2"], "rows keep their numbers"
    with pytest.raises(UserError, match=r'no row has the split "dev"; there are: val, test'):
        await pin_dataset(DatasetSource(source="q.csv", split="dev"), tmp_path, store)


def write_tiff(path: Path, pages: int, mode: str = "RGB") -> Path:
    """A TIFF file of pages in different greys."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = [Image.new("RGB", (8, 8), (40 * number, 0, 0)).convert(mode) for number in range(pages)]
    first.save(path, save_all=True, append_images=others)
    return path


async def test_pages_of_tiff_files_are_pages(tmp_path: Path, store) -> None:
    write_tiff(tmp_path / "alone/b.tiff", 3)
    write_tiff(tmp_path / "alone/c.tif", 1)
    rows = await pinned("alone", store, tmp_path)
    assert [row["document"] for row in rows[:3]] == ["b.tiff"] * 3 and len(rows) == 4
    assert [colours(row) for row in rows] == [[0], [40], [80], [0]]
    assert [json.loads(row["fields"])["page"] for row in rows[:3]] == ["1", "2", "3"]
    assert rows[3]["shown"][0] == (tmp_path / "alone/c.tif").read_bytes(), "a file of one page is sent as it is"
    first, _ = await pinned(DatasetSource(source=str(tmp_path / "alone"), reader="documents"), store)
    assert colours(first) == [0, 40, 80]


async def test_a_cell_names_a_tiff_file_or_one_of_its_pages(tmp_path: Path, store) -> None:
    write_tiff(tmp_path / "d/fax.tif", 2, "1")
    (tmp_path / "d/annotation.csv").write_text("image_path;question\nfax.tif;q\nfax.tif#page=2;q\n")
    both, second = await pinned("d", store, tmp_path)
    assert len(both["images"]) == 2 and second["images"] == both["images"][1:]
    assert Image.open(io.BytesIO(second["shown"][0])).mode == "1"
    (tmp_path / "d/annotation.csv").write_text("image_path;question\nfax.tif#page=3;q\n")
    with pytest.raises(UserError, match=r'expected one of 2 pages of "fax\.tif", found page 3'):
        await pinned("d", store, tmp_path)


async def test_no_page_of_an_embedded_tiff_file_is_dropped_in_silence(tmp_path: Path, store) -> None:
    data = write_tiff(tmp_path / "x.tif", 2).read_bytes()
    pl.DataFrame({"image": [{"bytes": data, "path": None}], "question": ["q"]}).write_parquet(tmp_path / "d.parquet")
    with pytest.raises(UserError, match="is a TIFF file of 2 pages"):
        await pinned("d.parquet", store, tmp_path)
