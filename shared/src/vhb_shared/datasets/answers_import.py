"""Answers made elsewhere: read from files of other tools or of ours, and stored to be scored."""

import asyncio
import hashlib
import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from vhb_shared.contracts.results import ANSWERS_CSV_COLUMNS, OUTCOMES
from vhb_shared.datasets.parquet_files import ParquetFiles
from vhb_shared.datasets.records import write_parquet
from vhb_shared.datasets.table import nearest, read_table
from vhb_shared.errors import UserError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

IMPORT_SCHEMA: dict[str, pl.DataType] = {
    name: pl.Float64()
    if name in ("latency_ms", "ttft_ms")
    else pl.Int64()
    if name in ("prompt_tokens", "completion_tokens", "attempts")
    else pl.String()
    for name in ANSWERS_CSV_COLUMNS
}
"""Columns of imports/<sha256>.parquet: those of answers.csv; what the file lacks is null, the outcome never is."""

_ALIASES = {"index": "id", "prediction": "model_answer"}
_VLMEVALKIT_FAILURE = "Failed to obtain answer via API."
"""What VLMEvalKit writes in place of an answer that it did not get."""
_NOT_ANSWERS = ("failed", "withdrawn")
_LISTED = 20
_BATCH_ROWS = 1024


async def import_answers(path: Path, store: ObjectStore) -> str:
    """Reads a file of answers and stores it. The same content is stored under the same key.

    Args:
        path: .csv or .tsv (`id;model_answer`, our answers.csv in either dialect, VLMEvalKit's `index,prediction`) or
            .parquet with the same columns.
        store: where to.

    Returns:
        The key: `layout.imported_answers(<sha256 of the content>)`.

    Raises:
        UserError: not readable, columns missing, an id twice, an unknown outcome (with lines).
        Unavailable: storage does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="vhb-answers-") as folder:
        digest, table = await asyncio.to_thread(_convert, path, Path(folder))
        key = layout.imported_answers(digest)
        if not await store.exists(key):
            await store.put_file(key, table)
        return key


def _convert(path: Path, work: Path) -> tuple[str, Path]:
    records, table = work / "records.ndjson", work / "answers.parquet"
    digest = hashlib.sha256(b"vhb-answers-1\n")
    problems: list[str] = []
    found: dict[str, int] = {}
    wrong = 0
    with records.open("w", encoding="utf-8") as file:
        for line, cells in _rows(path):
            try:
                record = _record(cells, found)
            except ValueError as error:
                wrong += 1
                if len(problems) < _LISTED:
                    problems.append(f"{path}, line {line}, {error}")
                continue
            found[str(record["id"])] = line
            text = json.dumps(record, ensure_ascii=False) + "\n"
            digest.update(text.encode())
            file.write(text)
    if wrong > len(problems):
        problems.append(f"and {wrong - len(problems)} more")
    if problems:
        raise UserError(f"answers cannot be used: {problems[0]}", problems=tuple(problems))
    if not found:
        raise UserError(f"{path}: no answers below the header; expected rows of id and model_answer")
    write_parquet(records, IMPORT_SCHEMA, table)
    return digest.hexdigest(), table


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, or row number in a parquet file; cells as text, empty ones left out)."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        yield from _parquet_rows(path)
    elif suffix in (".csv", ".tsv", ".txt"):
        rows = read_table(
            path, columns=ANSWERS_CSV_COLUMNS, required=("id", "model_answer"), aliases=_ALIASES, foreign=True
        )
        for row in rows:
            if row.problem is not None:
                raise UserError(f"{path}, line {row.line}: {row.problem}; mend the row")
            yield row.line, {name: cell for name, cell in row.cells.items() if cell}
    else:
        raise UserError(f"{path}: answers are read from .csv, .tsv or .parquet; convert the file")


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    with ParquetFiles() as reading:
        there = list(reading.schema(path))
        names = {old: new for old, new in _ALIASES.items() if old in there and new not in there}
        known = {names.get(column, column): column for column in there}
        for name in ("id", "model_answer"):
            if name not in known:
                raise UserError(f'{path}: no such column "{name}"; found: {", ".join(there)}{nearest(name, there)}')
        wanted = {column: name for name, column in known.items() if name in ANSWERS_CSV_COLUMNS}
        for number, row in enumerate(reading.rows(list(wanted), _BATCH_ROWS), start=1):
            yield number, {wanted[key]: str(value) for key, value in row.items() if value is not None and value != ""}


def _record(cells: dict[str, str], found: dict[str, int]) -> dict[str, object]:
    """One row as it is stored.

    Raises:
        ValueError: "column ...: what was expected".
    """
    record: dict[str, object] = dict.fromkeys(ANSWERS_CSV_COLUMNS)
    for name, kind in IMPORT_SCHEMA.items():
        if name in cells:
            record[name] = _number(name, cells[name], kind)
    key = cells.get("id", "").strip()
    if not key:
        raise ValueError("column id: expected the id of a sample, found an empty cell")
    if key in found:
        raise ValueError(f'column id: expected each id once, "{key}" is in line {found[key]} already')
    text = cells.get("model_answer", "")
    outcome = cells.get("outcome", "").strip().lower()
    if not outcome:
        if text == _VLMEVALKIT_FAILURE:
            outcome, record["error"] = "failed", text
        elif text.strip():
            outcome = "answered"
        else:
            outcome = "failed" if record["error"] else "empty"
    elif outcome not in OUTCOMES:
        raise ValueError(f'column outcome: expected one of {", ".join(OUTCOMES)}, found "{outcome}"')
    return record | {"id": key, "outcome": outcome, "model_answer": None if outcome in _NOT_ANSWERS else text}


def _number(name: str, cell: str, kind: pl.DataType) -> object:
    if kind == pl.String():
        return cell
    try:
        value = float(cell)
        if not math.isfinite(value):
            raise ValueError
        return value if kind == pl.Float64() else int(value)
    except (ValueError, OverflowError):
        raise ValueError(f'column {name}: expected a number, found "{cell[:60]}"') from None
