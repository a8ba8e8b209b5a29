"""Answers of queries as text."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

from vhb_shared.analytics.engine import Answer


def plain(value: Any) -> str:
    """A value as text: lists and the like as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def csv_text(answer: Answer, shown: Callable[[str], str] = str) -> str:
    """RFC 4180; what is missing is an empty field.

    Args:
        answer: what was found.
        shown: what becomes of each text.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    for row in (answer.columns, *answer.rows):
        writer.writerow(["" if value is None else shown(plain(value)) for value in row])
    return out.getvalue()
