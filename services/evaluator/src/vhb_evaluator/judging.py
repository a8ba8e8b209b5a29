"""`judges.json`: who judged a run, by which prompt, how often they failed, and how far they agree."""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from vhb_evaluator.metrics.judge.agreement import Agreement
from vhb_evaluator.metrics.judge.options import JudgeOptions
from vhb_evaluator.metrics.judge.prompt import PROTOCOL, Case, messages
from vhb_evaluator.metrics.registry import BoundMetric
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.contracts.judges import Agreement as AgreementFigures
from vhb_shared.contracts.judges import JudgeTally, Panel

_EXAMPLE = Case("(question)", ("(reference)",), "(answer)")


class JudgesReport:
    """Gathers what judges said from scores, batch by batch.

    Args:
        metrics: of the run; those without judges are passed over.
    """

    def __init__(self, metrics: Sequence[BoundMetric]) -> None:
        self._tallies = {
            bound.label: _Tally(bound.metric.options, bound.metric.context.models)
            for bound in metrics
            if isinstance(bound.metric.options, JudgeOptions)
        }

    def add(self, scores: pl.DataFrame) -> None:
        """Takes in scores (`SCORE_COLUMNS`)."""
        for label, tally in self._tallies.items():
            for detail in scores.filter((pl.col("metric") == label) & pl.col("detail").is_not_null())["detail"]:
                judges = json.loads(detail).get("judges")
                if judges is not None:  # else the answer was stopped by a gate
                    tally.add(judges)

    def content(self) -> dict[str, Panel] | None:
        """The file's content, by the metric's label; None where nobody judged."""
        return {label: tally.content() for label, tally in self._tallies.items()} or None


class _Tally:
    def __init__(self, options: JudgeOptions, models: Sequence[ModelEntry]) -> None:
        self._options = options
        self._judges = options.judges_of(models)
        self._panel = [{"asked": 0, "failed": 0, "sum": 0.0} for _ in self._judges]
        self._agreement = Agreement()

    def add(self, judges: list[dict[str, Any]]) -> None:
        for seat, said in zip(self._panel, judges, strict=True):
            seat["asked"] += 1
            seat["failed"] += "score" not in said
            seat["sum"] += said.get("score", 0.0)
        self._agreement.add([said["score"] for said in judges if "score" in said])

    def content(self) -> Panel:
        options = self._options
        judges = []
        for judge, seat in zip(self._judges, self._panel, strict=True):
            ruled = int(seat["asked"] - seat["failed"])
            mean = seat["sum"] / ruled if ruled else None
            judges.append(JudgeTally(**judge, asked=int(seat["asked"]), failed=int(seat["failed"]), mean_score=mean))
        shown = _EXAMPLE._replace(images=("(image)",)) if options.images else _EXAMPLE
        return Panel(
            judges=tuple(judges),
            scale=(options.lowest, options.highest),
            agreement=AgreementFigures(
                krippendorff_alpha_interval=self._agreement.alpha(), samples=self._agreement.units
            ),
            images=options.images,
            protocol=PROTOCOL,
            prompt=tuple(messages(shown, options)),
        )
