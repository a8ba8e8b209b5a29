"""Score tables made by hand."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from vhb_shared.contracts.results import SCORE_COLUMNS

_NUMBERS = ("value", "numerator", "denominator", "worst_numerator", "worst_denominator", "best_numerator",
            "best_denominator")  # fmt: skip


def score_table(values: Sequence[float | None], metric: str = "exact_match", **columns: Sequence[Any]) -> pl.DataFrame:
    """Scores of samples "0", "1", ...; None is a failed one: an empty answer would score 0, a perfect one 1.

    Args:
        values: values of the samples.
        metric: the label.
        columns: others, such as `denominator`, `document`, `sample`, `doc_class`, `id`, or ones that scores do not
            have.
    """
    rows = len(values)
    weights = list(columns.pop("denominator", [1.0] * rows))
    failed = [value is None for value in values]

    def numerators(if_failed: float | None) -> list[float | None]:
        ends = [if_failed if value is None else value for value in values]
        return [None if end is None else end * weight for end, weight in zip(ends, weights, strict=True)]

    given: dict[str, Sequence[Any]] = {
        "index": range(rows),
        "id": [str(row) for row in range(rows)],
        "metric": [metric] * rows,
        "metric_version": ["1"] * rows,
        "normalisation": ["text@1"] * rows,
        "outcome": ["failed" if each else "answered" for each in failed],
        "status": ["failed" if each else "scored" for each in failed],
        "value": values,
        "numerator": numerators(None),
        "denominator": [None if none else weight for none, weight in zip(failed, weights, strict=True)],
        "worst_numerator": numerators(0.0),
        "worst_denominator": weights,
        "best_numerator": numerators(1.0),
        "best_denominator": weights,
        **columns,
    }
    given.setdefault("sample", given["id"])
    given.setdefault("document", given["sample"])
    types: dict[str, pl.DataType] = {name: pl.String() for name in SCORE_COLUMNS}
    types |= {name: pl.Float64() for name in _NUMBERS} | {"index": pl.UInt32()}
    names = (*SCORE_COLUMNS, *(name for name in columns if name not in SCORE_COLUMNS))
    return pl.DataFrame(
        {name: pl.Series(name, list(given.get(name, [None] * rows)), types.get(name), strict=False) for name in names}
    )
