"""How often each field of documents was right, as the details of scores say. Blocking."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

MOST_FIELDS = 500
_BATCH = 8_192

Counts = list[int]
"""Found, invented and missed: [tp, fp, fn]."""


def count_fields(scores: Path) -> dict[str, dict[str, Counts]]:
    """Metric label -> field -> counts, of metrics whose `detail` says so.

    A detail is `{"fields": {name: {"tp": 1, "fp": 0, "fn": 0}}}` or `{"fields": {name: {"right": true}}}`. Memory does
    not grow with the number of samples.
    """
    if "detail" not in pl.scan_parquet(scores).collect_schema():
        return {}
    found: dict[str, dict[str, Counts]] = {}
    for metric, text in _details(scores):
        fields = _object(text).get("fields")
        counts = found.setdefault(metric, {})
        for name, said in fields.items() if isinstance(fields, dict) else ():
            if isinstance(said, dict) and (name in counts or len(counts) < MOST_FIELDS):
                _add(counts.setdefault(name, [0, 0, 0]), said)
    return {metric: counts for metric, counts in found.items() if counts}


def _add(counts: Counts, said: dict[str, Any]) -> None:
    if isinstance(right := said.get("right"), bool):
        counts[0 if right else 2] += 1
        return
    for place, key in enumerate(("tp", "fp", "fn")):
        number = said.get(key, 0)
        counts[place] += number if isinstance(number, int) and 0 <= number < 1_000_000 else 0


def _details(scores: Path) -> Iterator[tuple[str, str]]:
    """(metric, detail) of the rows whose detail speaks of fields, a few thousand at a time."""
    rows = pl.scan_parquet(scores).select("metric", "detail")
    total = rows.select(pl.len()).collect(engine="streaming").item()
    for offset in range(0, total, _BATCH):
        part = rows.slice(offset, _BATCH).filter(pl.col("detail").str.contains('"fields"', literal=True))
        yield from part.collect(engine="streaming").iter_rows()


def _object(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
