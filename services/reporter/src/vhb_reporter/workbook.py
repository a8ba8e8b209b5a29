"""results.xlsx: a job's results for spreadsheets. Blocking; call it in a thread.

Names, classes and errors are strangers' text: every text is written as a text cell, whatever it starts with, so a
spreadsheet evaluates nothing and links nowhere.
"""

import io
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import polars as pl
import xlsxwriter

from vhb_reporter.differing import DifferenceRow, difference_rows
from vhb_reporter.exports import performance_rows, typed
from vhb_reporter.inert import clip, visible
from vhb_reporter.model import ComparisonGroup, Report, RunView
from vhb_reporter.provenance import environments, run_facts, software
from vhb_shared.contracts.results import OUTCOMES

MOST_ROWS = 1_048_576
"""Of a sheet: what the file format allows, header included."""
_MOST_CHARACTERS = 32_767
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}

Cell = str | int | float | bool | None


def workbook(report: Report, metrics: pl.DataFrame, *, most_rows: int = MOST_ROWS) -> bytes:
    """The sheets leaderboard, differences, metrics, outcomes, performance, provenance.

    Args:
        metrics: the job's metric rows, as text (`exports.joined`).
        most_rows: rows of a sheet; one that is cut ends with a row that says so.
    """
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, _OPTIONS)
    # The same results give the same file, byte for byte.
    book.set_properties({"title": clip(visible(report.title), 200), "created": _created(report)})
    write = _Writer(book, most_rows)
    write.sheet("leaderboard", *_leaderboard(report))
    differences = (list(row.model_dump().values()) for row in difference_rows(report))
    write.sheet("differences", list(DifferenceRow.model_fields), differences)
    numbers = typed(metrics)
    write.sheet("metrics", numbers.columns, numbers.iter_rows())
    write.sheet("outcomes", ["run", "model", "task", "status", *OUTCOMES, "samples"], map(_outcomes, report.runs))
    rows = performance_rows(report)
    write.sheet("performance", list(rows[0]) if rows else ["run"], ([_plain(row[key]) for key in row] for row in rows))
    write.sheet("provenance", ["of", "what", "value"], _provenance(report))
    book.close()
    return out.getvalue()


class _Writer:
    """Sheets of one workbook, in one style."""

    def __init__(self, book: xlsxwriter.Workbook, most_rows: int) -> None:
        self._book = book
        self._most = most_rows
        self._head = book.add_format({"bold": True, "bottom": 1, "bg_color": "#ECEFF4"})
        self._number = book.add_format({"num_format": "0.0000"})
        self._count = book.add_format({"num_format": "#,##0"})

    def sheet(self, name: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        sheet = self._book.add_worksheet(name)
        sheet.freeze_panes(1, 1)
        for column, title in enumerate(head):
            sheet.write_string(0, column, title, self._head)
        widths = [len(title) for title in head]
        last = left_out = 0
        pending: Sequence[Cell] | None = None
        for row in rows:
            if last == self._most - 2:
                # The last line of the sheet is for the last row, or for the note that there are more.
                left_out, pending = left_out + 1, row
                continue
            last += 1
            self._row(sheet, last, row, widths)
        if pending is not None and left_out == 1:
            last, left_out = last + 1, 0
            self._row(sheet, last, pending, widths)
        sheet.autofilter(0, 0, last, len(head) - 1)
        if left_out:
            note = f"{left_out} more rows do not fit a sheet; all of them are in metrics.csv and metrics.parquet"
            sheet.write_string(last + 1, 0, note)
        for column, width in enumerate(widths):
            sheet.set_column(column, column, min(width + 2, 60))

    def _row(self, sheet: "xlsxwriter.worksheet.Worksheet", place: int, row: Sequence[Cell], widths: list[int]) -> None:
        for column, value in enumerate(row):
            self._cell(sheet, place, column, value)
            widths[column] = max(widths[column], len(value) if isinstance(value, str) else 8)

    def _cell(self, sheet: "xlsxwriter.worksheet.Worksheet", row: int, column: int, value: Cell) -> None:
        if value is None:
            return
        if isinstance(value, str):
            sheet.write_string(row, column, clip(visible(value), _MOST_CHARACTERS))
        elif isinstance(value, bool):
            sheet.write_boolean(row, column, value)
        elif isinstance(value, int):
            sheet.write_number(row, column, value, self._count)
        elif math.isfinite(value):
            sheet.write_number(row, column, value, self._number)
        else:
            sheet.write_string(row, column, str(value))


def _created(report: Report) -> datetime:
    try:
        return datetime.fromisoformat(report.planned_at).astimezone(UTC).replace(tzinfo=None)
    except ValueError:
        return datetime(2000, 1, 1)


def _leaderboard(report: Report) -> tuple[list[str], list[list[Cell]]]:
    """One row per run; for each metric of any comparison its value, interval and bounds."""
    metrics = list(dict.fromkeys(metric for group in report.groups for metric in group.metrics))
    parts = ("", " low", " high", " if failed: worst", " if failed: best")
    head = ["comparison", "place", "model", "run", "status", "n", "n_scored", "n_failed"]
    head += [f"{metric}{part}" for metric in metrics for part in parts]
    rows = []
    for group in report.groups:
        for place, run in enumerate(group.ranked(), start=1):
            rows.append(_place(group, place, run, metrics))
    return head, rows


def _place(group: ComparisonGroup, place: int, run: RunView, metrics: Sequence[str]) -> list[Cell]:
    first = run.value(group.metrics[0]) if group.metrics else None
    ranked = first is not None and first.value is not None and group.metrics[0] in group.higher_is_better
    counts: list[Cell] = [first.n, first.n_scored, first.n_failed] if first else [run.spec.samples, None, None]
    row: list[Cell] = [group.title, place if ranked else None, run.spec.model.name, run.name, run.status, *counts]
    for metric in metrics:
        found = run.value(metric) if metric in group.metrics else None
        row += [found.value, found.ci_low, found.ci_high, found.worst, found.best] if found else [None] * 5
    return row


def _outcomes(run: RunView) -> list[Cell]:
    counts: list[Cell] = [getattr(run.counts, outcome) for outcome in OUTCOMES]
    return [run.name, run.spec.model.name, run.spec.task.name, run.status, *counts, run.spec.samples]


def _provenance(report: Report) -> Iterable[Sequence[Cell]]:
    yield "job", "id", report.job_id
    yield "job", "name", report.title
    for name, value in software(report):
        yield "software", name, value
    for run in report.runs:
        for name, value in run_facts(run):
            yield run.name, name, value
    for environment in environments(report.runs):
        for name, value in (
            *environment.facts,
            *((f"package {name}", number) for name, number in environment.packages),
        ):
            yield ", ".join(environment.runs), name, value


def _plain(value: object) -> Cell:
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
