"""Page order: how near a sequence of pages is to the right one."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Literal

import polars as pl
from scipy.stats import kendalltau, spearmanr

from vhb_evaluator.metrics.base import MetricOptions
from vhb_evaluator.metrics.json_answers import Unreadable, read_json, read_whole_json
from vhb_evaluator.metrics.structured import StructuredMetric, Verdict, not_scored

_KEY = "ordered_pages"


class PageOrderOptions(MetricOptions):
    """What a job may set."""

    first_page: Literal[0, 1] = 1
    """The number of the first page in answers. References in a list, or under `fields`, count from 0."""


class PageOrderMetric(StructuredMetric):
    """Compares an answer's order of pages with the reference's.

    Answers: `{"ordered_pages": [3, 1, 2]}` or a list, counted from 1 (option `first_page`). References: a list counted
    from 0, or `{"fields": {<document type>: [...]}}` (several lists follow one another), or the same as answers.

    An answer without such a list is unparsable, and scored as bad as can be; it is never left out. A reference without
    one cannot be compared with: its sample is not scored.
    """

    direction = "higher"
    options_type = PageOrderOptions
    checks_samples = True

    @abstractmethod
    def compare(self, answer: list[int], truth: list[int]) -> float | None:
        """The value of an answer; None where it has not the pages that the definition needs."""

    def verdicts(self, pairs: pl.DataFrame) -> Iterator[Verdict]:
        """See `StructuredMetric.verdicts`."""
        assert self.extremes is not None and isinstance(self.options, PageOrderOptions)
        worst = self.extremes[0]
        for answer, references in zip(pairs["raw_answer"], pairs["raw_references"], strict=True):
            try:
                truths = [_truth(reference) for reference in references]
            except Unreadable as error:
                yield not_scored(error)
                continue
            try:
                pages = [page - self.options.first_page for page in _pages(_of_answer(read_json(answer)))]
            except Unreadable as error:
                yield Verdict(worst, unparsable=True, detail={"unparsable": str(error)})
                continue
            values = [self.compare(pages, truth) for truth in truths]
            best = max((value for value in values if value is not None), default=None)
            detail = {"pages": pages[:1000], "expected": truths[0][:1000]}
            if best is None:
                reason = "not every page exactly once"
                yield Verdict(worst, unparsable=True, detail={"unparsable": reason, **detail})
            else:
                yield Verdict(best, detail=detail)


class KendallTau(PageOrderMetric):
    """Kendall's tau of the positions that reference and answer give to each page: 1 the same order, -1 the reverse.

    An answer that has not every page of the reference exactly once has no tau: it is unparsable and counts -1. A
    document of one page: 1.
    """

    name = "kendall_tau"
    summary = "Kendall's tau of page positions, -1 for what is no order of these pages"
    source = "Kendall 1938, A New Measure of Rank Correlation"
    extremes = (-1.0, 1.0)

    def compare(self, answer: list[int], truth: list[int]) -> float | None:
        """See `PageOrderMetric.compare`."""
        return _correlation(kendalltau, answer, truth)


class SpearmanRho(PageOrderMetric):
    """Spearman's rho of the positions that reference and answer give to each page; otherwise as `kendall_tau`."""

    name = "spearman_rho"
    summary = "Spearman's rho of page positions, -1 for what is no order of these pages"
    source = "Spearman 1904, The Proof and Measurement of Association between Two Things"
    extremes = (-1.0, 1.0)

    def compare(self, answer: list[int], truth: list[int]) -> float | None:
        """See `PageOrderMetric.compare`."""
        return _correlation(spearmanr, answer, truth)


class PositionalAccuracy(PageOrderMetric):
    """The share of the reference's positions at which the answer has the same page.

    Needs no complete order: missing pages are wrong, further ones are ignored.
    """

    name = "positional_accuracy"
    summary = "share of positions with the right page"
    source = "share of positions with the right page, as in page-order tasks"
    extremes = (0.0, 1.0)

    def compare(self, answer: list[int], truth: list[int]) -> float | None:
        """See `PageOrderMetric.compare`."""
        return sum(left == right for left, right in zip(answer, truth, strict=False)) / len(truth)


def _correlation(function: Any, answer: list[int], truth: list[int]) -> float | None:
    if sorted(answer) != sorted(truth) or len(set(truth)) != len(truth):
        return None
    if len(truth) == 1:
        return 1.0
    place = {page: number for number, page in enumerate(answer)}
    return float(function(range(len(truth)), [place[page] for page in truth]).statistic)


def _truth(reference: str) -> list[int]:
    try:
        value = read_whole_json(reference)
        if isinstance(value, dict) and isinstance(value.get(_KEY), list):
            return [page - 1 for page in _pages(value[_KEY])]
        if isinstance(value, dict):
            fields = value.get("fields")
            lists = [each for each in (fields.values() if isinstance(fields, dict) else ()) if isinstance(each, list)]
            value = [page for each in lists for page in each]
        return _pages(value)
    except Unreadable as error:
        raise Unreadable(f"the reference is no list of page numbers: {error}") from error


def _of_answer(value: Any) -> Any:
    if isinstance(value, dict):
        return value.get(_KEY)
    return value


def _pages(value: Any) -> list[int]:
    if not isinstance(value, list) or not value:
        raise Unreadable("no list of pages")
    if not all(isinstance(page, int) and not isinstance(page, bool) and abs(page) < 1_000_000 for page in value):
        raise Unreadable("not only page numbers in the list")
    return value
