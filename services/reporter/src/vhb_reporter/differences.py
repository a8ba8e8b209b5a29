"""The best run of every comparison against each other run, sample by sample. Blocking."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

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
        if (is_composite := composite.get(group.metrics[0])) is not False:
            made[group.title] = Differences(best, left_out="unknown" if is_composite is None else "composite")
        elif best.spec.samples > MOST_SAMPLES:
            made[group.title] = Differences(best, left_out="samples")
        elif len(compared) + len(others) > MOST_PAIRS:
            made[group.title] = Differences(best, left_out="pairs")
        else:
            comparisons = [_compared(group, best, run, tables) for run in others]
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
        # Metrics over repetitions (pass@k) are rows of metrics.csv and none of scores.parquet.
        and not pl.scan_parquet(path).filter(pl.col("metric") == group.metrics[0]).head(1).collect().is_empty()
    )
    return runs if len(runs) > 1 else None


def _compared(group: ComparisonGroup, best: RunView, run: RunView, tables: Mapping[str, Tables]) -> Comparison:
    # Imported here, for it brings scipy, which no report of a single run needs.
    from vhb_shared.statistics.comparison import compare_scores

    first, second = (pl.scan_parquet(tables[one.spec.run_id].scores or "") for one in (best, run))
    return compare_scores(
        first,
        second,
        names=(best.label, run.label),
        higher_is_better=group.higher_is_better,
        metrics=group.metrics[:1],
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
