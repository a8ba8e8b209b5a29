"""The best run of every comparison against each other run, sample by sample. Blocking."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import polars as pl

from vhb_reporter.model import ComparisonGroup, Differences, RunDifference, RunView
from vhb_reporter.samples import Tables
from vhb_shared.contracts.comparison import Comparison

MOST_SAMPLES = 200_000
"""Paired samples are held in memory, about 1 KB for each."""
MOST_PAIRS = 200
"""Pairs of runs compared in one report, one after the other, a second or two for each."""


def against_best(
    groups: Sequence[ComparisonGroup], tables: Mapping[str, Tables], composite: Mapping[str, bool]
) -> dict[str, Differences]:
    """Differences by the first metric, p values corrected for all of them together.

    Args:
        groups: comparisons of the report.
        tables: run id -> files.
        composite: metric label -> whether its group values are no sums over samples, as far as that is known.

    Returns:
        Title of a comparison -> its differences, for those with two scored runs or more.
    """
    made: dict[str, Differences] = {}
    compared: list[Comparison] = []
    for group in groups:
        if (found := _ready(group, tables)) is None:
            continue
        best, *others = found
        if (is_composite := composite.get(group.metrics[0])) is None:
            made[group.title] = Differences(best, left_out="unknown")
        elif is_composite and (reason := _unready(group, found, tables)) is not None:
            made[group.title] = Differences(best, left_out=reason)
        elif best.spec.samples > MOST_SAMPLES:
            made[group.title] = Differences(best, left_out="samples")
        elif len(compared) + len(others) > MOST_PAIRS:
            made[group.title] = Differences(best, left_out="pairs")
        else:
            comparisons = [_compared(group, best, run, tables, composite=is_composite) for run in others]
            compared += comparisons
            made[group.title] = Differences(
                best,
                tuple(
                    RunDifference(run, one.differences[0], one.only_baseline, one.only_candidate)
                    for run, one in zip(others, comparisons, strict=True)
                ),
            )
    return _corrected(made, compared)


def _ready(group: ComparisonGroup, tables: Mapping[str, Tables]) -> tuple[RunView, ...] | None:
    """Runs that have scores of the first metric, the best one first; None where there is nothing to compare."""
    if not group.metrics or group.metrics[0] not in group.higher_is_better:
        return None
    runs = tuple(
        run
        for run in group.ranked()
        if (row := run.value(group.metrics[0])) is not None
        and row.value is not None
        and (path := tables[run.spec.run_id].scores) is not None
        # The spread between epochs is a row of metrics.csv and none of scores.parquet.
        and not pl.scan_parquet(path).filter(pl.col("metric") == group.metrics[0]).head(1).collect().is_empty()
    )
    return runs if len(runs) > 1 else None


def _unready(
    group: ComparisonGroup, runs: Sequence[RunView], tables: Mapping[str, Tables]
) -> Literal["evaluate", "asked"] | None:
    from vhb_shared.statistics.replicates import unready

    best, *others = (tables[run.spec.run_id] for run in runs)
    reasons = (unready(group.metrics[0], _scores(best, run), _replicates(best, run)) for run in others)
    return next((reason for reason in reasons if reason is not None), None)


def _scores(first: Tables, second: Tables) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    return pl.scan_parquet(first.scores or ""), pl.scan_parquet(second.scores or "")


def _replicates(first: Tables, second: Tables) -> tuple[pl.LazyFrame | None, pl.LazyFrame | None]:
    found = (pl.scan_parquet(one.replicates) if one.replicates is not None else None for one in (first, second))
    return next(found), next(found)


def _compared(
    group: ComparisonGroup, best: RunView, run: RunView, tables: Mapping[str, Tables], *, composite: bool
) -> Comparison:
    # Imported here, for it brings scipy, which no report of a single run needs.
    from vhb_shared.statistics.comparison import compare_scores

    own = tables[best.spec.run_id], tables[run.spec.run_id]
    return compare_scores(
        *_scores(*own),
        names=(best.label, run.label),
        higher_is_better=group.higher_is_better,
        metrics=group.metrics[:1],
        composite=group.metrics[:1] if composite else (),
        replicates=_replicates(*own),
    )


def _corrected(made: dict[str, Differences], compared: Sequence[Comparison]) -> dict[str, Differences]:
    if not compared:
        return made
    from vhb_shared.statistics.comparison import with_holm

    corrected = iter(with_holm(compared))
    return {
        title: replace(
            found, against=tuple(replace(each, found=next(corrected).differences[0]) for each in found.against)
        )
        for title, found in made.items()
    }
