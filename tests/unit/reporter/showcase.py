"""A job with something for every section of a report: made-up models over the pages of examples/quickstart.

Answers are the pages' texts with errors put in at random (a fixed seed), scored for what they are.
"""

import csv
import hashlib
import json
import random
import string
from pathlib import Path
from typing import Any

import polars as pl
from rapidfuzz.distance import Levenshtein

from vhb_shared.contracts.job import ModelEntry, TaskEntry
from vhb_shared.contracts.performance import Distribution
from vhb_shared.store import layout

from .test_intervals import with_intervals
from .test_more_sections import with_details
from .test_performance import GIB, measured

PAGES = Path(__file__).parents[3] / "examples" / "quickstart" / "documents"
MODELS = {
    # name: (share of characters that are wrong, median latency in ms, GPU memory in GiB, joules for an answer)
    "rapidocr": (0.055, 310, 1, 14),
    "tesseract": (0.120, 240, 1, 9),
    "compact-vl-2b": (0.048, 620, 6, 95),
    "general-vl-8b": (0.021, 1450, 19, 310),
    "document-vl-3b": (0.024, 780, 9, 120),
    "general-vl-32b": (0.016, 3900, 71, 1240),
}
HARDER = {"clean": 0.3, "rotated": 1.1, "noisy": 1.4, "blurred": 1.6, "low": 2.1}
KINDS = ("receipt", "invoice", "letter", "form")
FIELDS = ("date", "total", "number", "sender")


async def showcase(world: Any) -> None:
    """Fills an empty world with the runs of the job."""
    with (PAGES / "annotation.csv").open(newline="", encoding="utf-8-sig") as file:
        pages = list(csv.DictReader(file, delimiter=";"))
    random.seed(7)
    for digest, task, references in (
        ("a" * 64, "read-page", [page["answer"] for page in pages]),
        ("b" * 64, "kind", [page["doc_class"] for page in pages]),
        ("c" * 64, "fields", [json.dumps(dict.fromkeys(FIELDS, page["doc_class"])) for page in pages]),
    ):
        await _dataset(world, digest, pages, references)
        for model in MODELS:
            await {"read-page": _read, "kind": _kind, "fields": _fields}[task](world, model, task)
    await _dataset(world, "d" * 64, pages, [page["answer"] for page in pages])
    for kind, worse in (("blur", 1.9), ("jpeg", 0.5)):
        for severity in (1, 3, 5):
            for model in list(MODELS)[:4]:
                await _read(world, model, f"read-page~{kind}-{severity}", 1 + worse * severity)


async def _dataset(world: Any, digest: str, pages: list[dict[str, str]], references: list[str]) -> None:
    world.digest, world.samples = digest, []
    for index, (page, reference) in enumerate(zip(pages, references, strict=True)):
        path = PAGES / page["image_path"]
        data = path.read_bytes()
        name = hashlib.sha256(data).hexdigest() + path.suffix
        await world.store.put(layout.dataset_media(digest, name), data)
        world.samples.append({
            "index": index, "id": path.stem, "split": None, "images": [name], "question": page["question"],
            "references": [reference], "doc_class": page["doc_class"], "question_type": page["question_type"],
            "answer_bbox": None, "data_index": str(index),
        })  # fmt: skip
    await world.save_samples()


async def _read(world: Any, model: str, task: str, harder: float = 1.0) -> None:
    share = MODELS[model][0] * harder
    answers: list[str | None] = []
    values: list[float | None] = []
    for sample in world.samples:
        reference = sample["references"][0]
        answer = _worse(reference, min(share * HARDER[sample["id"].split("_")[2]], 0.9))
        failed = model == "tesseract" and sample["id"].startswith("form_6")
        answers.append(None if failed else answer)
        values.append(None if failed else Levenshtein.distance(reference, answer) / len(reference))
    await _finish(world, model, TaskEntry(name=task, dataset="./documents", metrics=("cer",)), answers, values, "cer")


async def _kind(world: Any, model: str, task: str) -> None:
    said = [
        random.choice(KINDS) if random.random() < 4 * MODELS[model][0] else sample["doc_class"]
        for sample in world.samples
    ]
    entry = TaskEntry(
        name=task, dataset="./documents", metrics=("class_accuracy",), prompt="What kind of document is it?"
    )
    values = [float(one == sample["doc_class"]) for one, sample in zip(said, world.samples, strict=True)]
    run = await _finish(world, model, entry, said, values, "class_accuracy")
    await with_details(world, run, [
        {"expected": sample["doc_class"], "predicted": one} for one, sample in zip(said, world.samples, strict=True)
    ])  # fmt: skip


async def _fields(world: Any, model: str, task: str) -> None:
    entry = TaskEntry(name=task, dataset="./documents", metrics=("field_f1",), prompt="Give the fields as JSON.")
    details, values, answers = [], [], []
    for sample in world.samples:
        right = {name: random.random() > (place + 1) * MODELS[model][0] for place, name in enumerate(FIELDS)}
        details.append({"fields": {
            name: {"tp": int(one), "fp": int(not one), "fn": int(not one)} for name, one in right.items()
        }})  # fmt: skip
        values.append(sum(right.values()) / len(right))
        answers.append(json.dumps({name: sample["doc_class"] if one else "?" for name, one in right.items()}))
    run = await _finish(world, model, entry, answers, values, "field_f1")
    await with_details(world, run, details)


async def _finish(world: Any, model: str, task: TaskEntry, answers: Any, values: Any, metric: str) -> Any:
    _, latency, memory, energy = MODELS[model]
    run = world.plan_run(ModelEntry(name=model, backend="vllm", model=f"made-up/{model}"), task)
    await world.answer(run, answers, values, metric)
    await _both(world, run)
    await with_intervals(world, run, 0.012)
    curve = tuple(latency * (0.6 + 0.04 * step + (0.5 if step > 18 else 0)) for step in range(21))
    found = measured(
        run, samples=len(answers), measured=len(answers), devices=1, device_names="NVIDIA H100", latency_curve=curve,
        latency_ms=Distribution(n=24, mean=latency * 1.05, p50=latency, p90=latency * 1.4, p99=latency * 1.9),
        ttft_ms=Distribution(n=24, mean=latency / 5, p50=latency / 5, p90=latency / 4, p99=latency / 3),
        device_memory_peak=memory * GIB, device_memory_idle=GIB // 2, device_use=0.8, energy_j=energy * 24.0,
        energy_j_per_answer=float(energy), active_s=latency * 24 / 4000,
    )  # fmt: skip
    await world.store.put(layout.run_file(run.run_id, "performance.json"), found.model_dump_json().encode())
    return run


async def _both(world: Any, run: Any) -> None:
    """Rows of the level by_doc_question, which the world of the tests does not write."""
    scores = pl.read_parquet(await world.store.get(layout.run_file(run.run_id, "scores.parquet")))
    key = layout.run_file(run.run_id, "metrics.csv")
    frame = pl.read_csv(await world.store.get(key), infer_schema=False)
    groups = scores.group_by("doc_class", "question_type").agg(pl.col("value").mean(), pl.len().alias("n"))
    rows = frame.head(1).select(pl.exclude("level", "group", "value", "n", "n_scored")).join(
        groups.sort("doc_class", "question_type").select(
            pl.lit("by_doc_question").alias("level"),
            pl.concat_str("doc_class", pl.lit(" "), "question_type").alias("group"),
            pl.col("value").cast(pl.String), pl.col("n").cast(pl.String), pl.col("n").cast(pl.String).alias("n_scored"),
        ), how="cross",
    )  # fmt: skip
    await world.store.put(key, pl.concat([frame, rows.select(frame.columns)]).write_csv().encode())


def _worse(text: str, share: float) -> str:
    """A text with some characters replaced, left out or doubled."""
    made = []
    for character in text:
        luck = random.random()
        if luck > share:
            made.append(character)
        elif luck < share / 2:
            made.append(random.choice(string.ascii_lowercase + string.digits))
        elif luck < share * 0.7:
            made.append(character * 2)
    return "".join(made)
