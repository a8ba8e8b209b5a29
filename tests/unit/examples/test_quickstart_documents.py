"""The committed documents are what the committed script draws, and the job file refers to them."""

import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from PIL import Image, ImageChops, ImageStat

from vhb_shared.contracts.job import JobSpec

EXAMPLES = Path(__file__).parents[3] / "examples"
COMMITTED = EXAMPLES / "quickstart" / "documents"
HEADER = ["data_index", "split", "image_path", "question", "answer", "doc_class", "question_type", "answer_bbox"]
CLASSES = ("receipt", "invoice", "letter", "form")
STATES = {"clean": 2, "blurred": 1, "rotated": 1, "noisy": 1, "low_resolution": 1}


def draw(out: Path, *options: str) -> Path:
    script = EXAMPLES / "quickstart" / "draw_documents.py"
    subprocess.run([sys.executable, script, "--out", out, *options], check=True, capture_output=True)
    return out


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "annotation.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("documents"))


def test_annotation_is_what_the_script_writes(drawn: Path) -> None:
    assert (drawn / "annotation.csv").read_bytes() == (COMMITTED / "annotation.csv").read_bytes()


def test_images_are_what_the_script_draws(drawn: Path) -> None:
    names = sorted(path.name for path in (COMMITTED / "images").iterdir())
    assert names == sorted(path.name for path in (drawn / "images").iterdir())
    for name in names:
        with Image.open(COMMITTED / "images" / name) as committed, Image.open(drawn / "images" / name) as again:
            assert committed.size == again.size
            difference = ImageChops.difference(committed.convert("L"), again.convert("L"))
        # Versions of Pillow and its JPEG codec may round differently; another text or layout differs by far more.
        assert ImageStat.Stat(difference).mean[0] < 2, name


def test_another_seed_draws_other_documents(drawn: Path, tmp_path: Path) -> None:
    others = rows(draw(tmp_path, "--seed", "1"))
    assert [row["image_path"] for row in others] == [row["image_path"] for row in rows(drawn)]
    assert not {row["answer"] for row in others} & {row["answer"] for row in rows(drawn)}


def test_annotation_has_the_folder_format() -> None:
    assert (COMMITTED / "annotation.csv").read_bytes().startswith(b"\xef\xbb\xbf" + ";".join(HEADER).encode() + b"\n")
    found = rows(COMMITTED)
    assert [row["data_index"] for row in found] == [str(index) for index in range(24)]
    kinds = Counter((row["doc_class"], row["question_type"]) for row in found)
    assert kinds == {(kind, state): count for kind in CLASSES for state, count in STATES.items()}
    assert {row["question"] for row in found} == {"Read all the text in the image."}
    for row in found:
        lines = row["answer"].split("\n")
        assert len(lines) > 10
        assert all(line and line == " ".join(line.split()) for line in lines)


def test_every_image_opens_and_is_referred_to_once() -> None:
    paths = [row["image_path"] for row in rows(COMMITTED)]
    assert sorted(paths) == sorted(f"images/{path.name}" for path in (COMMITTED / "images").iterdir())
    for path in paths:
        with Image.open(COMMITTED / path) as image:
            image.load()
            assert min(image.size) > 200 and max(image.size) < 1100
    assert sum((COMMITTED / path).stat().st_size for path in paths) < 2_000_000


def test_job_file_is_valid_and_its_data_set_is_here() -> None:
    path = EXAMPLES / "quickstart.yaml"
    job = JobSpec.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert [model.name for model in job.models] == ["rapidocr", "rapidocr-small"]
    assert [metric.name for metric in job.tasks[0].metrics or ()] == ["cer", "wer", "anls", "exact_match"]
    assert (path.parent / str(job.tasks[0].dataset)).resolve() == COMMITTED.resolve()
