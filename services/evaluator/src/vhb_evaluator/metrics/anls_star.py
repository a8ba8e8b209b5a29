"""ANLS*: average normalised Levenshtein similarity of texts, lists and dictionaries."""

from collections.abc import Iterator
from typing import Any, cast

import polars as pl
from anls_star import anls_score

from vhb_evaluator.metrics.fields import document
from vhb_evaluator.metrics.json_answers import Unreadable, read_json, read_whole_json
from vhb_evaluator.metrics.structured import StructuredMetric, Verdict, not_scored

MAX_REFERENCE = 1_000_000
"""Work that comparing a reference with itself may take, as `work` counts it (seconds); an answer may take twice it."""
MAX_LIST = 200
"""Members of a list in the reference; an answer's may have twice as many. Matching lists takes cubic time."""


class AnlsStar(StructuredMetric):
    """The tree generalisation of ANLS, as its authors' library computes it.

    Texts: 1 - NL as in `anls`, 0 where that is below 0.5. Lists: members are matched so that the sum is the highest,
    whatever their order; missing and further members score 0. Dictionaries: key by key. The sum is divided by the
    number of values.

    A reference that is a JSON object or list asks for JSON (`{"fields": {name: {"value": ...}}}` stands for its
    values): an answer without it is unparsable and scores as null. Any other reference is a text, and so is the
    answer. Of several references the best counts. An answer that would take too long to compare (a list of more than
    400 members, or lists in lists of hundreds of values) is unparsable and scores 0; a reference like that cannot be
    compared with: its sample is not scored.
    """

    name = "anls_star"
    summary = "ANLS of texts, lists and dictionaries"
    direction = "higher"
    source = "Peer et al. 2024, ANLS* (arXiv:2402.03848), the library anls_star"

    def verdicts(self, pairs: pl.DataFrame) -> Iterator[Verdict]:
        """See `StructuredMetric.verdicts`."""
        for answer, references in zip(pairs["raw_answer"], pairs["raw_references"], strict=True):
            truths = [_truth(reference) for reference in references]
            problem = next(filter(None, map(_too_large, truths)), None)
            yield (
                not_scored(problem)
                if problem
                else max((_compare(answer, truth) for truth in truths), key=lambda verdict: verdict.numerator)
            )


def _compare(answer: str, truth: Any) -> Verdict:
    if isinstance(truth, str):
        return Verdict(_score(truth, answer))
    try:
        found = document(read_json(answer))
    except Unreadable as error:
        return Verdict(_score(truth, None), unparsable=True, detail={"unparsable": str(error)})
    if longest_list(found) > 2 * MAX_LIST or work(truth, found) > 2 * MAX_REFERENCE:
        return Verdict(0.0, unparsable=True, detail={"unparsable": "too large to compare"})
    return Verdict(_score(truth, found))


def _score(truth: Any, answer: Any) -> float:
    return cast(float, anls_score(truth, answer))


def _truth(reference: str) -> Any:
    try:
        return document(read_whole_json(reference))
    except Unreadable:
        return reference


def _too_large(truth: Any) -> str | None:
    if isinstance(truth, str):
        return None
    if longest_list(truth) > MAX_LIST or work(truth, truth) > MAX_REFERENCE:
        return f"the reference is too large to compare: lists of at most {MAX_LIST} members"
    return None


def work(left: Any, right: Any) -> int:
    """About how much comparing takes: pairs of values, four times as many for each list around them."""
    (values, depth), (others, other_depth) = _measure(left), _measure(right)
    return int(values * others * 4 ** min(depth, other_depth))


def longest_list(value: Any) -> int:
    """Members of the longest list."""
    longest, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            longest = max(longest, len(item))
        waiting += item if isinstance(item, list) else item.values() if isinstance(item, dict) else ()
    return longest


def _measure(value: Any) -> tuple[int, int]:
    """Plain values, and how many lists lie in one another."""
    values, deepest = 0, 0
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        deepest = max(deepest, depth)
        if isinstance(item, list):
            waiting += [(each, depth + 1) for each in item]
        elif isinstance(item, dict):
            waiting += [(each, depth) for each in item.values()]
        values += 1
    return values, deepest
