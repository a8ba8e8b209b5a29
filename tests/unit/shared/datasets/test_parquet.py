"""Parquet files, alone and laid out as the hub does, through pinning."""

import base64
import hashlib
import io
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.datasets.pin import load_manifest, pin_dataset
from vhb_shared.errors import UserError
from vhb_shared.store import layout


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 0)).save(buffer, format="PNG")
    return buffer.getvalue()


def name(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}.png"


def write(path: Path, rows: list[dict], schema: dict | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, schema=schema, infer_schema_length=None).write_parquet(path, row_group_size=2)
    return path


def picture(number: int, path: str | None = None) -> dict:
    return {"bytes": png(number), "path": path}


async def rows_of(source: DatasetSource, store, **options) -> list[dict]:
    ref = await pin_dataset(source, None, store, **options)
    return pl.read_parquet(io.BytesIO(store.objects[layout.dataset_samples(ref.digest)])).to_dicts()


async def refused(source: DatasetSource, store) -> str:
    with pytest.raises(UserError) as caught:
        await pin_dataset(source, None, store)
    return "\n".join(caught.value.problems)


async def test_images_of_every_form(tmp_path: Path, store) -> None:
    (tmp_path / "beside.png").write_bytes(png(9))
    forms = {
        "struct.parquet": [{"image": picture(1), "question": "q"}],
        "binary.parquet": [{"image": png(1), "question": "q"}],
        "list.parquet": [{"images": [picture(1), picture(2)], "question": "q"}],
        "path.parquet": [{"image": {"bytes": None, "path": "beside.png"}}, {"image": picture(1)}],
        "text.parquet": [{"image_path": "beside.png"}],
        "base64.parquet": [{"image": f"data:image/png;base64,{base64.b64encode(png(1)).decode()}"}],
    }
    expected = {
        "struct.parquet": [[name(png(1))]],
        "binary.parquet": [[name(png(1))]],
        "list.parquet": [[name(png(1)), name(png(2))]],
        "path.parquet": [[name(png(9))], [name(png(1))]],
        "text.parquet": [[name(png(9))]],
        "base64.parquet": [[name(png(1))]],
    }
    for file, rows in forms.items():
        source = DatasetSource(source=str(write(tmp_path / file, rows)))
        assert [row["images"] for row in await rows_of(source, store)] == expected[file], file


async def test_columns_are_typed_kept_and_bytes_are_not(tmp_path: Path, store) -> None:
    rows = [
        {
            "id": 7, "image": picture(1), "question": "q", "answers": ["a", "b"], "choices": ["x", "y"],
            "document": "d1", "score": 1.5, "tags": ["t"], "mask": b"\x00", "other_image": picture(2), "none": None,
        }
    ]  # fmt: skip
    (row,) = await rows_of(DatasetSource(source=str(write(tmp_path / "a.parquet", rows))), store)
    assert (row["id"], row["references"], row["choices"], row["document"]) == ("7", ["a", "b"], ["x", "y"], "d1")
    assert row["fields"] == '{"score": "1.5", "tags": "[\\"t\\"]"}'


async def test_a_mapping_of_columns(tmp_path: Path, store) -> None:
    truth = '{"gt_parse": {"total": {"price": "1,000"}}, "meta": {"kind": "receipt"}}'
    file = write(
        tmp_path / "a.parquet",
        [
            {
                "n": 5,
                "page_1": picture(1),
                "page_2": picture(2),
                "query": "?",
                "A": "x",
                "B": "nan",
                "gt": truth,
                "z": 1,
            },
            {"n": 6, "page_1": picture(1), "page_2": None, "query": "!", "A": "x", "B": "y", "gt": truth, "z": 2},
        ],
    )
    source = DatasetSource(
        source=str(file),
        columns={
            "id": "n", "images": ("page_1", "page_2"), "question": "query", "choices": ("A", "B"),
            "references": "gt.gt_parse", "doc_class": "gt.meta.kind",
        },
        fields=("z",),
        empty=("nan",),
        box_format="xywh",
    )  # fmt: skip
    first, second = await rows_of(source, store)
    assert (first["id"], first["question"], first["doc_class"]) == ("5", "?", "receipt")
    assert first["images"] == [name(png(1)), name(png(2))] and second["images"] == [name(png(1))]
    assert first["choices"] == ["x"] and second["choices"] == ["x", "y"]
    assert first["references"] == ['{"total": {"price": "1,000"}}']
    assert first["fields"] == '{"z": "1"}'
    ref = await pin_dataset(source, None, store)
    manifest = await load_manifest(ref.digest, store)
    assert ref.box_format == "xywh" and manifest.how == source and manifest.dataset.box_format == "xywh"
    other = await pin_dataset(source.model_copy(update={"box_format": "xyxy"}), None, store)
    assert other.digest != ref.digest, "the same boxes in another convention are other data"


async def test_a_mapping_that_fits_nothing(tmp_path: Path, store) -> None:
    file = write(tmp_path / "a.parquet", [{"image": picture(1), "query": "?"}])
    said = await refused(DatasetSource(source=str(file), columns={"question": "qeury"}), store)
    assert 'no column "qeury" (named by `columns: question`); found: image, query' in said
    assert 'did you mean "query"?' in said
    lines = tmp_path / "a.jsonl"
    (tmp_path / "a.png").write_bytes(png(1))
    lines.write_text('{"image": "a.png", "query": "?"}\n')
    assert 'no column "qeury"' in await refused(DatasetSource(source=str(lines), columns={"question": "qeury"}), store)


async def test_bad_rows_name_file_row_and_column(tmp_path: Path, store) -> None:
    rows = [picture(1), {"bytes": b"junk", "path": None}, {"bytes": None, "path": "../x.png"}, None]
    file = write(tmp_path / "a.parquet", [{"image": row, "question": "q"} for row in rows])
    said = (await refused(DatasetSource(source=str(file)), store)).splitlines()
    assert [line.partition(":")[0] for line in said] == [f"a.parquet, row {n}, column image" for n in (2, 3, 4)]
    assert "damaged" in said[0] and "leaves it" in said[1] and "found an empty cell" in said[2]
    (row,) = await rows_of(DatasetSource(source=str(file)), store, skip_bad_rows=True)
    assert row["index"] == 0


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"not parquet at all" * 100])
async def test_what_is_no_parquet(tmp_path: Path, store, content: bytes) -> None:
    file = tmp_path / "a.parquet"
    file.write_bytes(content)
    assert "is not a Parquet file, or is damaged" in await refused(DatasetSource(source=str(file)), store)


async def test_a_file_cut_short_or_changed_in_the_middle(tmp_path: Path, store) -> None:
    file = write(tmp_path / "a.parquet", [{"image": picture(n), "question": "q" * n} for n in range(200)])
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert "is not a Parquet file, or is damaged" in await refused(DatasetSource(source=str(file)), store)
    file.write_bytes(whole[: len(whole) // 3] + bytes(4000) + whole[len(whole) // 3 + 4000 :])
    assert await refused(DatasetSource(source=str(file)), store)


def hub(root: Path, *, card: bool = False) -> Path:
    for config in ("one", "two"):
        for part in range(2):
            rows = [{"id": f"{config}-{part}", "image": picture(part), "question": config}]
            write(root / config / f"validation-0000{part}-of-00002.parquet", rows)
        write(root / config / "test-00000-of-00001.parquet", [{"id": "t", "image": picture(7), "question": "t"}])
    if card:
        (root / "README.md").write_text(
            "---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: val, path: one/validation-*}\n---\n# A\n"
        )
    return root


async def test_a_folder_as_on_the_hub(tmp_path: Path, store) -> None:
    folder = str(hub(tmp_path / "set"))
    rows = await rows_of(DatasetSource(source=folder, config="one", split="validation"), store)
    assert [(row["id"], row["split"]) for row in rows] == [("one-0", "validation"), ("one-1", "validation")]
    both = DatasetSource(source=folder, config="*", split="validation", columns={"doc_class": "_config"})
    rows = await rows_of(both, store)
    assert [row["doc_class"] for row in rows] == ["one", "one", "two", "two"]
    assert [row["index"] for row in rows] == [0, 1, 2, 3]
    assert "several configurations, name one (or *): one, two" in await refused(DatasetSource(source=folder), store)
    said = await refused(DatasetSource(source=folder, config="one"), store)
    assert "several splits, name one: test, validation" in said
    said = await refused(DatasetSource(source=folder, config="one", split="vaildation"), store)
    assert 'no split "vaildation"; there are: test, validation; did you mean "validation"?' in said


async def test_the_card_says_which_files(tmp_path: Path, store) -> None:
    folder = str(hub(tmp_path / "set", card=True))
    rows = await rows_of(DatasetSource(source=folder), store)
    assert [(row["id"], row["split"]) for row in rows] == [("one-0", "val"), ("one-1", "val")]


async def test_missing_parts_are_not_a_smaller_data_set(tmp_path: Path, store) -> None:
    folder = hub(tmp_path / "set")
    (folder / "one/validation-00001-of-00002.parquet").unlink()
    said = await refused(DatasetSource(source=str(folder), config="one", split="validation"), store)
    assert '1 of the 2 files of "validation" are there; fetch the rest' in said


async def test_rows_of_one_split(tmp_path: Path, store) -> None:
    rows = [{"image": picture(n), "split": "val" if n % 2 else "test"} for n in range(4)]
    file = write(tmp_path / "a.parquet", rows)
    assert [row["id"] for row in await rows_of(DatasetSource(source=str(file), split="val"), store)] == ["1", "3"]
    assert 'no row has the split "dev"' in await refused(DatasetSource(source=str(file), split="dev"), store)
    write(tmp_path / "b.parquet", [{"image": picture(1)}])
    said = await refused(DatasetSource(source=str(tmp_path / "b.parquet"), split="val"), store)
    assert 'has no column "split"' in said


async def test_options_of_a_reader_are_checked(tmp_path: Path, store) -> None:
    file = str(write(tmp_path / "a.parquet", [{"image": picture(1)}]))
    said = await refused(DatasetSource(source=file, options={"dppi": 3}), store)
    assert "option 'dppi' of the data set reader 'parquet'" in said and "options are: dpi" in said
    said = await refused(DatasetSource(source=file, reader="parket"), store)
    assert "parquet" in said
    said = await refused(DatasetSource(source=file, reader="pdf"), store)
    assert "its reader 'pdf' expects a .pdf file" in said
