"""The first pass over a run: what its metrics ask models is noted, and nothing is scored."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from vhb_evaluator.collection import ImportedAnswers, from_part
from vhb_evaluator.evaluation import StoredShard, read_part, read_samples
from vhb_evaluator.metrics.context import ModelReply
from vhb_evaluator.metrics.registry import BoundMetric
from vhb_evaluator.scoring import score_bound
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.datasets.questions import ModelQuestion, QuestionTable

_NOT_YET = ModelReply(None, "not asked yet")


class NotedQuestions:
    """`metrics.context.AskedModels` that takes questions down, each metric's in a table of its own.

    Args:
        folder: an empty one; the caller's to remove after `close`.
        models: label of each metric that asks -> how many models it asks.
    """

    def __init__(self, folder: Path, models: dict[str, int]) -> None:
        self._models = models
        self.tables = {label: QuestionTable(folder / str(place)) for place, label in enumerate(models)}

    def replies(self, metric: str, questions: Sequence[ModelQuestion]) -> list[tuple[ModelReply, ...]]:
        """See `AskedModels.replies`: nobody has said anything yet."""
        for question in questions:
            self.tables[metric].add(question)
        return [(_NOT_YET,) * self._models[metric]] * len(questions)

    def close(self) -> None:
        """Lets go of the files."""
        for table in self.tables.values():
            table.close()


class QuestionPass:
    """Has metrics look at all answers of a run, so that they ask. Blocks; used by one thread at a time.

    Args:
        run: whose answers.
        metrics: those that ask models, bound to a `NotedQuestions`.
        samples: samples.parquet of the data set.
    """

    def __init__(self, run: RunSpec, metrics: tuple[BoundMetric, ...], samples: Path) -> None:
        self._run = run
        self._metrics = metrics
        self._samples = samples

    def add_shards(self, shards: Sequence[StoredShard]) -> list[tuple[int, pl.DataFrame]]:
        """Takes in the next shards; there are no scores to keep.

        Raises:
            EvaluationFailed: an unreadable part, or a metric that failed.
        """
        for stored in shards:
            samples = read_samples(self._samples, self._run, *self._run.shard_range(stored.shard))
            part = read_part(stored.part) if stored.part is not None else None
            score_bound(samples, from_part(samples, part, stored.missing), self._metrics)
        return []

    def add_imported(self, imported: ImportedAnswers, offset: int, count: int) -> None:
        """Takes in the next samples with answers made elsewhere.

        Raises:
            EvaluationFailed: unreadable answers, or a metric that failed.
        """
        samples = read_samples(self._samples, self._run, offset, count)
        score_bound(samples, imported.answers(samples), self._metrics)
