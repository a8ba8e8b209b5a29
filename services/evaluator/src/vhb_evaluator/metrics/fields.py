"""The fields of a document as (path, values), read out of nested JSON, and the texts in them made comparable."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import polars as pl

from vhb_evaluator.metrics.json_answers import Unreadable, read_json, read_whole_json, whole_text
from vhb_evaluator.normalisation import normalised

Flat = Mapping[str, list[str]]
"""Path -> its values. A path without a value (null, "", {} or []) is there, with an empty list."""

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_RULES = (
    (re.compile(rf"(?<=[{_HAN}])\s+(?=[{_HAN}A-Za-z0-9])|(?<=[A-Za-z0-9])\s+(?=[{_HAN}])"), ""),
    (re.compile(r"(?<![0-9\s])\s*([,.!?:;])\s*"), r"\1 "),
    (re.compile(r"(?<=[0-9])(?=[A-Za-z])|(?<=[A-Za-z])(?=[0-9])"), " "),
    (re.compile(r"[\s\x1c-\x1f]+"), " "),
)
_HALF_WIDTH = {0x3000: " ", **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}, 0x3001: ","}


def document(value: Any) -> Any:
    """The document itself: of `{"fields": {name: {"value": ...}}}` the names with their values."""
    fields = value.get("fields") if isinstance(value, dict) else None
    if not isinstance(fields, dict) or not all(isinstance(each, dict) and "value" in each for each in fields.values()):
        return value
    return {name: each["value"] for name, each in fields.items()}


def read_document(answer: str) -> Any:
    """The document in an answer, numbers as they are written.

    Raises:
        Unreadable: there is no JSON object or list in it.
    """
    return document(read_json(answer, numbers="text"))


def read_truth(reference: str) -> Any:
    """The document in a reference.

    Raises:
        Unreadable: it is not JSON.
    """
    try:
        return document(read_whole_json(reference, numbers="text"))
    except Unreadable as error:
        raise Unreadable(f"the reference is not a JSON object or list: {error}") from error


def flat(value: Any, text: Callable[[Any], str]) -> dict[str, list[str]]:
    """Fields by path: keys joined with dots; the members of a list share its path, in any order.

    Args:
        value: parsed JSON.
        text: makes a text of a plain value, `value_text` or `spaced_text`.
    """
    found: dict[str, list[str]] = {}
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, dict) and item:
            inner = [(f"{path}.{key_text(key)}" if path else key_text(key), each) for key, each in item.items()]
            waiting += reversed(inner)
        elif isinstance(item, list) and item:
            waiting += [(path, each) for each in reversed(item)]
        else:
            values = found.setdefault(path, [])
            if item not in (None, "", {}, []):
                values.append(text(item))
    return found


def value_text(value: Any) -> str:
    """A plain value as text: full width made half width, white space collapsed; case is kept."""
    text = ("true" if value else "false") if isinstance(value, bool) else whole_text(str(value))
    return " ".join(text.translate(_HALF_WIDTH).split())


def spaced_text(value: Any) -> str:
    """`value_text` under the spacing rules of CC-OCR.

    Spacing: none between Han characters, or between one and a letter or digit; one behind punctuation that does not
    follow a digit, none before it; one between a digit and a letter; white space collapsed and stripped.
    """
    text = value_text(value)
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text.strip()


def key_text(key: str) -> str:
    """A key, with white space collapsed and full width made half width; never empty, for that is the path of a document
    without fields."""
    return " ".join(key.translate(_HALF_WIDTH).split()) or '""'


def under_profile(documents: Iterable[Flat], profile: str) -> list[dict[str, list[str]]]:
    """The same fields with their values under a normalisation profile; what becomes empty is no value."""
    flats = list(documents)
    texts = sorted({text for each in flats for values in each.values() for text in values})
    series = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)}).select(normalised(pl.col("text"), profile))
    new = dict(zip(texts, series["text"].to_list(), strict=True))
    return [{path: [new[text] for text in values if new[text]] for path, values in each.items()} for each in flats]
