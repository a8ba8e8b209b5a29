"""Compares matched runs, and what is said of it: for programs, for events. Blocking."""

import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl
from pydantic import BaseModel

from vhb_shared.comparing.comparable import Pair, comparable, without_groups
from vhb_shared.comparing.matching import Match
from vhb_shared.comparing.runs import FoundRun, Metrics
from vhb_shared.contracts.comparison import Comparison, GateResult
from vhb_shared.contracts.events import (
    MAX_DIFFERENCES,
    MAX_RUNS,
    ComparedRun,
    ComparisonCompleted,
    ComparisonFailed,
)
from vhb_shared.errors import UserError
from vhb_shared.statistics.comparison import NoCommonMetricError, compare_scores, with_holm
from vhb_shared.statistics.gate import Condition, apply_condition
from vhb_shared.statistics.verdict import verdict


class Wishes(NamedTuple):
    """What the options say."""

    metrics: tuple[str, ...]
    by: str | None
    all_pairs: bool
    conditions: tuple[Condition, ...]


class MatchResult(BaseModel):
    """What `vhb compare --json` prints of runs that belong together."""

    dataset: str
    dataset_digest: str
    runs: tuple[ComparedRun, ...]
    """The baseline first."""
    comparisons: tuple[Comparison, ...]
    verdicts: tuple[str, ...]
    """A sentence for each difference, in their order."""
    gates: tuple[GateResult, ...]


class CompareResult(BaseModel):
    """What `vhb compare --json` prints."""

    failed: bool
    """Whether a condition of the gate failed."""
    matches: tuple[MatchResult, ...]
    left_out: tuple[str, ...]
    """Runs and metrics that were not compared, with the reason."""


def compare(matches: Sequence[Match], left_out: Sequence[FoundRun], wishes: Wishes, metrics: Metrics) -> CompareResult:
    """Compares the candidates of every match with its baseline.

    Runs that have no metric in common with theirs are left out and named, but not where a gate is to hold: what it did
    not see would pass.

    Raises:
        UserError: runs without a common metric, an unknown metric or column, scores that cannot be read.
    """
    notes = [f"{run.argument}:{run.name} has no counterpart" for run in left_out]
    made: list[list[Comparison]] = []
    apart: list[NoCommonMetricError] = []
    for each in matches:
        made.append([])
        for first, second in _pairs(each, wishes.all_pairs):
            said: list[str] = []
            try:
                made[-1].append(_compared(each, first, second, wishes, metrics, said))
                notes += said
            except NoCommonMetricError as error:
                if wishes.conditions:
                    raise
                apart.append(error)
    if apart and not any(made):
        raise apart[0]
    notes += [str(error).rstrip(".") for error in apart]
    corrected = iter(with_holm([one for group in made for one in group]))
    results = []
    for each, group in zip(matches, made, strict=True):
        if not group:
            continue
        comparisons = tuple(itertools.islice(corrected, len(group)))
        with_baseline = [one for one in comparisons if one.baseline == each.labels[0]]
        gates = [apply_condition(condition, one) for condition in wishes.conditions for one in with_baseline]
        results.append(
            MatchResult(
                dataset=each.runs[0].dataset,
                dataset_digest=each.runs[0].dataset_digest,
                runs=tuple(
                    ComparedRun(job_id=run.job_id, run_id=run.run_id, name=run.name, model=run.model, task=run.task)
                    for run in each.runs
                ),
                comparisons=comparisons,
                verdicts=tuple(
                    verdict(found, one.baseline, one.candidate) for one in comparisons for found in one.differences
                ),
                gates=tuple(gates),
            )
        )
    failed = any(gate.failed for result in results for gate in result.gates)
    return CompareResult(failed=failed, matches=tuple(results), left_out=tuple(dict.fromkeys(notes)))


def event(result: MatchResult) -> ComparisonCompleted | ComparisonFailed:
    """The event that tells of it."""
    failed = any(gate.failed for gate in result.gates)
    kind = ComparisonFailed if failed else ComparisonCompleted
    overall = [
        (one, found, sentence)
        for one, found, sentence in zip(
            [one for one in result.comparisons for _ in one.differences],
            [found for one in result.comparisons for found in one.differences],
            result.verdicts,
            strict=True,
        )
        if found.level == "general"
    ]
    shown = overall[:MAX_DIFFERENCES]
    comparisons = [
        one.model_copy(update={"differences": tuple(found for other, found, _ in shown if other is one)})
        for one in {id(one): one for one, _, _ in shown}.values()
    ]
    return kind(
        job_id=result.runs[1].job_id,
        runs=result.runs[:MAX_RUNS],
        dataset_digest=result.dataset_digest,
        comparisons=tuple(comparisons),
        differences_total=len(result.verdicts),
        verdicts=tuple(sentence for _, _, sentence in shown),
        gates=tuple(sorted(result.gates, key=lambda gate: not gate.failed)[:MAX_DIFFERENCES]),
        token=hashlib.sha256(result.model_dump_json().encode()).hexdigest()[:16],
    )


def _pairs(each: Match, all_pairs: bool) -> list[tuple[int, int]]:
    places = range(len(each.runs))
    return list(itertools.combinations(places, 2)) if all_pairs else [(0, place) for place in places[1:]]


def _compared(each: Match, first: int, second: int, wishes: Wishes, metrics: Metrics, notes: list[str]) -> Comparison:
    runs = (each.runs[first], each.runs[second])
    scores = (_scan(runs[0].scores), _scan(runs[1].scores))
    replicates = (_scan_if_there(runs[0].replicates), _scan_if_there(runs[1].replicates))
    pair = Pair(runs, (each.labels[first], each.labels[second]), scores, replicates, metrics)
    by = _column(wishes.by, scores)
    made = compare_scores(
        *scores,
        names=pair.names,
        higher_is_better={
            label: better for label in pair.labels[0] if (better := metrics.higher_is_better(label)) is not None
        },
        metrics=comparable(pair, wishes.metrics, notes),
        by=by,
        composite=pair.composite,
        replicates=replicates,
    )
    notes += without_groups(pair, made, by)
    return made


def _scan(path: Path) -> pl.LazyFrame:
    try:
        table = pl.scan_parquet(path)
        table.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    return table


def _scan_if_there(path: Path) -> pl.LazyFrame | None:
    return _scan(path) if path.is_file() else None


def _column(by: str | None, tables: Sequence[pl.LazyFrame]) -> str | None:
    """`lang` means the level `column:lang`, where scores have no column of that very name."""
    if by is None or all(by in table.collect_schema().names() for table in tables):
        return by
    level = f"column:{by}"
    return level if all(level in table.collect_schema().names() for table in tables) else by
