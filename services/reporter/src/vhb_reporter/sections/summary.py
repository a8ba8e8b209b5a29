"""The first screen: what came out, and what a reader must know before believing it."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from vhb_reporter import formats
from vhb_reporter.language import gettext, ngettext, noted
from vhb_reporter.measures import MetricRow
from vhb_reporter.model import Report
from vhb_reporter.sections.template import TemplateSection
from vhb_reporter.variants import compared_groups


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
    title: ClassVar[str] = noted("Summary")
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
    models = len({run.spec.model.name for run in report.runs})
    tasks = len({run.spec.task.comparison for run in report.runs})
    tiles = [
        Tile(formats.count(models), ngettext("model", "models", models)),
        Tile(formats.count(tasks), ngettext("task", "tasks", tasks)),
        Tile(formats.count(planned), ngettext("question to the models", "questions to the models", planned)),
        Tile(formats.percent(counts.total - counts.not_answered, counts.total), gettext("got an answer")),
        Tile(
            formats.count(counts.not_answered),
            ngettext("sample failed", "samples failed", counts.not_answered),
            counts.not_answered > 0,
        ),
        Tile(formats.seconds(span), gettext("first request to last answer")),
    ]
    if failed_runs:
        share = gettext("%(part)s of %(all)s") % {"part": failed_runs, "all": len(report.runs)}
        tiles.insert(2, Tile(share, gettext("runs not completed"), True))
    return tiles


def _leaders(report: Report) -> list[Leader]:
    leaders = []
    for group in compared_groups(report.groups):
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
            warnings.append(f"{run.name}: {gettext('no results are stored.')}")
        elif run.status != "completed" or run.reason:
            warnings.append(f"{run.name}: {gettext(run.status)}. {run.reason or ''}".strip())
        if run.status == "completed" and run.spec.task.metrics and not run.scored:
            warnings.append(f"{run.name}: {gettext('answered, but not scored.')}")
        if run.reused.count:
            warnings.append(
                gettext(
                    "%(run)s: %(part)s of %(all)s answers were got by earlier runs (%(jobs)s), with their latencies."
                )
                % {
                    "run": run.name,
                    "part": formats.count(run.reused.count),
                    "all": formats.count(run.counts.total),
                    "jobs": ", ".join(run.reused.jobs) or gettext("earlier ones"),
                }
            )
        missing = run.spec.samples - run.counts.total
        if run.counts.total and missing > 0:
            warnings.append(
                gettext("%(run)s: %(number)s of its samples have no row in the results.")
                % {"run": run.name, "number": formats.count(missing)}
            )
    if report.counts.not_answered:
        warnings.append(
            gettext(
                "Samples without an answer: %(number)s. Metrics leave them out; the bounds beside a value say where it "
                "would lie if all of them had been answered as badly, or as well, as can be."
            )
            % {"number": formats.count(report.counts.not_answered)}
        )
    datasets = {run.spec.dataset.digest: run.spec.dataset for run in report.runs}
    warnings += [
        gettext("Data set %(name)s: %(number)s bad rows were left out, as asked.")
        % {"name": dataset.name, "number": formats.count(dataset.skipped_rows)}
        for dataset in datasets.values()
        if dataset.skipped_rows
    ]
    return warnings
