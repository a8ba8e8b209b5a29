"""Samples that were asked several times: pass@k, the spread between epochs, and circular evaluation.

Rows of one sample share `sample`. A row's `id` may end in `~e2` (asked the second time) and `~r1` (options rotated by
one place); without that, the order of the rows counts the epochs.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from vhb_evaluator.metrics.registry import CIRCULAR, class_from_label, pass_label
from vhb_evaluator.scoring import ratio
from vhb_evaluator.tables import SCORE_SCHEMA
from vhb_shared.contracts.metric_label import EPOCH_SD
from vhb_shared.errors import UserError

_PART_ROWS = 250_000
_EXACT = pl.Decimal(38, 18)
_ROTATION = r"(?:^|[^~])(?:~e\d+)?~r(\d+)$"
_SCORED = pl.col("status").is_in(["scored", "unparsable"])
_FAILED = pl.col("status").is_in(["failed", "withdrawn"])
_ASK = ("metric", "sample", "epoch")


class Repeats(NamedTuple):
    """What part of the samples give."""

    scores: pl.DataFrame
    """Rows of derived metrics (`exact_match[pass@4]`, `choice_accuracy[circular]`), one per sample: `SCORE_COLUMNS` and
    the columns that are levels."""
    epochs: pl.DataFrame
    """Sums by `metric`, `level`, `group` and `epoch`; see `epoch_spread`."""


def repeats(
    scores: pl.LazyFrame, groups: Mapping[str, pl.Expr], columns: tuple[str, ...], thresholds: Mapping[str, float]
) -> Iterator[Repeats]:
    """Derived scores, a part of the samples at a time; nothing where no sample was asked several times. Blocks.

    Args:
        scores: columns `SCORE_COLUMNS` and `columns`.
        groups: level -> expression of the group over the columns of `scores`.
        columns: those that are levels.
        thresholds: metric label -> from which value on an answer counts as right; for pass@k.
    """
    found = scores.select(pl.len(), (pl.col("id") != pl.col("sample")).any().alias("any")).collect(engine="streaming")
    rows, repeated = found.row(0)
    if not repeated:
        return
    metrics = _metrics(scores, thresholds)
    parts = max(1, -(-rows // _PART_ROWS))
    keys = scores.select("metric", "sample", "id", "index")
    most = max(_part(keys, part, parts).select(pl.col("epoch").max().fill_null(0)).item() for part in range(parts)) + 1
    for part in range(parts):
        yield _repeats(_part(scores.select(*SCORE_SCHEMA, *columns), part, parts), groups, columns, metrics, most)


class _Right(NamedTuple):
    """When a metric's value counts as right."""

    threshold: float | None
    higher: bool


def _metrics(scores: pl.LazyFrame, thresholds: Mapping[str, float]) -> dict[str, _Right | None]:
    """Metrics that are sums, and of those that know right from wrong, how."""
    binary = (~_SCORED | (pl.col("numerator").is_in([0.0, 1.0]) & (pl.col("denominator") == 1))).all()
    table = scores.group_by("metric").agg(binary.alias("binary")).collect(engine="streaming")
    found: dict[str, _Right | None] = {}
    for label, is_binary in table.iter_rows():
        try:
            metric = class_from_label(label)
        except UserError:
            continue
        if metric.composite:
            continue
        higher = metric.direction == "higher"
        threshold = thresholds.get(label)
        found[label] = _Right(threshold, higher) if threshold is not None or (is_binary and higher) else None
    return found


def _part(scores: pl.LazyFrame, part: int, parts: int) -> pl.DataFrame:
    """All rows of some samples, in order, with `epoch` and `rotation`."""
    mine = (pl.col("sample").hash(seed=0) % parts == part) if parts > 1 else pl.lit(True)
    rotation = pl.col("id").str.extract(_ROTATION, 1).cast(pl.UInt32).fill_null(0)
    rotated = pl.col("id").str.starts_with(pl.col("sample")) & (pl.col("id") != pl.col("sample"))
    return (
        scores.filter(mine)
        .with_columns(pl.when(rotated).then(rotation).otherwise(0).alias("rotation"))
        .collect(engine="streaming")
        .sort("index", maintain_order=True)
        .with_columns(pl.int_range(pl.len()).over("metric", "sample", "rotation").alias("epoch"))
    )


def _repeats(
    rows: pl.DataFrame,
    groups: Mapping[str, pl.Expr],
    columns: tuple[str, ...],
    metrics: Mapping[str, _Right | None],
    most: int,
) -> Repeats:
    known = rows.filter(pl.col("metric").is_in(list(metrics)))
    derived: list[pl.DataFrame] = []
    if (known["rotation"] > 0).any():
        binary = [label for label, right in metrics.items() if right is not None and right.threshold is None]
        circular = _circular(known.filter(pl.col("metric").is_in(binary)))
        derived.append(circular.filter(pl.col("epoch") == 0) if most == 1 else circular)
        known = pl.concat([known.filter(~pl.col("metric").is_in(binary)), circular], how="diagonal")
        metrics = {f"{label}{CIRCULAR}": metrics[label] for label in binary}
    if most > 1:
        for label, right in metrics.items():
            if right is not None:
                derived += _passes(known.filter(pl.col("metric") == label), label, right, most)
    names = {**SCORE_SCHEMA, **dict.fromkeys(columns, pl.String())}
    empty = pl.DataFrame(schema=names)
    table = pl.concat([empty, *derived], how="diagonal_relaxed").select(*names)
    return Repeats(
        table.with_columns(ratio(pl.col("numerator"), pl.col("denominator")).alias("value")),
        _epoch_sums(known, groups) if most > 1 else _epoch_sums(known.clear(), groups),
    )


def _first(rows: pl.DataFrame, *but: str) -> list[pl.Expr]:
    return [pl.col(name).first() for name in rows.columns if name not in (*_ASK, "rotation", *but)]


def _circular(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per metric, sample and epoch: right only if every rotation is. One wrong answer decides it, whatever
    became of the others."""
    computed = ("id", "status", "outcome", "detail", "worst_detail", "best_detail", *_PAIR, *_WORST, *_BEST)
    wrong = (_SCORED & (pl.col("numerator") == 0)).any()
    table = rows.group_by(_ASK, maintain_order=True).agg(
        *_first(rows, *computed),
        pl.when(wrong | (_SCORED.any() & ~_FAILED.any()))
        .then(pl.lit("scored"))
        .when(_FAILED.any())
        .then(pl.lit("failed"))
        .otherwise(pl.lit("no_reference"))
        .alias("status"),
        pl.col("numerator").min(),
        pl.col("worst_numerator").min(),
        pl.col("best_numerator").min(),
    )
    return _finished(table, pl.concat_str("metric", pl.lit(CIRCULAR))).with_columns(
        pl.when(pl.col("epoch") > 0)
        .then(pl.format("{}~e{}", "sample", pl.col("epoch") + 1))
        .otherwise("sample")
        .alias("id")
    )


def _passes(rows: pl.DataFrame, label: str, right: _Right, most: int) -> list[pl.DataFrame]:
    """pass@k of each sample: the chance that one of k of its answers, drawn without replacement, is right
    (Chen et al. 2021, Evaluating Large Language Models Trained on Code, equation 1)."""
    computed = ("id", "status", "outcome", "detail", "worst_detail", "best_detail", *_PAIR, *_WORST, *_BEST)
    counted = rows.group_by("metric", "sample", maintain_order=True).agg(
        *_first(rows, *computed),
        _SCORED.sum().alias("scored"),
        (_SCORED | _FAILED).sum().alias("asked"),
        *(
            (keep & _is_right(f"{case}numerator", f"{case}denominator", right)).sum().alias(f"{case}right")
            for case, keep in (("", _SCORED), ("worst_", _SCORED | _FAILED), ("best_", _SCORED | _FAILED))
        ),
    )
    tables = []
    for k in sorted({most, *(2**power for power in range(most.bit_length()) if 2**power <= most)}):
        enough = pl.col("scored") >= k
        table = counted.with_columns(
            pl.when(enough)
            .then(pl.lit("scored"))
            .when(pl.col("scored") < pl.col("asked"))
            .then(pl.lit("failed"))
            .otherwise(pl.lit("no_reference"))
            .alias("status"),
            *(
                pl.Series(f"{case}numerator", _pass_at(k, counted[f"{case}right"], counted[of]), dtype=pl.Float64)
                for case, of in (("", "scored"), ("worst_", "asked"), ("best_", "asked"))
            ),
        )
        name = pass_label(label, k, right.threshold)
        tables.append(_finished(table, pl.lit(name)).with_columns(pl.col("sample").alias("id")))
    return tables


def _is_right(numerator: str, denominator: str, right: _Right) -> pl.Expr:
    value = ratio(pl.col(numerator), pl.col(denominator))
    if right.threshold is None:
        return (value == 1).fill_null(False)
    return (value >= right.threshold if right.higher else value <= right.threshold).fill_null(False)


def _pass_at(k: int, right: pl.Series, of: pl.Series) -> list[float | None]:
    from scipy import special  # not at the top: a service that starts has no use for it

    successes, trials = (series.to_numpy().astype(np.float64) for series in (right, of))
    with np.errstate(invalid="ignore", divide="ignore"):
        # log C(n - c, k) - log C(n, k); no k wrong ones are left where n - c < k.
        wrong = trials - successes
        logs = (
            special.gammaln(wrong + 1)
            - special.gammaln(np.maximum(wrong - k, 0) + 1)
            - special.gammaln(trials + 1)
            + special.gammaln(np.maximum(trials - k, 0) + 1)
        )
        values = np.where(wrong < k, 1.0, 1.0 - np.exp(logs))
    # Twelve digits: the rest is rounding, and a sample with nothing right is exactly 0.
    return [round(float(value), 12) if enough else None for value, enough in zip(values, trials >= k, strict=True)]


_PAIR = ("numerator", "denominator")
_WORST = ("worst_numerator", "worst_denominator")
_BEST = ("best_numerator", "best_denominator")


def _finished(table: pl.DataFrame, label: pl.Expr) -> pl.DataFrame:
    """Numerators that fit the status, denominators of 1, and what else a score has."""
    scored, known = pl.col("status") == "scored", pl.col("status") != "no_reference"
    own = pl.when(scored).then("numerator")
    return table.with_columns(
        label.alias("metric"),
        pl.when(scored).then(pl.lit("answered")).otherwise(pl.lit("failed")).alias("outcome"),
        own.alias("numerator"),
        pl.when(scored).then(1.0).alias("denominator"),
        *(
            expr
            for case in ("worst", "best")
            for expr in (
                pl.when(known).then(pl.coalesce(own, f"{case}_numerator")).alias(f"{case}_numerator"),
                pl.when(known & pl.coalesce(own, f"{case}_numerator").is_not_null()).then(1.0)
                .alias(f"{case}_denominator"),
            )
        ),
    )  # fmt: skip


def _epoch_sums(rows: pl.DataFrame, groups: Mapping[str, pl.Expr]) -> pl.DataFrame:
    kept = ["metric", "metric_version", "normalisation", "level", "group", "epoch"]
    tables = [
        rows.with_columns(pl.lit(level).alias("level"), group.alias("group"))
        .group_by(kept, maintain_order=True)
        .agg(
            *(pl.col(name).filter(_SCORED).cast(_EXACT).sum() for name in _PAIR),
            pl.len().alias("n"),
            _SCORED.sum().alias("n_scored"),
            _FAILED.sum().alias("n_failed"),
        )
        for level, group in groups.items()
    ]
    return pl.concat(tables)


def epoch_spread(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Rows `METRIC[epoch_sd]`: the standard deviation between epochs of each group's value (n - 1 in the divisor).

    Args:
        parts: `Repeats.epochs`.

    Returns:
        `metric`, `metric_version`, `normalisation`, `level`, `group`, `value`, `n`, `n_scored`, `n_failed` (of the
        first epoch).
    """
    keys = ["metric", "metric_version", "normalisation", "level", "group"]
    return (
        pl.concat(parts)
        .group_by(*keys, "epoch", maintain_order=True)
        .agg(pl.col(*_PAIR, "n", "n_scored", "n_failed").sum())
        .with_columns(ratio(*(pl.col(name).cast(pl.Float64) for name in _PAIR)).alias("value"))
        .with_columns(pl.when(pl.col("n_scored") > 0).then("value").alias("value"))
        .sort("epoch", maintain_order=True)
        .group_by(keys, maintain_order=True)
        .agg(pl.col("value").std(), pl.col("n", "n_scored", "n_failed").first().cast(pl.Int64))
        .with_columns(pl.concat_str("metric", pl.lit(EPOCH_SD)).alias("metric"))
    )
