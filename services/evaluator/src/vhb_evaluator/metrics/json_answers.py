"""JSON out of an answer: what a model wrote around it is left out, what it wrote wrongly is not mended."""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any, Literal, NoReturn

MAX_DEPTH = 100
MAX_VALUES = 100_000
"""Objects, lists and plain values of one answer."""
_MAX_PIECES = 64
"""Balanced pieces that are tried: prose may hold any number of them."""
_FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|[{}\[\]]', re.DOTALL)
_OPENING = re.compile(r"[{\[]")
_CLOSES = {"{": "}", "[": "]"}
_SURROGATE = re.compile("[\ud800-\udfff]")

Numbers = Literal["value", "text"]


class Unreadable(Exception):  # noqa: N818 - an answer, not an error of ours
    """There is no usable JSON in an answer; the message says why."""


def read_json(answer: str, numbers: Numbers = "value") -> Any:
    """The JSON object or list of an answer.

    What comes before `</think>` is left out. Fenced blocks (```` ```json ````) are looked at first, then the text as it
    stands. Of several balanced pieces the first object (or list of objects or lists) counts, else the first list, so
    that a "[1]" in the prose before it does no harm. Strict JSON only: a key given twice, NaN, a comma too many, a
    bracket that is never closed make it unreadable. Nothing is mended, and nothing evaluated.

    Args:
        answer: untrusted, of bounded length.
        numbers: `text` keeps numbers as they are written (`1.50`), as strings.

    Raises:
        Unreadable: there is none, or it is deeper than `MAX_DEPTH` or larger than `MAX_VALUES`.
    """
    said = answer.rpartition("</think>")[2]
    reason: Unreadable | None = None
    for text in (*(match[1] for match in _FENCE.finditer(said)), said):
        plain: list[Any] | None = None
        try:
            for span in itertools.islice(_spans(text), _MAX_PIECES):
                try:
                    found = _load(span, numbers)
                except Unreadable as error:
                    reason = reason or error
                    continue
                if isinstance(found, dict) or any(isinstance(item, (dict, list)) for item in found):
                    return found
                plain = found if plain is None else plain
        except Unreadable as error:  # what follows an open bracket belongs to it
            reason = reason or error
        if plain is not None:
            return plain
        if reason is not None and text is not said:
            raise reason  # a fenced block was meant
    raise reason or Unreadable("no JSON object or list")


def read_whole_json(text: str, numbers: Numbers = "value") -> Any:
    """A text that is JSON from its first to its last character, such as a reference.

    Raises:
        Unreadable: it is something else.
    """
    stripped = text.strip().removeprefix("\ufeff")
    if not stripped.startswith(("{", "[")):
        raise Unreadable("no JSON object or list")
    if _end(stripped, 0) != len(stripped):
        raise Unreadable("text behind the JSON")
    return _load(stripped, numbers)


def _spans(text: str) -> Iterator[str]:
    """Balanced pieces that lie in no other, from left to right.

    Raises:
        Unreadable: a bracket is not closed, or as `_end`.
    """
    place = 0
    while (opening := _OPENING.search(text, place)) is not None:
        place = _end(text, opening.start())
        yield text[opening.start() : place]


def _end(text: str, start: int) -> int:
    """Where the bracket at `start` is closed.

    Raises:
        Unreadable: it is not, or too deep, or around too many values.
    """
    waiting: list[str] = []
    for tokens, match in enumerate(_TOKEN.finditer(text, start)):
        token = match[0]
        if token in _CLOSES:
            waiting.append(_CLOSES[token])
            if len(waiting) > MAX_DEPTH:
                raise Unreadable(f"nested more than {MAX_DEPTH} deep")
        elif token in ("}", "]"):
            if waiting.pop() != token:
                break
            if not waiting:
                return match.end()
        if tokens > 2 * MAX_VALUES:
            raise Unreadable(f"more than {MAX_VALUES} values")
    raise Unreadable("a bracket is not closed")


def _load(text: str, numbers: Numbers) -> Any:
    plain = {"parse_int": _as_text, "parse_float": _as_text} if numbers == "text" else {"parse_float": _finite}
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, **plain)
    except Unreadable:
        raise
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"malformed JSON: {error}"[:200]) from error
    if _count(found) > MAX_VALUES:
        raise Unreadable(f"more than {MAX_VALUES} values")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        name = whole_text(key)
        if name in found:
            raise Unreadable(f"the key {name[:80]!r} is there twice")
        found[name] = whole_text(value) if isinstance(value, str) else value
    return found


def whole_text(text: str) -> str:
    """A string without halves of surrogate pairs, which JSON can spell and nothing else can hold."""
    return _SURROGATE.sub("\ufffd", text)


def _as_text(number: str) -> str:
    return number


def _finite(number: str) -> float:
    value = float(number)
    if value in (float("inf"), float("-inf")):
        raise Unreadable("a number beyond all bounds")
    return value


def _no_constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is not JSON")


def _count(value: Any) -> int:
    waiting, total = [value], 0
    while waiting:
        item = waiting.pop()
        total += 1
        if isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return total
