"""The job that the deployment is given, and its documents."""

import csv
import json
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

SAMPLES = 48


def write_job(path: Path, entry: dict[str, Any], **task: Any) -> Path:
    """A job of one model on the documents beside it."""
    read = {"name": "read", "dataset": str(path.parent / "documents"), "metrics": ["cer", "exact_match"], **task}
    path.write_text(
        json.dumps({"name": "containers", "reuse": False, "shard_size": 8, "models": [entry], "tasks": [read]})
    )
    return path


def write_documents(folder: Path, samples: int) -> None:
    """Pages that differ, as an annotation folder."""
    (folder / "images").mkdir(parents=True)
    header = ["data_index", "split", "image_path", "question", "answer", "doc_class", "question_type", "answer_bbox"]
    with (folder / "annotation.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(header)
        for number in range(samples):
            page = Image.new("RGB", (224, 224), (number * 37 % 256, number * 91 % 256, 250 - number))
            ImageDraw.Draw(page).text((20, 20 + number), f"page {number}", fill=(0, 0, 0))
            page.save(folder / "images" / f"{number}.png")
            writer.writerow(
                [
                    number,
                    "test",
                    f"images/{number}.png",
                    f"Which page is {number}?",
                    f"page {number}",
                    "page",
                    "q",
                    "",
                ]
            )
