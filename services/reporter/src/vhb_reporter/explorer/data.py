"""Data files of samples.html: scripts that hand over plain data, small enough to load a few at a time. Blocking.

A page from disk may load scripts beside it, but may not read other files; so each file is one call,
`vhbSamples("r0-3", {...})`, of JSON that was made here. Two kinds, for a comparison `t0` and a run `r0`:

- columns, one value for each sample, for sorting and filtering: `t0-ids`, `t0-classes`, `t0-types`, `t0-index`,
  `t0-spread0` (how far runs differ by metric 0), `r0-outcomes`, `r0-values0` (by metric 0);
- chunks of `CHUNK` samples, for looking: `t0-3` (questions, references, images), `r0-3` (answers, errors, scores).

Tables are read in windows of a few thousand samples, so that memory does not grow with the data.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from vhb_reporter.explorer.images import Previews
from vhb_reporter.model import ComparisonGroup, RunView
from vhb_reporter.samples import Tables
from vhb_shared.contracts.results import OUTCOMES
from vhb_shared.datasets.options import MOST_CHOICES
from vhb_shared.datasets.records import SAMPLE_SCHEMA
from vhb_shared.datasets.selection import slice_samples

CHUNK = 512
WINDOW = 8 * CHUNK
"""Whole row groups of tables, or whole parts of them: none is read for a few rows of it."""
TEXT_LIMIT = 1200
"""Characters of a question, a reference or an answer; the whole answer is in answers.csv."""
_ERROR_LIMIT = 600
_ID_LIMIT = 120
_CHOICE_LIMIT = 300
_REFERENCES = 8
_IMAGES = 12
_NAMES = 300
"""Classes, and question types, that can be chosen; those beyond are one choice together."""

_NO_SCORES: dict[str, pl.DataType] = {"index": pl.UInt32(), "id": pl.String()}


@dataclass(slots=True)
class Names:
    """Numbers for the values of a column, in the order in which they first occur."""

    known: dict[str, int] = field(default_factory=dict)
    more: bool = False
    """There are more than `_NAMES`; those have the number -2, and samples without a value -1."""

    def codes(self, values: Sequence[str | None]) -> list[int]:
        """A number for each value."""
        return [self._code(value) for value in values]

    def _code(self, value: str | None) -> int:
        if not value:
            return -1
        code = self.known.get(value)
        if code is None:
            if len(self.known) >= _NAMES:
                self.more = True
                return -2
            code = self.known[value] = len(self.known)
        return code


@dataclass(slots=True)
class Comparison:
    """One comparison as the page shows it."""

    place: int
    group: ComparisonGroup
    runs: Sequence[tuple[int, RunView, Tables]]
    """With their place in the report; only those that have answers."""
    samples: Path | None
    count: int = 0
    classes: Names = field(default_factory=Names)
    types: Names = field(default_factory=Names)


def comparisons(
    groups: Sequence[ComparisonGroup],
    runs: Sequence[RunView],
    tables: Mapping[str, Tables],
    samples: Mapping[str, Path | None],
) -> list[Comparison]:
    """What can be looked at: comparisons with answers.

    Args:
        tables: run id -> files.
        samples: digest of a data set -> its samples.parquet.
    """
    place_of = {run.name: place for place, run in enumerate(runs)}
    found: list[Comparison] = []
    for group in groups:
        answered = [
            (place_of[run.name], run, tables[run.spec.run_id])
            for run in group.runs
            if tables[run.spec.run_id].answers is not None
        ]
        if answered:
            found.append(Comparison(len(found), group, answered, samples[group.runs[0].spec.dataset.digest]))
    return found


def write(comparison: Comparison, folder: Path, previews: Previews) -> Iterator[list[Path]]:
    """Writes all data files of a comparison, and notes its counts and names in it.

    Args:
        folder: where to; files may be taken away once they were yielded.
        previews: which images are to be written is decided here, sample by sample.

    Yields:
        Files that are complete: chunks after every window, columns at the end.
    """
    rows = _rows(comparison)
    columns = _Columns(folder)
    for offset in range(0, comparison.count, WINDOW):
        window = rows.slice(offset, WINDOW).collect(engine="streaming")
        written = list(_shared(comparison, window, offset, columns, folder, previews))
        values = []
        for place, run, tables in comparison.runs:
            frame = _run_window(window, tables, comparison.group.metrics)
            values.append(frame.select(f"value{number}" for number in range(len(comparison.group.metrics))))
            written += _answers(place, run, frame, comparison, offset, columns, folder)
        _spread(comparison, values, columns)
        yield written
    yield columns.close()


class _Columns:
    """Files with one value for each sample, which grow window by window."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begun: dict[str, Path] = {}

    def add(self, name: str, values: Sequence[object]) -> None:
        text = _json(values)[1:-1]
        path = self._begun.get(name)
        if path is None:
            path = self._begun[name] = self._folder / f"{name}.js"
            path.write_text(f'vhbSamples("{name}",[{text}', "utf-8")
        elif text:
            with path.open("a", encoding="utf-8") as file:
                file.write("," + text)

    def close(self) -> list[Path]:
        for path in self._begun.values():
            with path.open("a", encoding="utf-8") as file:
                file.write("]);\n")
        return list(self._begun.values())


def _rows(comparison: Comparison) -> pl.LazyFrame:
    """`index` and `id` of what was asked: of the run with the most rows, for one may be cut short."""
    tables = [pl.scan_parquet(found.answers) for _, _, found in comparison.runs if found.answers is not None]
    counts = [table.select(pl.len()).collect(engine="streaming").item() for table in tables]
    comparison.count = max(counts)
    return tables[counts.index(comparison.count)].select(pl.col("index").cast(pl.UInt32), pl.col("id").cast(pl.String))


def _between(window: pl.DataFrame) -> pl.Expr:
    return pl.col("index").is_between(window["index"].min(), window["index"].max())


def _shared(
    comparison: Comparison, window: pl.DataFrame, offset: int, columns: _Columns, folder: Path, previews: Previews
) -> Iterator[Path]:
    """What all runs share: ids, classes, questions, references, images."""
    start = f"t{comparison.place}"
    frame = window.join(_samples(comparison, window, offset), on="index", how="left", maintain_order="left")
    columns.add(f"{start}-ids", window["id"].str.slice(0, _ID_LIMIT).to_list())
    columns.add(f"{start}-index", window["index"].to_list())
    columns.add(f"{start}-classes", comparison.classes.codes(frame["doc_class"].to_list()))
    columns.add(f"{start}-types", comparison.types.codes(frame["question_type"].to_list()))
    digest = comparison.group.runs[0].spec.dataset.media_digest
    for position in range(0, window.height, CHUNK):
        part = frame.slice(position, CHUNK)
        content = {
            "questions": part["question"].to_list(),
            "choices": part["choices"].to_list(),
            "references": part["references"].to_list(),
            "referenceCounts": part["reference_count"].to_list(),
            "images": [previews.take(digest, names or ()) for names in part["images"].to_list()],
            "imageCounts": part["image_count"].to_list(),
        }
        yield _chunk(folder, f"{start}-{(offset + position) // CHUNK}", content)


def _samples(comparison: Comparison, window: pl.DataFrame, offset: int) -> pl.DataFrame:
    """What was asked, as it was asked: options in the order shown."""
    run = comparison.group.runs[0].spec
    if comparison.samples is None:
        rows = pl.LazyFrame(schema=SAMPLE_SCHEMA)
    elif run.task.is_repeated or run.task.circular or run.task.shuffle_options is not None:
        rows = slice_samples(comparison.samples, run, offset, window.height).lazy()
    else:
        # Rows are the data set's own: only those in reach are read.
        rows = pl.scan_parquet(
            comparison.samples, schema=SAMPLE_SCHEMA, missing_columns="insert", extra_columns="ignore"
        ).filter(_between(window))
    return rows.select(
        "index", "doc_class", "question_type",
        pl.col("question").str.slice(0, TEXT_LIMIT),
        pl.col("choices").list.head(MOST_CHOICES).list.eval(pl.element().str.slice(0, _CHOICE_LIMIT)),
        pl.col("references").list.len().alias("reference_count"),
        pl.col("references").list.head(_REFERENCES).list.eval(pl.element().str.slice(0, TEXT_LIMIT)),
        pl.col("images").list.len().alias("image_count"),
        pl.col("images").list.head(_IMAGES),
    ).collect(engine="streaming")  # fmt: skip


def _run_window(window: pl.DataFrame, tables: Tables, metrics: Sequence[str]) -> pl.DataFrame:
    """A run's answers and scores to the window's rows, joined by index and id."""
    assert tables.answers is not None
    answers = (
        pl.scan_parquet(tables.answers)
        .filter(_between(window))
        .select(
            pl.col("index").cast(pl.UInt32), pl.col("id").cast(pl.String), "outcome",
            pl.col("model_answer").str.slice(0, TEXT_LIMIT).alias("text"),
            pl.col("model_answer").str.len_chars().alias("length"),
            pl.col("error").str.slice(0, _ERROR_LIMIT),
            pl.col("latency_ms").round(1),
        )
        .collect(engine="streaming")
    )  # fmt: skip
    frame = window.join(answers, on=["index", "id"], how="left", maintain_order="left")
    return frame.join(_scores(window, tables.scores, metrics), on=["index", "id"], how="left", maintain_order="left")


def _scores(window: pl.DataFrame, scores: Path | None, metrics: Sequence[str]) -> pl.DataFrame:
    """`value0`, `value1`, ... by metric, and `unparsable`: the numbers of metrics that could not read the answer."""
    places = {metric: number for number, metric in enumerate(metrics)}
    kinds = _NO_SCORES | {f"value{number}": pl.Float64() for number in places.values()}
    if scores is None:
        return pl.DataFrame(schema=kinds | {"unparsable": pl.List(pl.Int64())})
    value, number = pl.col("value"), pl.col("number")
    return (
        pl.scan_parquet(scores)
        .filter(_between(window) & pl.col("metric").is_in(list(metrics)))
        .select(
            pl.col("index").cast(pl.UInt32), pl.col("id").cast(pl.String), "status",
            pl.when(value.is_finite()).then(value.round(5)).alias("value"),
            pl.col("metric").replace_strict(places, return_dtype=pl.Int64).alias("number"),
        )
        .group_by("index", "id")
        .agg(
            *(value.filter(number == place).first().alias(f"value{place}") for place in places.values()),
            number.filter(pl.col("status") == "unparsable").sort().alias("unparsable"),
        )
        .collect(engine="streaming")
    )  # fmt: skip


def _answers(
    place: int, run: RunView, frame: pl.DataFrame, comparison: Comparison, offset: int, columns: _Columns, folder: Path
) -> Iterator[Path]:
    metrics = range(len(comparison.group.metrics))
    codes = {outcome: code for code, outcome in enumerate(OUTCOMES)}
    outcomes = [codes.get(outcome, -1) for outcome in frame["outcome"].to_list()]
    columns.add(f"r{place}-outcomes", outcomes)
    for number in metrics:
        columns.add(f"r{place}-values{number}", frame[f"value{number}"].to_list())
    for position in range(0, frame.height, CHUNK):
        part = frame.slice(position, CHUNK)
        content = {
            "outcomes": outcomes[position : position + CHUNK],
            "texts": part["text"].to_list(),
            "lengths": part["length"].to_list(),
            "errors": part["error"].to_list(),
            "latencies": part["latency_ms"].to_list(),
            "unparsable": part["unparsable"].to_list(),
            "values": [part[f"value{number}"].to_list() for number in metrics],
        }
        yield _chunk(folder, f"r{place}-{(offset + position) // CHUNK}", content)


def _spread(comparison: Comparison, values: Sequence[pl.DataFrame], columns: _Columns) -> None:
    """How far the runs differ on each sample: the greatest value less the least."""
    if len(values) < 2:
        return
    for number in range(len(comparison.group.metrics)):
        wide = pl.DataFrame([frame[f"value{number}"].alias(str(run)) for run, frame in enumerate(values)])
        known = pl.sum_horizontal(pl.all().is_not_null())
        spread = pl.when(known > 1).then((pl.max_horizontal(pl.all()) - pl.min_horizontal(pl.all())).round(5))
        columns.add(f"t{comparison.place}-spread{number}", wide.select(spread.alias("spread"))["spread"].to_list())


def _chunk(folder: Path, name: str, content: object) -> Path:
    path = folder / f"{name}.js"
    path.write_text(f'vhbSamples("{name}",{_json(content)});\n', "utf-8")
    return path


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
