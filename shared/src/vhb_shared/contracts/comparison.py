"""The result of comparing runs, as functions return it, `vhb compare --json` prints it and events carry it."""

from typing import Literal

from vhb_shared.contracts.base import WireModel

Test = Literal["mcnemar", "permutation", "normal", "bootstrap"]


class Difference(WireModel):
    """One metric of two runs on the samples that both have a score for. Differences are candidate - baseline."""

    metric: str
    level: str = "general"
    """`general`, or the column whose value is `group`."""
    group: str = "all"
    higher_is_better: bool | None = None
    """None: not known."""
    baseline: float | None = None
    """Over the paired samples; of a composite metric over all that the run has a score for. None where there are
    none."""
    candidate: float | None = None
    difference: float | None = None
    ci_low: float | None = None
    """95% interval of the difference; None where the data do not say."""
    ci_high: float | None = None
    p_value: float | None = None
    p_holm: float | None = None
    """Corrected for all comparisons made together."""
    test: Test | None = None
    n_pairs: int = 0
    """Samples with a score on both sides."""
    n_documents: int = 0
    """Independent units among them: documents, or samples where none share one."""
    baseline_better: int = 0
    """Pairs in which the baseline has the better value; the rest are `candidate_better`, or equal. Both 0 where
    `higher_is_better` is not known, and for composite metrics."""
    candidate_better: int = 0
    smallest_detectable: float | None = None
    """The true difference that this many documents would show with a power of 80%."""
    n_failed_baseline: int = 0
    """Samples that failed here, whatever the other side did."""
    n_failed_candidate: int = 0
    low_if_failed: float | None = None
    """The difference if every failed sample had been answered in the way that makes it lowest, or highest."""
    high_if_failed: float | None = None


class Comparison(WireModel):
    """Two runs compared."""

    baseline: str
    candidate: str
    n_baseline: int = 0
    """Samples it was asked."""
    n_candidate: int = 0
    only_baseline: int = 0
    """Samples that only this run was asked."""
    only_candidate: int = 0
    differences: tuple[Difference, ...] = ()


class GateResult(WireModel):
    """One condition of a gate, applied to one candidate."""

    condition: str
    candidate: str
    failed: bool
    message: str
    """A sentence with the numbers."""
