"""What models replied to the questions of a run's metrics, by the hash of each question."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.metrics.context import ModelReply
from vhb_shared.datasets.questions import ModelQuestion
from vhb_shared.datasets.scratch_database import scratch_database

_ROWS = 4096
_SAID = ("answered", "truncated", "refused", "empty")
_NEVER_ASKED = "it was not asked this question; evaluate again"


class GivenReplies:
    """`metrics.context.AskedModels` over stored answers. They are looked up in a file: memory does not grow with their
    number. Blocks; used by one thread at a time.

    Args:
        file: of its own; the caller's to remove after `close`.
    """

    def __init__(self, file: Path) -> None:
        columns = "model INTEGER, id TEXT, words TEXT, failure TEXT, PRIMARY KEY (model, id)"
        self._database = scratch_database(file, f"replies ({columns}) WITHOUT ROWID")
        self._models: dict[str, list[tuple[int, str | None]]] = {}
        self._count = 0

    def add(self, metric: str, answers: Path | None, failure: str | None) -> None:
        """The next model of a metric.

        Args:
            metric: the metric's label.
            answers: answers.parquet of the run in which the model was asked; None where there is none.
            failure: what went wrong for the model as a whole, if anything did.

        Raises:
            EvaluationFailed: the answers cannot be read.
        """
        place, self._count = self._count, self._count + 1
        self._models.setdefault(metric, []).append((place, failure))
        if answers is None:
            return
        try:
            table = pl.scan_parquet(answers).select("id", "model_answer", "outcome", "error")
            for batch in table.collect_batches(chunk_size=_ROWS, maintain_order=False, lazy=True, engine="streaming"):
                self._database.executemany(
                    "INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?)",
                    (
                        (place, key, words or "", None) if outcome in _SAID else (place, key, None, error or outcome)
                        for key, words, outcome, error in batch.iter_rows()
                    ),
                )
        except pl.exceptions.PolarsError as error:
            raise EvaluationFailed(f"what models replied to metric {metric!r} cannot be read: {error}") from error

    def replies(self, metric: str, questions: Sequence[ModelQuestion]) -> list[tuple[ModelReply, ...]]:
        """See `AskedModels.replies`."""
        return [tuple(self._reply(*model, question.id) for model in self._models[metric]) for question in questions]

    def _reply(self, model: int, failure: str | None, question: str) -> ModelReply:
        found = self._database.execute(
            "SELECT words, failure FROM replies WHERE model = ? AND id = ?", (model, question)
        ).fetchone()
        return ModelReply(*found) if found is not None else ModelReply(None, failure or _NEVER_ASKED)

    def close(self) -> None:
        """Lets go of the file."""
        self._database.close()
