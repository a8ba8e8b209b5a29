"""From what a metric returns to JSON: checked here, where the author's mistake can be named."""

import json
import math
from typing import Any

from vhb_metric_worker.errors import Problem, raised

_TEXTS = ("detail", "not_scored")
_KEYS = ("row", "value", "numerator", "denominator", "unparsable", "detail", "not_scored")


def scores(metric: Any, samples: "list[dict[str, Any]]") -> "list[dict[str, Any]]":
    """Asks the metric.

    Args:
        metric: has `score(samples)`.
        samples: each has a `row` that names it.

    Returns:
        For each sample `row`, `numerator`, `denominator`, `unparsable`, `detail`, `not_scored`.

    Raises:
        Problem: the metric raised, or returned something else than it should.
    """
    rows = {sample["row"] for sample in samples}
    try:
        returned = metric.score(samples)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise raised("metric_failed", error) from error
    try:
        found = [_score(each) for each in returned]
    except TypeError as error:
        raise Problem("wrong_reply", f"`score` must return a list of dicts ({error})") from error
    if len(found) != len(rows) or {each["row"] for each in found} != rows:
        raise Problem(
            "wrong_reply",
            f"`score` was given {len(rows)} samples and returned {len(found)} scores with other rows: return one for "
            "each sample, with the sample's `row`",
        )
    return found


def _score(given: Any) -> "dict[str, Any]":
    if not isinstance(given, dict):
        raise Problem("wrong_reply", f"a score is a dict with `row` and `value`, not {type(given).__name__}")
    unknown = sorted(str(key) for key in given if key not in _KEYS)
    if unknown:
        raise Problem("wrong_reply", "a score has the key {!r}; known are {}".format(unknown[0], ", ".join(_KEYS)))
    row = _plain(given.get("row"))
    if isinstance(row, bool) or not isinstance(row, int):
        raise Problem("wrong_reply", f"a score has the row {row!r}: copy `row` of the sample")
    score: dict[str, Any] = {"row": row, "unparsable": bool(_plain(given.get("unparsable", False)))}
    for key in _TEXTS:
        value = given.get(key)
        score[key] = value if value is None or isinstance(value, str) else _json(row, key, value)
    if score["not_scored"] is not None:
        score.update(numerator=None, denominator=None)
    elif given.get("value") is not None:
        score.update(numerator=_number(row, "value", given["value"]), denominator=1.0)
    else:
        score["numerator"] = _number(row, "numerator", given.get("numerator"))
        score["denominator"] = _number(row, "denominator", given.get("denominator", 1.0))
    return score


def _plain(value: Any) -> Any:
    """A number of numpy or torch as Python's own."""
    item = getattr(value, "item", None)
    return item() if callable(item) else value


def _number(row: int, key: str, value: Any) -> float:
    try:
        number = float(_plain(value))
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise Problem("wrong_reply", f"the {key} of row {row} is {value!r}, not a number")
    return number


def _json(row: int, key: str, value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise Problem("wrong_reply", f"the {key} of row {row} is neither text nor JSON ({error})") from error
