"""F1 over the fields of a document."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from vhb_evaluator.metrics.documents import Document, DocumentMetric
from vhb_evaluator.metrics.fields import spaced_text
from vhb_evaluator.metrics.structured import Verdict

MAX_FIELDS_SHOWN = 200
"""Fields of one sample in `detail`, those of the reference first; `more` counts the rest."""
_LONGEST_PATH = 200


class FieldF1(DocumentMetric):
    """Pooled F1 = TP / (TP + (FP + FN) / 2) over the (path, value) pairs of all samples.

    An answer's JSON is flattened: keys joined with dots, the members of a list under the same path, in any order. A
    pair counts as often as it occurs. Values without content (null, "", {}, []) are no pairs. Values are compared as
    text, case-sensitive, after full width became half width and the spacing rules below; numbers as
    they are written. A normalisation that the job names is applied to the values on top.

    Spacing: none between Han characters, or between one and a letter or digit; one space behind punctuation that does
    not follow a digit, none before it; one between a digit and a letter.

    References are JSON in the same form, or `{"fields": {name: {"value": ...}}}`. Of several the one with the highest
    F1 counts, among equals the largest. An answer without readable JSON has no fields and is unparsable. Nothing
    expected and an empty document counts as one pair found. `detail` has TP, FP and FN of each field.
    """

    name = "field_f1"
    summary = "F1 over the (path, value) pairs of JSON: TP / (TP + (FP + FN) / 2), pooled"
    direction = "higher"
    source = (
        "Kim et al. 2022, OCR-free Document Understanding Transformer (arXiv:2111.15664), field-level F1; width and "
        "spacing rules: Yang et al. 2024, CC-OCR (arXiv:2412.02210)"
    )
    pooled = True
    text = staticmethod(spaced_text)

    def compare(self, answer: Document, truth: Document) -> Verdict:
        """See `DocumentMetric.compare`."""
        paths = list(dict.fromkeys((*truth.fields, *answer.fields)))
        counts = {path: _counts(answer.fields.get(path, []), truth.fields.get(path, [])) for path in paths}
        found, extra, missed = (sum(each[place] for each in counts.values()) for place in range(3))
        detail: dict[str, Any] = {"fields": shown({path: dict(zip(("tp", "fp", "fn"), each, strict=True))
                                   for path, each in counts.items() if any(each)})}  # fmt: skip
        if len(counts) > MAX_FIELDS_SHOWN:
            detail["more"] = len(counts) - MAX_FIELDS_SHOWN
        if not found + extra + missed:
            return Verdict(float(answer.value is not None), detail=detail)
        return Verdict(found, found + (extra + missed) / 2, detail=detail)


def _counts(answered: list[str], expected: list[str]) -> tuple[int, int, int]:
    found = (Counter(answered) & Counter(expected)).total()
    return found, len(answered) - found, len(expected) - found


def shown(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The first `MAX_FIELDS_SHOWN` fields, with paths of bounded length."""
    return {path[:_LONGEST_PATH]: each for path, each in list(fields.items())[:MAX_FIELDS_SHOWN]}
