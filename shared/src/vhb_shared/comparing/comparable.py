"""By which metrics two runs can be compared, and what is said of the others. Blocking."""

from collections.abc import Sequence
from functools import cached_property

import polars as pl

from vhb_shared.comparing.runs import FoundRun, Metrics
from vhb_shared.contracts.comparison import Comparison
from vhb_shared.errors import UserError
from vhb_shared.statistics.replicates import unready

_Tables = tuple[pl.LazyFrame | None, pl.LazyFrame | None]


class Pair:
    """Two runs, the baseline first."""

    def __init__(
        self,
        runs: tuple[FoundRun, FoundRun],
        names: tuple[str, str],
        scores: tuple[pl.LazyFrame, pl.LazyFrame],
        replicates: _Tables,
        metrics: Metrics,
    ) -> None:
        """Args:
        runs: as found.
        names: what they are called.
        scores: of both.
        replicates: of both, None where a run has none.
        metrics: what is known of them.
        """
        self.runs = runs
        self.names = names
        self._scores = scores
        self._replicates = replicates
        self._metrics = metrics

    @cached_property
    def labels(self) -> tuple[list[str], list[str]]:
        """Metrics that each was scored with."""
        first, second = (
            table.select(pl.col("metric").unique(maintain_order=True)).collect()["metric"].to_list()
            for table in self._scores
        )
        return first, second

    @cached_property
    def composite(self) -> list[str]:
        """Those of both that are no sums over samples."""
        return [label for label in self.labels[0] if label in self.labels[1] and self._metrics.composite(label)]

    @cached_property
    def why_not(self) -> dict[str, str]:
        """Composite metrics that these runs cannot be compared by, each with a sentence that says why."""
        return {label: said for label in self.composite if (said := self._why_not(label))}

    def _why_not(self, label: str) -> str:
        reason = unready(label, self._scores, self._replicates)
        if reason == "evaluate":
            lacking = next(
                run
                for run, table in zip(self.runs, self._replicates, strict=True)
                if unready(label, self._scores, (table, table)) == "evaluate"
            )
            return (
                f"{label} of {lacking.name} (job {lacking.job_id}) was evaluated before runs could be compared by it; "
                f"evaluate again: vhb evaluate {lacking.job_id} --metrics ..."
            )
        if reason == "asked":
            return (
                f"{label} of {self.names[0]} and {self.names[1]}: they were asked different samples, and none can be "
                "left out of its value"
            )
        return ""


def comparable(pair: Pair, asked: Sequence[str], notes: list[str]) -> Sequence[str] | None:
    """The metrics to compare, None for all; what is left out is noted.

    Raises:
        UserError: a metric that was asked for, or all there are, cannot be compared.
    """
    for label in asked:
        if label in pair.why_not:
            raise UserError(f"{pair.why_not[label]}.")
    if asked:
        return asked
    first, second = pair.labels
    one_sided = sorted(set(first) ^ set(second))
    notes += [f"{label} was computed for one of {pair.names[0]} and {pair.names[1]} only" for label in one_sided]
    left = [label for label in first if label in second and label not in pair.why_not]
    if pair.why_not and not left:
        raise UserError(f"{next(iter(pair.why_not.values()))}.")
    notes += pair.why_not.values()
    return left if pair.why_not else None


def without_groups(pair: Pair, made: Comparison, by: str | None) -> list[str]:
    """What is said of composite metrics that were compared over all samples, and not by the groups asked for."""
    if by is None:
        return []
    compared = {found.metric for found in made.differences}
    grouped = {found.metric for found in made.differences if found.level == by}
    return [
        f"{label} by {by}: it is compared by doc_class, question_type and the columns of a task's aggregators, of at "
        "most 100 groups"
        for label in pair.composite
        if label in compared - grouped
    ]
