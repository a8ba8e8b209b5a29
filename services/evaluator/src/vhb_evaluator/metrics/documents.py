"""Metrics over the fields of a document (key information extraction): what is read, which reference counts."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

import polars as pl

from vhb_evaluator.metrics.fields import Flat, flat, read_document, read_truth, under_profile, value_text
from vhb_evaluator.metrics.json_answers import Unreadable
from vhb_evaluator.metrics.structured import StructuredMetric, Verdict, not_scored


class Document(NamedTuple):
    """One reading of a document."""

    value: Any
    """As parsed; None for an answer that could not be read."""
    fields: Flat


_NOTHING = Document(None, {})


class DocumentMetric(StructuredMetric):
    """Compares an answer's document with the references', the best of which counts.

    An answer without readable JSON is a document without fields, and unparsable. A reference that is not JSON cannot
    be compared with: its sample is not scored.
    """

    checks_samples = True
    text = staticmethod(value_text)
    """Makes a text of a plain value."""

    @abstractmethod
    def compare(self, answer: Document, truth: Document) -> Verdict:
        """The verdict on an answer against one reference."""

    def verdicts(self, pairs: pl.DataFrame) -> Iterator[Verdict]:
        """See `StructuredMetric.verdicts`."""
        for answer, references in zip(pairs["raw_answer"], pairs["raw_references"], strict=True):
            try:
                truths = [read_truth(reference) for reference in references]
            except Unreadable as error:
                yield not_scored(error)
                continue
            reason = None
            try:
                found = [read_document(answer)]
            except Unreadable as error:
                found, reason = [], str(error)
            flats = under_profile((flat(each, self.text) for each in truths + found), self.normalised_by)
            read = Document(found[0], flats[-1]) if found else _NOTHING
            verdict = max(
                (self.compare(read, Document(*each)) for each in zip(truths, flats, strict=False)),
                key=lambda each: (each.numerator / each.denominator, each.denominator),
            )
            if reason is not None:
                verdict = verdict._replace(unparsable=True, detail={**(verdict.detail or {}), "unparsable": reason})
            yield verdict
