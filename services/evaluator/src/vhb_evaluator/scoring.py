"""From answers to scores: one row per sample and metric."""

from importlib.metadata import PackageNotFoundError

import polars as pl

from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.metrics.base import Metric
from vhb_evaluator.metrics.context import MetricContext
from vhb_evaluator.metrics.isolated import IsolatedMetric
from vhb_evaluator.metrics.registry import BoundMetric, bind_all, metric_package
from vhb_evaluator.normalisation import normalised
from vhb_evaluator.tables import SCORE_SCHEMA, typed
from vhb_shared.contracts.job import MetricSpec
from vhb_shared.errors import Unavailable, UserError

SAMPLE_FIELDS: tuple[str, ...] = (
    "index", "id", "doc_class", "question_type", "references",
    "sample", "question", "choices", "document", "answer_bbox", "fields", "images",
)  # fmt: skip
"""What scoring needs of a row; the last seven may be missing."""
_OPTIONAL: dict[str, pl.DataType] = {
    "sample": pl.String(),
    "question": pl.String(),
    "choices": pl.List(pl.String()),
    "document": pl.String(),
    "answer_bbox": pl.String(),
    "fields": pl.String(),
    "images": pl.List(pl.String()),
}

_MISSING = ("failed", "withdrawn")


def score(
    samples: pl.DataFrame, answers: pl.DataFrame, metrics: tuple[MetricSpec, ...], context: MetricContext | None = None
) -> pl.DataFrame:
    """Scores answers with every metric.

    Status of a row, in this order: `failed` or `withdrawn` (there is no answer; the value is null, and the worst and
    best columns say what an empty and a perfect answer would have counted), `no_reference` (nothing to compare with;
    value and bounds are null), `not_scored` (the metric could not measure it through no fault of the model, such as a
    judge that did not answer; the same), `unparsable` (scored as the metric says), `scored`. Empty, truncated and
    refused answers are scored as what the model said. A sample without any answer row counts as failed.

    Args:
        samples: at least `SAMPLE_FIELDS`; one row per sample to score.
        answers: at least `index`, `id`, `model_answer`, `outcome`; joined by index and id, in any order.
        metrics: what to compute; the same one twice counts once.
        context: of the task.

    Returns:
        Columns `SCORE_COLUMNS`, ordered by index, then by metric as asked for.

    Raises:
        UserError: an unknown metric, normalisation or profile, or a package whose metric cannot be imported.
        EvaluationFailed: a metric raised, or returned something else than it should.
    """
    return score_bound(samples, answers, bind_all(metrics, context))


def score_bound(samples: pl.DataFrame, answers: pl.DataFrame, metrics: tuple[BoundMetric, ...]) -> pl.DataFrame:
    """`score` with metrics already made."""
    lacking = [pl.lit(None, dtype=kind).alias(name) for name, kind in _OPTIONAL.items() if name not in samples.columns]
    rows = (
        samples.with_columns(lacking)
        .select(
            pl.col("index").cast(pl.UInt32),
            pl.col("id").cast(pl.String),
            pl.col("doc_class").cast(pl.String),
            pl.col("question_type").cast(pl.String),
            pl.col("references").cast(pl.List(pl.String)).list.drop_nulls().fill_null([]).alias("raw_references"),
            pl.col("question").cast(pl.String),
            pl.col("choices").cast(pl.List(pl.String)).fill_null([]),
            pl.col("sample").cast(pl.String).fill_null(pl.col("id").cast(pl.String)),
            pl.coalesce(pl.col("document", "sample", "id").cast(pl.String)).alias("document"),
            pl.col("answer_bbox").cast(pl.String),
            pl.col("fields").cast(pl.String),
            pl.col("images").cast(pl.List(pl.String)).fill_null([]),
        )
        .join(
            answers.select(
                pl.col("index").cast(pl.UInt32), pl.col("id").cast(pl.String), "outcome", answer="model_answer"
            ),
            on=["index", "id"],
            how="left",
            validate="1:1",
            maintain_order="left",
        )
        .with_columns(pl.col("outcome").fill_null("failed"))
        .with_row_index("row")
    )
    tables = [_metric_rows(rows, bound).with_columns(order=pl.lit(place)) for place, bound in enumerate(metrics)]
    if not tables:
        return pl.DataFrame(schema=SCORE_SCHEMA)
    return pl.concat(tables).sort("index", "row", "order").select(SCORE_SCHEMA.names())


def _metric_rows(rows: pl.DataFrame, bound: BoundMetric) -> pl.DataFrame:
    metric = bound.metric
    try:
        rows = _with_status(rows, metric)
        comparable = rows.filter("comparable").select(
            "row",
            "status",
            normalised(pl.col("answer").fill_null(""), "none@1").alias("raw_answer"),
            pl.col("raw_references").list.eval(normalised(pl.element(), "none@1")),
            pl.col("raw_references").list.eval(normalised(pl.element(), bound.normalisation)).alias("references"),
            "question",
            "choices",
            "answer_bbox",
            "fields",
            "images",
            "doc_class",
            "question_type",
        )
        given = comparable.filter(pl.col("status") == "scored").drop("status")
        missing = comparable.filter(pl.col("status") != "scored").drop("status")
        scored = _gated(bound, given) if bound.gate is not None else _run(bound, given)
        lowest, highest = _bounds(bound, missing)
    except (EvaluationFailed, Unavailable):
        raise
    except UserError as error:
        raise EvaluationFailed(str(error)) from error
    except Exception as error:  # a metric may be anybody's code
        raise EvaluationFailed(f"{_told(bound)} failed: {type(error).__name__}: {error}") from error
    table = rows.join(scored, on="row", how="left", maintain_order="left")
    for case, bounds in (("worst", lowest), ("best", highest)):
        named = bounds.select("row", *(pl.col(name).alias(f"{case}_{name}") for name in (*_PAIR, "detail")))
        # A scored sample is what it is, in the worst and in the best case.
        table = table.join(named, on="row", how="left", maintain_order="left").with_columns(
            pl.coalesce(f"{case}_{name}", name).alias(f"{case}_{name}") for name in _PAIR
        )
    return table.with_columns(
        pl.lit(bound.label).alias("metric"),
        pl.lit(str(metric.version)).alias("metric_version"),
        pl.lit(bound.normalisation).alias("normalisation"),
        pl.when(pl.col("not_scored").is_not_null())
        .then(pl.lit("not_scored"))
        .when(pl.col("unparsable"))
        .then(pl.lit("unparsable"))
        .otherwise("status")
        .alias("status"),
        ratio(pl.col("numerator"), pl.col("denominator")).alias("value"),
    ).select("row", *typed(SCORE_SCHEMA))


def _with_status(rows: pl.DataFrame, metric: Metric) -> pl.DataFrame:
    """Adds `comparable` and `status`, as they are before anything is scored."""
    return rows.with_columns(metric.comparable().fill_null(False).alias("comparable")).with_columns(
        pl.when(pl.col("outcome").is_in(_MISSING))
        .then("outcome")
        .when("comparable")
        .then(pl.lit("scored"))
        .otherwise(pl.lit("no_reference"))
        .alias("status")
    )


def _bounds(bound: BoundMetric, missing: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What samples without an answer count in the worst and in the best case."""
    metric = bound.metric
    if metric.extremes is not None:
        worst, best = (
            missing.select(
                "row", pl.lit(value, dtype=pl.Float64).alias("numerator"), denominator=pl.lit(1.0), detail=_NO_DETAIL
            )
            for value in metric.extremes
        )
        return worst, best
    return (
        _run(bound, missing.with_columns(metric.worst_answers(missing).alias("raw_answer"))),
        _run(bound, missing.with_columns(metric.best_answers(missing).alias("raw_answer"))),
    )


def _gated(bound: BoundMetric, pairs: pl.DataFrame) -> pl.DataFrame:
    """Scores a batch behind the metric's gate: an answer that does not pass counts as an empty one, unparsable."""
    assert bound.gate is not None
    passed = _run(BoundMetric(bound.gate, bound.gate.name, "none@1"), pairs).select(
        "row", (pl.col("numerator") > 0).alias("passed")
    )
    judged = pairs.join(passed, on="row", how="left", maintain_order="left")
    emptied = judged.with_columns(pl.when("passed").then("raw_answer").otherwise(pl.lit("")).alias("raw_answer"))
    scored = _run(bound, emptied.drop("passed")).join(passed, on="row", how="left", maintain_order="left")
    return scored.with_columns(
        pl.col("unparsable") | ~pl.col("passed"),
        # The groups of a composite metric are valued by details: there it stays the empty answer's.
        pl.when(pl.col("passed") | bound.metric.composite)
        .then("detail")
        .otherwise(pl.lit('{"gated":true}'))
        .alias("detail"),
    ).drop("passed")


_NO_DETAIL = pl.lit(None, dtype=pl.String)
_PAIR = ("numerator", "denominator")
_TOO_LARGE = 1e12
"""Beyond this a sum over a large run would leave the exact range of `aggregation`."""


def ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """numerator / denominator; over 0 it is 0 when the numerator is 0, else 1; null where either is null."""
    return (
        pl.when(denominator != 0)
        .then(numerator / denominator)
        .when(denominator.is_not_null() & numerator.is_not_null())
        .then((numerator != 0).cast(pl.Float64))
    )


def _run(bound: BoundMetric, pairs: pl.DataFrame) -> pl.DataFrame:
    """Scores a batch and checks what came back: `row`, `numerator`, `denominator`, `unparsable`, `detail`,
    `not_scored`. What was not scored has no numerator and no denominator."""
    kinds: dict[str, pl.DataType] = {"row": pl.UInt32(), **dict.fromkeys(_PAIR, pl.Float64())}
    extra: dict[str, pl.DataType] = {"unparsable": pl.Boolean(), "detail": pl.String(), "not_scored": pl.String()}
    shape = pl.Schema(kinds | extra)
    if pairs.is_empty():
        return pl.DataFrame(schema=shape)
    answered = pairs.with_columns(normalised(pl.col("raw_answer"), bound.normalisation).alias("answer"))
    found = bound.metric.score(answered)
    lacking = [pl.lit(None, dtype=kind).alias(name) for name, kind in extra.items() if name not in found.columns]
    found = found.with_columns(lacking).select(pl.col(name).cast(kind) for name, kind in shape.items())
    found = found.with_columns(pl.col("unparsable").fill_null(False))
    if found.height != pairs.height or set(found["row"]) != set(pairs["row"]):
        raise EvaluationFailed(
            f"{_told(bound)} returned {found.height} rows that do not match its {pairs.height} samples"
        )
    measured = found.filter(pl.col("not_scored").is_null())
    if not measured.select(pl.all_horizontal((pl.col(*_PAIR).abs() < _TOO_LARGE).fill_null(False).all())).item():
        raise EvaluationFailed(
            f"{_told(bound)} returned a score that is null, not a number, or not below {_TOO_LARGE:g}"
        )
    if bound.metric.composite and measured["detail"].null_count():
        raise EvaluationFailed(f"{_told(bound)} returned no detail, and its groups are valued by details")
    kept = [pl.when(pl.col("not_scored").is_null()).then(name).alias(name) for name in _PAIR]
    reason = pl.struct(pl.col("not_scored").str.head(_LONGEST_REASON)).struct.json_encode()
    return found.with_columns(
        *kept, pl.when(pl.col("not_scored").is_not_null()).then(pl.coalesce("detail", reason)).otherwise("detail")
        .alias("detail"),
    )  # fmt: skip


_LONGEST_REASON = 500


def _told(bound: BoundMetric) -> str:
    if isinstance(bound.metric, IsolatedMetric):
        return f"metric {bound.label!r}"
    try:
        return f"metric {bound.label!r} of package {metric_package(bound.metric.name)}"
    except (UserError, PackageNotFoundError):
        return f"metric {bound.label!r}"
