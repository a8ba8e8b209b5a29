"""Built-in benchmarks: each entry reads small data with the columns of the published data set, from a hub."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from vhb_shared.datasets.pin import load_manifest, pin_dataset
from vhb_shared.datasets.prompts import render_prompt
from vhb_shared.datasets.selection import select_samples
from vhb_shared.registry.registry import Registry
from vhb_shared.settings import RegistrySettings
from vhb_shared.store import layout
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.hub import running_hub

SHORT = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."


def picture(number: int) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 3, 7)).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": f"{number}.png"}


def parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)


def docvqa(root: Path) -> None:
    row = {
        "questionId": "49153", "question": "What is the total?", "question_types": ["form", "table/list"],
        "image": picture(1), "docId": 14465, "ucsf_document_id": "pybv0228", "ucsf_document_page_no": "81",
        "answers": ["0.28", "$0.28"], "data_split": "val",
    }  # fmt: skip
    parquet(root / "lmms-lab/DocVQA/DocVQA/validation-00000-of-00001.parquet", [row, {**row, "questionId": "49154"}])
    parquet(root / "lmms-lab/DocVQA/DocVQA/test-00000-of-00001.parquet", [{**row, "answers": None}])


def infographicvqa(root: Path) -> None:
    row = {
        "questionId": "98313", "question": "Which network?", "answers": ["pinterest"], "answer_type": ["single span"],
        "image": picture(2), "image_url": "https://example.org/a.jpg", "operation/reasoning": None, "ocr": "{}" * 9,
        "data_split": "val",
    }  # fmt: skip
    parquet(root / "lmms-lab/DocVQA/InfographicVQA/validation-00000-of-00001.parquet", [row])


def chartqa(root: Path) -> None:
    rows = [
        {"type": "human_test", "question": "How many?", "answer": "14", "image": picture(1)},
        {"type": "augmented_test", "question": "Which?", "answer": "[0.57, 0.06]", "image": picture(2)},
    ]
    parquet(root / "lmms-lab/ChartQA/data/test-00000-of-00001.parquet", rows)


def textvqa(root: Path) -> None:
    row = {
        "image_id": "003a8ae2", "question_id": 34602, "question": "what brand?", "question_tokens": ["what", "brand"],
        "image": picture(1), "image_width": 8, "image_height": 8, "flickr_original_url": "u", "flickr_300k_url": "u",
        "answers": ["nous"] * 8 + ["dakota"] * 2, "image_classes": ["camera"], "set_name": "val",
        "ocr_tokens": ["DAKOTA"],
    }  # fmt: skip
    parquet(root / "lmms-lab/textvqa/data/validation-00000-of-00001.parquet", [row])
    parquet(root / "lmms-lab/textvqa/data/train-00000-of-00001.parquet", [row])


def ocrbench(root: Path) -> None:
    row = {
        "dataset": "IIIT5K", "image": picture(1), "question": "what is written in the image?",
        "question_type": "Regular Text Recognition", "answer": ["CENTRE"],
    }  # fmt: skip
    parquet(root / "echo840/OCRBench/data/test-00000-of-00001.parquet", [row])


def mmmu(root: Path) -> None:
    def row(subject: str, number: int, kind: str) -> dict[str, Any]:
        images = {f"image_{n}": picture(n) if n <= number else None for n in range(1, 8)}
        return {
            "id": f"validation_{subject}_{number}", "question": "<image 1> Which?", "explanation": "",
            "options": "['$1', \"it's 2\"]" if kind == "multiple-choice" else "[]", **images, "img_type": "['Tables']",
            "answer": "B" if kind == "multiple-choice" else "['7', '7.0']", "topic_difficulty": "Easy",
            "question_type": kind, "subfield": "Costs",
        }  # fmt: skip

    for subject in ("Accounting", "Art"):
        rows = [row(subject, 1, "multiple-choice"), row(subject, 3, "open")]
        parquet(root / f"MMMU/MMMU/{subject}/validation-00000-of-00001.parquet", rows)
        parquet(root / f"MMMU/MMMU/{subject}/dev-00000-of-00001.parquet", rows)


def mmbench(root: Path) -> None:
    row = {
        "index": 241, "question": "Which is larger?", "hint": "Look.", "answer": "A", "A": "the cat", "B": "the dog",
        "C": "nan", "D": "nan", "category": "attribute_comparison", "image": picture(1), "source": "s",
        "comment": "nan", "L2-category": "fine", "split": "dev",
    }  # fmt: skip
    rows = [row, {**row, "index": 242, "hint": "nan", "C": "both", "D": "none"}]
    parquet(root / "lmms-lab/MMBench/en/dev-00000-of-00001.parquet", rows)
    parquet(root / "lmms-lab/MMBench/cn/dev-00000-of-00001.parquet", rows)


def cord(root: Path) -> None:
    truth = {"gt_parse": {"menu": [{"nm": "Nasi", "price": "75,000"}], "total": {"total_price": "75,000"}}, "meta": {}}
    row = {"image": picture(1), "ground_truth": json.dumps(truth)}
    parquet(root / "naver-clova-ix/cord-v2/data/test-00000-of-00001-9c204eb3f4e11791.parquet", [row])


def mp_docvqa(root: Path) -> None:
    row = {
        "questionId": "24581", "question": "What date?", "page_ids": "['a_p0', 'a_p1']", "doc_id": "pybv0228",
        "answers": "['1/8/93']", "answer_page_idx": "1", "data_split": "val",
        **{f"image_{n}": picture(n) if n < 3 else None for n in range(1, 21)},
    }  # fmt: skip
    parquet(root / "lmms-lab/MP-DocVQA/data/val-00000-of-00001.parquet", [row])


def omnidocbench(root: Path) -> None:
    blocks = [
        {"category_type": "text_block", "order": 2, "text": "Body.", "poly": [0] * 8},
        {"category_type": "title", "order": 1, "text": "Head"},
        {"category_type": "table", "order": 3, "html": "<table></table>"},
        {"category_type": "equation_isolated", "order": 4, "latex": "$$x$$"},
        {"category_type": "page_number", "order": 5, "text": "9"},
        {"category_type": "text_block", "order": None, "text": "not in order"},
    ]
    about = {"data_source": "book", "language": "english", "layout": "single_column"}
    page = {"layout_dets": blocks, "page_info": {"image_path": "p.png", "page_attribute": about}, "extra": {}}
    folder = root / "opendatalab/OmniDocBench"
    (folder / "images").mkdir(parents=True)
    (folder / "images/p.png").write_bytes(picture(1)["bytes"])
    (folder / "OmniDocBench.json").write_text(json.dumps([page], indent=1))
    (folder / "README.md").write_text("# OmniDocBench")


BENCHMARKS: dict[str, tuple[Callable[[Path], None], dict[str, Any], str]] = {
    "docvqa": (
        docvqa,
        {
            "id": "49153", "references": ["0.28", "$0.28"], "question_type": "form, table/list", "data_index": "14465",
            "document": "pybv0228", "fields": '{"ucsf_document_page_no": "81"}', "split": "validation",
        },
        f"What is the total?\n{SHORT}",
    ),
    "infographicvqa": (infographicvqa, {"references": ["pinterest"], "fields": None}, f"Which network?\n{SHORT}"),
    "chartqa": (
        chartqa,
        {"references": ["14"], "question_type": "human_test"},
        "How many?\nAnswer the question with a single word.",
    ),
    "textvqa": (
        textvqa,
        {"id": "34602", "references": ["nous"] * 8 + ["dakota"] * 2, "document": "003a8ae2"},
        f"what brand?\n{SHORT}",
    ),
    "ocrbench": (
        ocrbench,
        {"references": ["CENTRE"], "question_type": "Regular Text Recognition", "doc_class": "IIIT5K"},
        "what is written in the image?",
    ),
    "mmmu": (
        mmmu,
        {"id": "validation_Accounting_1", "references": ["B"], "choices": ["$1", "it's 2"], "doc_class": "Accounting"},
        f"<image 1> Which?\nA. $1\nB. it's 2\n\n{LETTER}",
    ),
    "mmbench": (
        mmbench,
        {
            "id": "241", "choices": ["the cat", "the dog"], "references": ["A"], "doc_class": "attribute_comparison",
            "question_type": "fine",
        },
        f"Look.\nWhich is larger?\nA. the cat\nB. the dog\n{LETTER}",
    ),
    "cord": (
        cord,
        {
            "references": [
                '{"menu": [{"nm": "Nasi", "price": "75,000"}], "total": {"total_price": "75,000"}}'
            ],
        },
        "Extract the content of this receipt as one JSON object",
    ),
    "mp-docvqa": (mp_docvqa, {"id": "24581", "references": ["1/8/93"], "document": "pybv0228"}, f"What date?\n{SHORT}"),
    "omnidocbench": (
        omnidocbench,
        {
            "id": "p.png", "references": ["# Head\n\nBody.\n\n<table></table>\n\n$$x$$"], "doc_class": "book",
            "fields": '{"language": "english", "layout": "single_column"}',
        },
        "Convert this page to Markdown",
    ),
}  # fmt: skip
IMAGES = {"mp-docvqa": 2}
SAMPLES = {"docvqa": 2, "chartqa": 2, "mmmu": 2, "mmbench": 2}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "hub").mkdir()
    monkeypatch.setenv("VHB_SOURCES_DIR", str(tmp_path / "sources"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    with running_hub(tmp_path / "hub") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub.root


def test_every_built_in_data_set_is_tried_here() -> None:
    registry = Registry.load(settings=RegistrySettings(registry_dirs=()))
    assert set(registry.datasets) == set(BENCHMARKS)
    assert set(BENCHMARKS) <= set(registry.tasks)
    for name in BENCHMARKS:
        assert registry.task(name).dataset == name and registry.task(name).metrics
        assert registry.dataset(name).description and registry.task(name).description


@pytest.mark.parametrize("name", BENCHMARKS)
async def test_a_benchmark_is_read_and_asked(name: str, hub: Path, tmp_path: Path) -> None:
    write, expected, prompt = BENCHMARKS[name]
    write(hub)
    registry = Registry.load(settings=RegistrySettings(registry_dirs=()))
    task = registry.task(name)
    assert isinstance(task.dataset, str)
    store = DirectoryStore(tmp_path / "store")
    ref = await pin_dataset(registry.resolve_dataset(task.dataset), None, store)
    samples = store.local_path(layout.dataset_samples(ref.digest))
    assert samples is not None
    rows = select_samples(samples, task.filter, None).collect().to_dicts()
    assert len(rows) == SAMPLES.get(name, 1)
    assert {key: rows[0][key] for key in expected} == expected
    assert len(rows[0]["images"]) == IMAGES.get(name, 1)
    _, asked = render_prompt(task, rows[0])
    assert asked.startswith(prompt) if name in ("cord", "omnidocbench") else asked == prompt
    how = (await load_manifest(ref.digest, store)).how
    assert how is not None and how.revision is not None


async def test_pages_of_omnidocbench_one_at_a_time(tmp_path: Path) -> None:
    from vhb_shared.datasets.omnidocbench import OmniDocBenchReader

    omnidocbench(tmp_path)
    folder = tmp_path / "opendatalab/OmniDocBench"
    (page,) = json.loads((folder / "OmniDocBench.json").read_text())
    page["layout_dets"][0]["text"] = "ж" * 400_000
    (folder / "OmniDocBench.json").write_text(json.dumps([page] * 5 + [{"page_info": {}}, 7], ensure_ascii=False))
    *good, bad, number = OmniDocBenchReader().read("x", folder)
    assert [len(row.references[0]) for row in good] == [400_000 + 32] * 5  # type: ignore[union-attr]
    assert str(bad) == "OmniDocBench.json, page 6, column page_info.image_path: expected the name of an image"
    assert "page 7" in str(number)
    text = (folder / "OmniDocBench.json").read_text()
    for damaged in (text[:-900_000], "{}", "", "[1, 2", "[" * 100_000):
        (folder / "OmniDocBench.json").write_text(damaged)
        with pytest.raises(Exception, match=r"OmniDocBench\.json: (is cut off|expected a JSON array|is nested)"):
            list(OmniDocBenchReader().read("x", folder))
