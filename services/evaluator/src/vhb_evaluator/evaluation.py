"""One run's evaluation on local files: blocking work, for a worker thread."""

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl
import structlog

from vhb_evaluator.aggregation import BY_ID, GENERAL, LEVELS, aggregate_lazily, headlines, level_groups
from vhb_evaluator.collection import ImportedAnswers, Missing, from_part
from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.judging import JudgesReport
from vhb_evaluator.metrics.isolated import metric_environments
from vhb_evaluator.metrics.registry import BoundMetric
from vhb_evaluator.performance import performance
from vhb_evaluator.repeated import repeats
from vhb_evaluator.replicates import replicates
from vhb_evaluator.scoring import SAMPLE_FIELDS, score_bound
from vhb_evaluator.tables import ANSWER_SCHEMA, SCORE_SCHEMA, Spool, typed, write_csv, write_parquet
from vhb_evaluator.usage import gather, read_usage
from vhb_shared.contracts.judges import Panels
from vhb_shared.contracts.metric_label import tabled
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.results import ANSWERS_CSV_COLUMNS, MetricValue, OutcomeCounts
from vhb_shared.datasets.columns import level_value
from vhb_shared.datasets.levels import column_levels, columns_needed, level_file
from vhb_shared.datasets.selection import slice_samples

log = structlog.get_logger()

_BATCH_SIZE = 32 << 20
"""Bytes of answers scored in one go."""
_OLD_NAMES = {"overall": GENERAL}
"""What the earlier tool called an aggregator."""


def read_samples(
    samples: Path, run: RunSpec, offset: int, count: int, columns: Sequence[str] = SAMPLE_FIELDS
) -> pl.DataFrame:
    """What scoring needs of some of a run's rows, in data set order; options and references as they were shown."""
    return slice_samples(samples, run, offset, count, columns)


def read_part(path: Path) -> pl.DataFrame:
    """A part of the answers.

    Raises:
        EvaluationFailed: it is not a parquet file.
    """
    try:
        return pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise EvaluationFailed(f"{path.name} cannot be read: {error}") from error


class StoredShard(NamedTuple):
    """What the storage holds of a shard."""

    shard: int
    part: Path | None
    """Its committed answers, None when none was committed."""
    scores: Path | None
    """Their scores, None when not computed yet."""
    missing: Missing
    """What becomes of samples without an answer."""


class RunEvaluation:
    """Gathers answers and scores in the order of the samples, then writes the run's files.

    Memory does not grow with the run: rows wait in files below `folder`. Used by one thread at a time.
    """

    def __init__(self, run: RunSpec, metrics: tuple[BoundMetric, ...], samples: Path, folder: Path) -> None:
        """Args:
        run: what is evaluated.
        metrics: empty when nothing is to be scored.
        samples: samples.parquet of the data set.
        folder: an empty folder of this evaluation's own; the caller removes it.

        Raises:
            EvaluationFailed: the task asks for an unknown aggregator.
        """
        self._run = run
        self._metrics = metrics
        self._samples = samples
        self._folder = folder
        self._answers = Spool(folder / "answers", ANSWER_SCHEMA)
        self._levels = column_levels(run.task.aggregators)
        self._columns = tuple(dict.fromkeys((*SAMPLE_FIELDS, *columns_needed(self._levels))))
        texts = pl.Schema(dict.fromkeys(self._levels, pl.String()))
        self._scores = Spool(folder / "scores", pl.Schema({**SCORE_SCHEMA, **texts}))
        self._judges = JudgesReport(metrics)
        self._aggregators = tuple(dict.fromkeys(_OLD_NAMES.get(name, name) for name in run.task.aggregators))
        for name in self._aggregators:
            if name not in (*LEVELS, *self._levels):
                raise EvaluationFailed(
                    f"unknown aggregator {name!r} of task {run.task.name!r}; known are {', '.join(LEVELS)}"
                )
        self.counts = OutcomeCounts()

    def add_shards(self, shards: Sequence[StoredShard]) -> list[tuple[int, pl.DataFrame]]:
        """Takes in the next shards.

        Args:
            shards: consecutive ones; all calls together go through the run in order.

        Returns:
            Shard and scores, for each stored part whose scores had to be computed here.

        Raises:
            EvaluationFailed: an unreadable part, or a metric that failed.
        """
        computed: list[tuple[int, pl.DataFrame]] = []
        batch = _Batch(self._metrics)
        for stored, samples in zip(shards, self._samples_of(shards), strict=True):
            answers = from_part(samples, read_part(stored.part) if stored.part is not None else None, stored.missing)
            self._take(answers)
            known = self._known_scores(stored, answers)
            if known is None:
                batch.add(stored, samples, answers)
            # Rows leave in the order of the shards: what waits goes before what is known.
            if known is not None or batch.size >= _BATCH_SIZE:
                computed += self._scored(batch)
                batch = _Batch(self._metrics)
            if known is not None:
                self._keep(known, samples)
        return computed + self._scored(batch)

    def _samples_of(self, shards: Sequence[StoredShard]) -> Iterator[pl.DataFrame]:
        ranges = [self._run.shard_range(stored.shard) for stored in shards]
        start = ranges[0][0]
        samples = self._read(start, sum(count for _, count in ranges))
        return (samples.slice(offset - start, count) for offset, count in ranges)

    def _read(self, offset: int, count: int) -> pl.DataFrame:
        return read_samples(self._samples, self._run, offset, count, self._columns)

    def _known_scores(self, stored: StoredShard, answers: pl.DataFrame) -> pl.DataFrame | None:
        """The stored scores of a part, if they are of these metrics; empty when nothing is to be scored."""
        if not self._metrics:
            return pl.DataFrame(schema=SCORE_SCHEMA)
        if stored.scores is None:
            return None
        table = read_part(stored.scores)
        if table.height != answers.height * len(self._metrics) or not set(SCORE_SCHEMA) <= set(table.columns):
            return None
        # What becomes of a sample without an answer was not known then: the job may have been cancelled since.
        for name in ("id", "outcome"):
            if table[name].gather_every(len(self._metrics)).to_list() != answers[name].to_list():
                return None
        if (table["status"] == "not_scored").any():
            return None  # what could not be measured then, such as by a judge that was away, may be now
        return table.select(typed(SCORE_SCHEMA))

    def _scored(self, batch: "_Batch") -> list[tuple[int, pl.DataFrame]]:
        tables = batch.score()
        for _, samples, table in tables:
            self._keep(table, samples)
        return [(stored.shard, table) for stored, _, table in tables if stored.part is not None]

    def add_imported(self, imported: ImportedAnswers, offset: int, count: int) -> None:
        """Takes in the next samples with answers made elsewhere.

        Raises:
            EvaluationFailed: unreadable answers, or a metric that failed.
        """
        samples = self._read(offset, count)
        answers = imported.answers(samples)
        self._take(answers)
        if self._metrics:
            self._keep(score_bound(samples, answers, self._metrics), samples)

    def finish(self, telemetry: Sequence[Path] = ()) -> tuple[dict[str, Path], tuple[MetricValue, ...]]:
        """Writes answers, performance, scores and metric rows.

        Args:
            telemetry: segments, as agents stored them.

        Returns:
            Local files by their name in the results folder, and the headline metrics.
        """
        answers = self._answers.scan()
        files = {
            "answers.parquet": write_parquet(answers, self._folder / "answers.parquet"),
            "answers.csv": write_csv(answers.select(ANSWERS_CSV_COLUMNS), self._folder / "answers.csv"),
        }
        if "inference" in self._run.stages:
            files |= self._measured(telemetry)
        if not self._metrics:
            return files, ()
        epochs = self._take_repeated()
        scores = self._scores.scan()
        files["scores.parquet"] = write_parquet(scores, self._folder / "scores.parquet")
        run = self._run
        rows = aggregate_lazily(scores, run.name, run.model.name, run.task.name, self._levels, epochs)
        table = pl.scan_parquet(write_parquet(rows, self._folder / "metrics.parquet"))
        drawn = replicates(scores, table, level_groups(self._levels), self._levels)
        if drawn is not None:
            files["replicates.parquet"] = write_parquet(drawn.lazy(), self._folder / "replicates.parquet")
        public = _as_tabled(table)
        files["metrics.csv"] = write_csv(public, self._folder / "metrics.csv")
        for name in self._aggregators:
            level = public.filter(pl.col("level") == name)
            files[level_file(name)] = write_csv(level, self._folder / level_file(name))
        judges = self._judges.content()
        if judges is not None:
            files["judges.json"] = self._folder / "judges.json"
            files["judges.json"].write_bytes(Panels.dump_json(judges, indent=1, exclude_defaults=True) + b"\n")
        places = metric_environments(self._metrics)
        if places:
            files["metric_environments.json"] = self._folder / "metric_environments.json"
            files["metric_environments.json"].write_text(json.dumps(places, indent=1) + "\n", encoding="utf-8")
        self._tell_of_unscorable(table)
        return files, headlines(table.filter(pl.col("level") == GENERAL).collect(engine="streaming"))

    def _take_repeated(self) -> list[pl.DataFrame]:
        """Adds the scores of what several answers to a sample say together; returns sums by epoch."""
        thresholds = {each.label: each.pass_threshold for each in self._metrics if each.pass_threshold is not None}
        epochs = []
        for found in repeats(self._scores.scan(), level_groups(self._levels), self._levels, thresholds):
            self._scores.append(found.scores)
            epochs.append(found.epochs)
        return epochs

    def _measured(self, telemetry: Sequence[Path]) -> dict[str, Path]:
        files: dict[str, Path] = {}
        gathered = gather(telemetry, self._folder / "telemetry.parquet")
        if gathered is not None:
            files["telemetry.parquet"] = gathered
        figures = performance(self._run, self._answers.scan(), read_usage(gathered))
        files["performance.json"] = self._folder / "performance.json"
        files["performance.json"].write_text(figures.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return files

    def _keep(self, scores: pl.DataFrame, samples: pl.DataFrame) -> None:
        """Takes in scores, each with the groups of its sample at the levels that are columns of the data set."""
        self._judges.add(scores)
        if self._levels:
            groups = samples.select("index", *(level_value(level).alias(level) for level in self._levels))
            scores = scores.join(groups, on="index", how="left", maintain_order="left")
        self._scores.append(scores)

    def _take(self, answers: pl.DataFrame) -> None:
        self.counts += OutcomeCounts.of(answers["outcome"])
        self._answers.append(answers)

    def _tell_of_unscorable(self, metrics: pl.LazyFrame) -> None:
        missing = (
            metrics.filter((pl.col("level") == BY_ID) & (pl.col("n_scored") + pl.col("n_failed") < pl.col("n")))
            .select(pl.col("group").n_unique())
            .collect(engine="streaming")
            .item()
        )
        if missing:
            log.warning(
                "samples could not be scored: no reference, or no judge", run_id=self._run.run_id, samples=missing
            )


def _as_tabled(metrics: pl.LazyFrame) -> pl.LazyFrame:
    general = metrics.filter(pl.col("level") == GENERAL).select("metric", "normalisation")
    labels = general.unique().collect(engine="streaming")
    short = {label: tabled(label, normalisation) for label, normalisation in labels.iter_rows()}
    return metrics.with_columns(pl.col("metric").replace(short))


class _Batch:
    """Shards scored in one go: a call to a metric costs the same for one sample as for hundreds."""

    def __init__(self, metrics: tuple[BoundMetric, ...]) -> None:
        self._metrics = metrics
        self._shards: list[tuple[StoredShard, pl.DataFrame, pl.DataFrame]] = []
        self.size = 0
        """Bytes of the answers, in memory."""

    def add(self, stored: StoredShard, samples: pl.DataFrame, answers: pl.DataFrame) -> None:
        self._shards.append((stored, samples, answers))
        self.size += int(answers.estimated_size())

    def score(self) -> list[tuple[StoredShard, pl.DataFrame, pl.DataFrame]]:
        """Shard, samples and scores of each."""
        if not self._shards:
            return []
        shards, samples, answers = zip(*self._shards, strict=True)
        table = score_bound(pl.concat(samples), pl.concat(answers), self._metrics)
        sizes = [each.height * len(self._metrics) for each in samples]
        starts = itertools.accumulate(sizes, initial=0)
        return [
            (stored, own, table.slice(start, size))
            for stored, own, start, size in zip(shards, samples, starts, sizes, strict=False)
        ]
