"""Writes drawn rows as people have them: a folder with its table, CSV, JSON Lines, VLMEvalKit's TSV, Parquet."""

import csv
import json
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

from .drawing import Benchmark, Reply, Row

COLOURS = {"a.png": "red", "b.png": "green", "c.png": "blue"}
_COLUMNS = ("id", "image_path", "question", "answers", "choices", "doc_class", "question_type", "document")


def write(drawn: Benchmark, folder: Path) -> str:
    """The data set, in a new folder; returns its path in there, as a job names it."""
    folder.mkdir()
    for name, colour in COLOURS.items():
        Image.new("RGB", (4, 4), colour).save(folder / name)
    match drawn.format:
        case "folder":
            _table(folder / "annotation.csv", drawn.rows, ";")
            return "."
        case "csv":
            _table(folder / "data.csv", drawn.rows, ",")
        case "tsv":
            _tsv(folder / "data.tsv", drawn.rows)
        case "jsonl":
            lines = ["{broken" if row.fault == "line" else json.dumps(_as_json(row)) for row in drawn.rows]
            (folder / "data.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        case _:
            texts = dict.fromkeys(_COLUMNS, pl.String()) | dict.fromkeys(("answers", "choices"), pl.List(pl.String()))
            pl.DataFrame([_as_json(row) for row in drawn.rows], schema=texts).write_parquet(folder / "data.parquet")
    return f"data.{drawn.format}"


def write_answers(replies: list[tuple[str, Reply | None]], path: Path) -> None:
    """A file of answers made elsewhere; None where it has no row. It has one of a stranger."""
    lines = [[name, reply.text or "", reply.outcome] for name, reply in replies if reply is not None]
    _write_csv(path, ["id", "model_answer", "outcome"], [*lines, ["nobody", "of somebody else", "answered"]], ",")


def _as_json(row: Row) -> dict[str, Any]:
    return {
        "id": row.id, "image_path": row.image, "question": row.question, "answers": row.references,
        "choices": row.choices, "doc_class": row.doc_class, "question_type": row.question_type,
        "document": row.document,
    }  # fmt: skip


def _write_csv(path: Path, header: list[str], lines: list[list[str]], delimiter: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([header, *lines])


def _table(path: Path, rows: list[Row], delimiter: str) -> None:
    lines = []
    for row in rows:
        cells = [json.dumps(cell) if isinstance(cell, list) else cell or "" for cell in _as_json(row).values()]
        lines.append([*cells, "one cell too many"] if row.fault == "line" else cells)
    _write_csv(path, list(_COLUMNS), lines, delimiter)


def _tsv(path: Path, rows: list[Row]) -> None:
    letters = ("A", "B", "C", "D")
    header = ["index", "image_path", "question", "answer", *letters, "category", "l2-category", "document"]
    lines = []
    for row in rows:
        options = [*row.choices, *[""] * (len(letters) - len(row.choices))]
        # A list, unless there is nothing: an empty list would be the text "[]".
        answer = repr(row.references) if row.references else ""
        texts = [row.id, row.image, row.question, answer, *options]
        texts += [row.doc_class or "", row.question_type or "", row.document or ""]
        lines.append(texts[:-1] if row.fault == "line" else texts)
    _write_csv(path, header, lines, "\t")
