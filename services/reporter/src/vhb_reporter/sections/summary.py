"""The first screen: what came out, and what a reader must know before believing it."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from vhb_reporter import formats
from vhb_reporter.measures import MetricRow
from vhb_reporter.model import Report
from vhb_reporter.sections.template import TemplateSection


class Tile(NamedTuple):
    """One number with what it counts."""

    value: str
    label: str
    bad: bool = False


class Leader(NamedTuple):
    """The best model of a comparison by its first metric."""

    title: str
    labels: tuple[str, ...]
    metric: str
    row: MetricRow
    of: int


class Summary(TemplateSection):
    """Key numbers, the leaders, and warnings."""

    name: ClassVar[str] = "summary"
    title: ClassVar[str] = "Summary"
    order: ClassVar[int] = 100

    def context(self, report: Report) -> Mapping[str, object]:
        return {"tiles": _tiles(report), "leaders": _leaders(report), "warnings": _warnings(report)}


def _tiles(report: Report) -> list[Tile]:
    counts = report.counts
    planned = sum(run.spec.samples for run in report.runs)
    failed_runs = sum(run.status != "completed" for run in report.runs)
    starts = [run.timings.first_at for run in report.runs if run.timings.first_at]
    ends = [run.timings.last_at for run in report.runs if run.timings.last_at]
    span = (max(ends) - min(starts)).total_seconds() if starts and ends else None
    tiles = [
        _counted(len({run.spec.model.name for run in report.runs}), "model"),
        _counted(len({run.spec.task.comparison for run in report.runs}), "task"),
        _counted(planned, "question", " to the models"),
        Tile(formats.percent(counts.total - counts.not_answered, counts.total), "got an answer"),
        Tile(formats.count(counts.not_answered), "samples failed", counts.not_answered > 0),
        Tile(formats.seconds(span), "first request to last answer"),
    ]
    if failed_runs:
        tiles.insert(2, Tile(f"{failed_runs} of {len(report.runs)}", "runs not completed", True))
    return tiles


def _counted(number: int, what: str, rest: str = "") -> Tile:
    return Tile(formats.count(number), what + ("" if number == 1 else "s") + rest)


def _leaders(report: Report) -> list[Leader]:
    leaders = []
    for group in report.groups:
        if not group.metrics or len(group.runs) < 2 or (best := group.best(group.metrics[0])) is None:
            continue
        rows = [(run, row) for run in group.runs if (row := run.value(group.metrics[0])) and row.value == best]
        first = rows[0][1]
        labels = tuple(run.label for run, _ in rows)
        leaders.append(Leader(group.title, labels, group.metrics[0], first, len(group.runs)))
    return leaders


def _warnings(report: Report) -> list[str]:
    warnings = []
    for run in report.runs:
        if run.status == "incomplete":
            warnings.append(f"{run.name}: no results are stored.")
        elif run.status != "completed" or run.reason:
            warnings.append(f"{run.name}: {run.status}. {run.reason or ''}".strip())
        if run.status == "completed" and run.spec.task.metrics and not run.scored:
            warnings.append(f"{run.name}: answered, but not scored.")
        if run.reused.count:
            jobs = ", ".join(run.reused.jobs) or "earlier ones"
            warnings.append(
                f"{run.name}: {formats.count(run.reused.count)} of {formats.count(run.counts.total)} answers were got "
                f"by earlier jobs ({jobs}), with their latencies."
            )
        missing = run.spec.samples - run.counts.total
        if run.counts.total and missing > 0:
            warnings.append(f"{run.name}: {formats.count(missing)} of its samples have no row in the results.")
    if report.counts.not_answered:
        warnings.append(
            f"{formats.count(report.counts.not_answered)} samples have no answer. Metrics leave them out; the bounds "
            "beside a value say where it would lie if all of them had been answered as badly, or as well, as can be."
        )
    datasets = {run.spec.dataset.digest: run.spec.dataset for run in report.runs}
    warnings += [
        f"Data set {dataset.name}: {formats.count(dataset.skipped_rows)} bad rows were left out, as asked."
        for dataset in datasets.values()
        if dataset.skipped_rows
    ]
    return warnings
