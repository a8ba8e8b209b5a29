"""The share of a document's fields that are right, and whether its items were all seen."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein
from scipy.optimize import linear_sum_assignment

from vhb_evaluator.metrics.documents import Document, DocumentMetric
from vhb_evaluator.metrics.field_f1 import shown
from vhb_evaluator.metrics.fields import Flat, flat, key_text, under_profile, value_text
from vhb_evaluator.metrics.structured import Verdict

MAX_FIELD_CER = 0.15
MIN_ITEM_F1 = 0.85
MAX_ITEMS = 200
"""Items of one list that are matched, of the reference and of the answer each; further ones count as wrong."""


class FieldAccuracy(DocumentMetric):
    """Right fields / fields of the reference, summed over the group before dividing.

    Fields are paths as in `field_f1`. A field is right if the answer has exactly its values (in any order); one that
    the reference leaves empty is right if the answer can be read and has no value there. Fields that only the answer
    has do not count here. Values are compared as text, full width made half width, white space collapsed; no spacing
    rules. A reference without fields counts as one field, right if the answer has none.

    Profile `invoice`: fields outside of lists are right if their character error rate is at most 0.15. Each object in
    a list of objects (an item) counts as one field more; items of reference and answer are paired so that the sum of
    their F1 is the highest, and an item is right if its F1 is at least 0.85, its fields being right at 0.15 too.
    `item_count_accuracy` says beside it whether the numbers of items agree.
    """

    name = "field_accuracy"
    summary = "share of the reference's fields that are exactly right, pooled"
    direction = "higher"
    source = "share of exactly right fields; profile invoice: thresholds CER 0.15 and item F1 0.85 of the task's tool"
    profiles = ("invoice",)
    pooled = True

    def compare(self, answer: Document, truth: Document) -> Verdict:
        """See `DocumentMetric.compare`."""
        if self.profile == "invoice":
            return self._invoice(answer, truth)
        right = {path: sorted(values) == sorted(answer.fields.get(path, [])) for path, values in truth.fields.items()}
        return _verdict(right, answer, nothing=not any(answer.fields.values()))

    def _invoice(self, answer: Document, truth: Document) -> Verdict:
        profile = self.normalised_by
        parts = [_parted(each.value) for each in (answer, truth)]
        answered, expected = under_profile((flat(plain, self.text) for plain, _ in parts), profile)
        right = {path: _close(answered.get(path, []), values) for path, values in expected.items()}
        found, wanted = (items for _, items in parts)
        for path, items in wanted.items():
            for place, is_right in enumerate(_right_items(found.get(path, []), items, profile)):
                right[f"{path}[{place}]"] = is_right
        if wanted and not any(expected.values()) and list(expected) == [""]:
            del right[""]  # nothing but lists: what is left beside them is no field
        return _verdict(right, answer, nothing=not any(answered.values()) and not found)


class ItemCountAccuracy(DocumentMetric):
    """1 if the answer has as many items as the reference, in every list of objects of either, else 0."""

    name = "item_count_accuracy"
    summary = "share of answers with the right number of items (objects in lists)"
    direction = "higher"
    source = FieldAccuracy.source

    def compare(self, answer: Document, truth: Document) -> Verdict:
        """See `DocumentMetric.compare`."""
        found, expected = ({path: len(items) for path, items in _parted(each.value)[1].items()}
                           for each in (answer, truth))  # fmt: skip
        items = {path: {"found": found.get(path, 0), "expected": expected.get(path, 0)} for path in expected | found}
        # What could not be read has no number of items, not even none.
        right = answer.value is not None and found == expected
        return Verdict(float(right), detail={"items": shown(items)})


def _verdict(right: dict[str, bool], answer: Document, *, nothing: bool) -> Verdict:
    if answer.value is None:  # what could not be read has no empty fields either
        right = dict.fromkeys(right, False)
    if not right or list(right) == [""]:
        return Verdict(float(nothing and answer.value is not None), detail={"fields": {}})
    fields = shown({path: {"right": each} for path, each in right.items()})
    return Verdict(sum(right.values()), len(right), detail={"fields": fields})


def _parted(value: Any) -> tuple[Any, dict[str, list[Any]]]:
    """A document without its items, and the items by the path of their list."""
    items: dict[str, list[Any]] = {}

    def part(path: str, item: Any) -> Any:
        if isinstance(item, dict):
            return {key: part(f"{path}.{key_text(key)}" if path else key_text(key), each)
                    for key, each in item.items() if not _is_items(each, path, key)}  # fmt: skip
        return item

    def _is_items(each: Any, path: str, key: str) -> bool:
        if not isinstance(each, list) or not any(isinstance(item, dict) for item in each):
            return False
        items.setdefault(f"{path}.{key_text(key)}" if path else key_text(key), []).extend(each)
        return True

    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return {}, {"": value}
    return part("", value), items


def _right_items(found: list[Any], expected: list[Any], profile: str) -> Iterator[bool]:
    """For each expected item, whether the one paired with it is good enough."""
    flats = under_profile((flat(item, value_text) for item in expected[:MAX_ITEMS] + found[:MAX_ITEMS]), profile)
    wanted, given = flats[: len(expected[:MAX_ITEMS])], flats[len(expected[:MAX_ITEMS]) :]
    scores = np.array([[_item_f1(other, each) for other in given] for each in wanted]).reshape(len(wanted), len(given))
    rows, columns = linear_sum_assignment(scores, maximize=True)
    best = dict(zip(rows.tolist(), scores[rows, columns].tolist(), strict=True))
    for place in range(len(expected)):
        yield best.get(place, 0.0) >= MIN_ITEM_F1


def _item_f1(answered: Flat, expected: Flat) -> float:
    found = sum(_close(answered.get(path, []), values) for path, values in expected.items() if values)
    total = sum(1 for values in expected.values() if values) + sum(1 for values in answered.values() if values)
    return 2 * found / total if total else 1.0


def _close(answered: list[str], expected: list[str]) -> bool:
    left, right = " ".join(sorted(answered)), " ".join(sorted(expected))
    if not right:
        return not left
    return bool(Levenshtein.distance(left, right) / len(right) <= MAX_FIELD_CER)
