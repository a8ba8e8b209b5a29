"""The differences of a report as rows, for job.json and results.xlsx."""

from pydantic import BaseModel

from vhb_reporter.model import Report
from vhb_shared.contracts.comparison import Difference, Test
from vhb_shared.statistics.verdict import verdict


class DifferenceRow(BaseModel):
    """The best run of a comparison (the baseline) against another run by the first metric, or why it is not compared.
    Null: not known."""

    comparison: str
    metric: str | None
    baseline: str
    candidate: str | None
    """Run names, as that of the baseline; null where the comparison is left out."""
    baseline_value: float | None = None
    candidate_value: float | None = None
    difference: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None
    p_holm: float | None = None
    test: Test | None = None
    n_pairs: int = 0
    n_documents: int = 0
    baseline_better: int = 0
    candidate_better: int = 0
    smallest_detectable: float | None = None
    n_failed_baseline: int = 0
    n_failed_candidate: int = 0
    low_if_failed: float | None = None
    high_if_failed: float | None = None
    only_baseline: int = 0
    only_candidate: int = 0
    verdict: str | None = None
    """In English, whatever the language of the report."""
    left_out: str | None = None


def difference_rows(report: Report) -> tuple[DifferenceRow, ...]:
    """All differences, comparisons and runs in the order of the leaderboards; a comparison that is left out is one
    row."""
    rows: list[DifferenceRow] = []
    for group in report.groups:
        found = report.differences.get(group.title)
        if found is None:
            continue
        best = found.best
        if found.left_out is not None:
            metric = group.metrics[0] if group.metrics else None
            rows.append(
                DifferenceRow(
                    comparison=group.title, metric=metric, baseline=best.name, candidate=None, left_out=found.left_out
                )
            )
        rows += [
            DifferenceRow(
                comparison=group.title,
                baseline=best.name,
                candidate=each.run.name,
                baseline_value=each.found.baseline,
                candidate_value=each.found.candidate,
                only_baseline=each.only_best,
                only_candidate=each.only_run,
                verdict=verdict(each.found, best.label, each.run.label),
                **_statistics(each.found),
            )
            for each in found.against
        ]
    return tuple(rows)


def _statistics(found: Difference) -> dict[str, float | int | str | None]:
    """What is called the same in both."""
    return found.model_dump(include=set(DifferenceRow.model_fields) - {"baseline", "candidate"})
