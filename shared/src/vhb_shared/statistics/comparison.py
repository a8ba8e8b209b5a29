"""Two runs on the same samples: how far apart, how certain, and what that many samples could have shown."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import polars as pl

from vhb_shared.contracts.comparison import Comparison, Difference
from vhb_shared.errors import UserError
from vhb_shared.statistics.intervals import Floats, cluster_interval, jackknife, ratio, ratio_difference, seed_of
from vhb_shared.statistics.pairing import SIDES, Sums, paired, sums
from vhb_shared.statistics.replicates import Replicated, composite_difference, replicated
from vhb_shared.statistics.significance import (
    MOST_FLIPPED,
    exchange_test,
    holm,
    mcnemar,
    normal_test,
    smallest_detectable,
)

MAX_GROUPS = 1_000


class NoCommonMetricError(UserError):
    """Two runs were scored with different metrics only."""


def compare_scores(
    a: pl.DataFrame | pl.LazyFrame,
    b: pl.DataFrame | pl.LazyFrame,
    *,
    names: tuple[str, str] = ("a", "b"),
    higher_is_better: Mapping[str, bool] | None = None,
    metrics: Sequence[str] | None = None,
    by: str | None = None,
    composite: Collection[str] = (),
    replicates: tuple[pl.LazyFrame | None, pl.LazyFrame | None] = (None, None),
) -> Comparison:
    """Compares two runs on the same data set, sample by sample. Blocking: for a worker thread.

    Differences are b - a. Samples count where both sides have a score; those that failed on a side show in the bounds
    only. Whether the data sets are the same is the caller's to check. Repeating it gives the same numbers.

    Args:
        a: scores of the baseline (`contracts.results.SCORE_COLUMNS`), as a table or a lazy one.
        b: scores of the candidate.
        names: what the two are called.
        higher_is_better: direction by metric label; one that is missing is not known.
        metrics: labels; None for all that both have, in the order of the baseline.
        by: a column of both tables: besides all samples, its groups are compared.
        composite: labels of metrics that are no sum over samples; they are compared by `replicates`, groups only where
            both have some. See `replicates.unready` for whether they can be.
        replicates: of both runs (`contracts.results.REPLICATE_COLUMNS`).

    Returns:
        For each metric, all samples first, then the groups by name. `p_holm` corrects for all of them; see
        `with_holm` for several comparisons together.

    Raises:
        NoCommonMetricError: they have no metric in common.
        UserError: they have not the one asked for; no column `by`; too many groups.
    """
    left, right = a.lazy(), b.lazy()
    labels = _common(left, right, names, metrics)
    for table, name in zip((left, right), names, strict=True):
        if by is not None and by not in (columns := table.collect_schema().names()):
            known = ", ".join(column for column in columns if column in ("doc_class", "question_type", "outcome")
                              or column.startswith("column:"))  # fmt: skip
            raise UserError(f"The scores of {name} have no column {by!r}; those to compare by are: {known}.")
    found: list[Difference] = []
    asked, only = {}, {}
    for label in labels:
        better = (higher_is_better or {}).get(label)
        pairs = paired(left, right, label, by)
        for side, other in ("ab", "ba"):
            mine = pairs[f"{side}_asked"]
            asked[side], only[side] = int(mine.sum()), int((mine & ~pairs[f"{other}_asked"]).sum())
        is_composite = label in composite
        values = _replicated(replicates, label, "general") if is_composite else {}
        found.append(_difference(pairs, label, better, names) if not is_composite
                     else _composite(pairs, label, better, values.get("all")))  # fmt: skip
        if by is not None:
            groups = sorted(pairs["group"].unique().to_list())
            if len(groups) > MAX_GROUPS:
                raise UserError(f"Column {by!r} has {len(groups)} values; at most {MAX_GROUPS} can be compared.")
            values = _replicated(replicates, label, by) if is_composite else {}
            for group in groups:
                part = pairs.filter(pl.col("group") == group)
                if not is_composite:
                    found.append(_difference(part, label, better, names, level=by, group=group))
                elif group in values:
                    found.append(_composite(part, label, better, values[group], level=by, group=group))
    compared = Comparison(
        baseline=names[0],
        candidate=names[1],
        n_baseline=asked["a"],
        n_candidate=asked["b"],
        only_baseline=only["a"],
        only_candidate=only["b"],
        differences=tuple(found),
    )
    return with_holm([compared])[0]


def with_holm(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The same comparisons, their `p_holm` corrected for all of them together."""
    corrected = iter(holm([each.p_value for made in comparisons for each in made.differences]))
    return tuple(
        made.model_copy(
            update={
                "differences": tuple(each.model_copy(update={"p_holm": next(corrected)}) for each in made.differences)
            }
        )
        for made in comparisons
    )


def _common(a: pl.LazyFrame, b: pl.LazyFrame, names: tuple[str, str], asked: Sequence[str] | None) -> list[str]:
    has = [table.select(pl.col("metric").unique(maintain_order=True)).collect()["metric"].to_list() for table in (a, b)]
    for label in asked or ():
        for name, labels in zip(names, has, strict=True):
            if label not in labels:
                raise UserError(f"{name} was not scored with {label!r}; it has: {', '.join(labels) or 'no metric'}.")
    common = list(asked) if asked is not None else [label for label in has[0] if label in has[1]]
    if not common:
        raise NoCommonMetricError(
            f"{names[0]} ({', '.join(has[0]) or 'no metric'}) and {names[1]} ({', '.join(has[1]) or 'no metric'}) have "
            "no metric in common: score them with the same ones (`vhb evaluate`)."
        )
    return common


_Both = tuple[Replicated, Replicated]


def _replicated(tables: tuple[pl.LazyFrame | None, pl.LazyFrame | None], metric: str, level: str) -> dict[str, _Both]:
    """Groups that both runs have replicates of."""
    first, second = (replicated(table, metric, level) if table is not None else {} for table in tables)
    return {group: (values, second[group]) for group, values in first.items() if group in second}


def _counted(pairs: pl.DataFrame, both: Sums, metric: str, better: bool | None, level: str, group: str) -> Difference:
    return Difference(
        metric=metric,
        level=level,
        group=group,
        higher_is_better=better,
        n_pairs=len(both.samples),
        n_documents=len(both.clusters),
        n_failed_baseline=int(pairs["a_failed"].sum()),
        n_failed_candidate=int(pairs["b_failed"].sum()),
    )


def _composite(
    pairs: pl.DataFrame,
    metric: str,
    better: bool | None,
    values: _Both | None,
    level: str = "general",
    group: str = "all",
) -> Difference:
    base = _counted(pairs, sums(pairs), metric, better, level, group)
    if values is None or not base.n_documents:
        return base
    failed = base.n_failed_baseline + base.n_failed_candidate > 0
    return base.model_copy(update=composite_difference(*values, base.n_documents, failed=failed))


def _difference(
    pairs: pl.DataFrame,
    metric: str,
    better: bool | None,
    names: tuple[str, str],
    level: str = "general",
    group: str = "all",
) -> Difference:
    both = sums(pairs)
    documents = len(both.clusters)
    low, high = _bounds(pairs)
    base = _counted(pairs, both, metric, better, level, group).model_copy(
        update={"low_if_failed": low, "high_if_failed": high}
    )
    if not documents:
        return base
    total = both.clusters.sum(axis=0, keepdims=True)
    of_samples = ratio_difference(both.samples)
    values: dict[str, object] = {
        "baseline": float(ratio(total[:, :2])[0]),
        "candidate": float(ratio(total[:, 2:])[0]),
        "difference": float(ratio_difference(total)[0]),
    }
    above, below = int((of_samples > 0).sum()), int((of_samples < 0).sum())
    if better is not None:
        values["candidate_better"], values["baseline_better"] = (above, below) if better else (below, above)
    values |= _certainty(both.clusters, _seed(names, metric, level, group))
    # For right or wrong answers that are independent of each other, exchanging sides is McNemar's test.
    if documents == len(both.samples) and _right_or_wrong(both.samples):
        values |= {"p_value": mcnemar(above, below), "test": "mcnemar"}
    return base.model_copy(update=values)


def _seed(names: tuple[str, str], metric: str, level: str, group: str) -> int:
    # The same for both orders of the runs, so that exchanging them changes signs only.
    return seed_of("comparison", *sorted(names), metric, level, group)


def _certainty(clusters: Floats, seed: int) -> dict[str, object]:
    documents = len(clusters)
    if documents < 2:
        return {}
    found = jackknife(clusters, ratio_difference)
    interval = cluster_interval(clusters, ratio_difference, seed)
    flipped = documents <= MOST_FLIPPED
    return {
        "ci_low": interval.low if interval is not None else None,
        "ci_high": interval.high if interval is not None else None,
        "p_value": exchange_test(clusters, seed) if flipped else normal_test(found.value, found.error),
        "test": "permutation" if flipped else "normal",
        "smallest_detectable": smallest_detectable(found.error, documents) if found.error > 0 else None,
    }


def _right_or_wrong(samples: Floats) -> bool:
    values, weights = samples[:, [0, 2]], samples[:, [1, 3]]
    return bool((weights == 1).all() and np.isin(values, (0.0, 1.0)).all())


def _bounds(pairs: pl.DataFrame) -> tuple[float | None, float | None]:
    """The lowest and the highest difference that the failed samples allow; None where nothing failed or is known."""
    if not any(pairs[f"{side}_failed"].any() for side in SIDES):
        return None, None
    ends = []
    for first, second in (("worst_", "best_"), ("best_", "worst_")):
        found = sums(pairs, first, second).samples
        if not len(found):
            return None, None
        ends.append(float(ratio_difference(found.sum(axis=0, keepdims=True))[0]))
    return min(ends), max(ends)
