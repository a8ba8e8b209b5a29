"""Answers, outcomes and the columns of every table of results."""

from collections.abc import Iterable
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

Outcome = Literal["answered", "empty", "truncated", "refused", "failed", "withdrawn"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class Answer(BaseModel):
    """What a model said to one sample, or the error that replaced it. One row of an answers part."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    index: int
    """Position of the sample in the data set (0-based, before filter and limit); results are in this order."""
    id: str
    model_answer: str | None = None
    """None exactly when the outcome is failed or withdrawn."""
    outcome: Outcome
    error: str | None = None
    latency_ms: float | None = None
    """Of the last attempt, from sending to the last byte."""
    ttft_ms: float | None = None
    """Time to the first token; only when streaming."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    attempts: int = 0
    finish_reason: str | None = None
    answered_at: str | None = None
    """UTC, ISO 8601."""
    replica: str | None = None
    fingerprint: str | None = None
    tpot_ms: float | None = None
    """Time per output token after the first: (latency - ttft) / (completion tokens - 1); only when streaming, with
    the server's own count of at least 2 tokens."""
    started_at: str | None = None
    """UTC, ISO 8601: when the first attempt that counts was sent. What an engine's death broke off does not count."""
    cached_tokens: int | None = None
    """Of the prompt, tokens that the engine found in its cache, where it says so."""
    reused_from: str | None = None
    """The earlier run that this answer, with its timings, was got by; None where this run asked for it itself."""


ANSWER_COLUMNS: tuple[str, ...] = tuple(Answer.model_fields)
"""Columns of answers parts and answers.parquet."""
ANSWERS_CSV_COLUMNS: tuple[str, ...] = tuple(name for name in ANSWER_COLUMNS if name != "index")
"""Columns of answers.csv: `id,model_answer,outcome,error,...`."""

SAMPLE_COLUMNS: tuple[str, ...] = (
    "index",  # u32, 0-based row in the whole data set
    "id",  # str
    "split",  # str or null
    "images",  # list[str]: "<sha256>.<ext>", names under datasets/<digest>/media/
    "question",  # str or null
    "references",  # list[str]
    "doc_class",  # str or null
    "question_type",  # str or null
    "answer_bbox",  # str or null, as given
    "data_index",  # str or null, as given
    "choices",  # list[str]: options of a multiple-choice question, in the data set's order; else empty
    "document",  # str or null: what several samples share (pages, questions); statistics cluster by it
    "fields",  # str or null: a JSON object of all other columns that the reader keeps, values as text
)
"""Columns of datasets/<digest>/samples.parquet."""

SCORE_COLUMNS: tuple[str, ...] = (
    "index",
    "id",
    "sample",  # str: the sample's id in the data set; differs from `id` where a sample is asked several times
    "document",  # str: what statistics cluster by: the sample's document, else `sample`
    "doc_class",
    "question_type",
    "metric",  # the label: metric id, with [profile] and @normalisation appended where they are not the metric's own
    "metric_version",
    "normalisation",
    "outcome",  # of the answer
    # scored | failed | withdrawn | unparsable (scored as the model's own result) | no_reference (nothing to compare
    # with: no value, no bounds; counted in n, in neither n_scored nor n_failed) | not_scored (the metric could not
    # measure it through no fault of the model, such as a judge that did not answer; counted in the same way)
    "status",
    "value",  # f64; null when not scored
    "numerator",  # f64: what pooled metrics sum (edits); the value itself for means
    "denominator",  # f64: what pooled metrics divide by (reference length, 0 for an empty one); 1 for means
    # Of a failed or withdrawn sample: as if it had been answered with an empty text; of any other: its own.
    "worst_numerator",
    "worst_denominator",
    "best_numerator",  # the same, as if it had been answered perfectly
    "best_denominator",
    "detail",  # str or null: JSON, what the metric says beside the value (class found, fields right, pages in order)
    "worst_detail",  # the detail of a failed or withdrawn sample's worst and best answer; of any other null
    "best_detail",
)
"""Columns of scores parts and scores.parquet (long form: one row per sample and metric)."""

METRIC_COLUMNS: tuple[str, ...] = (
    "run",
    "model",
    "task",
    "metric",
    "metric_version",
    "normalisation",
    "level",
    "group",
    "value",
    "ci_low",
    "ci_high",
    "n",
    "n_scored",
    "n_failed",
    "value_if_failed_worst",
    "value_if_failed_best",
)
"""Columns of metrics.csv (interface.md)."""


REPLICATE_COLUMNS: tuple[str, ...] = (
    "metric",  # the label, as in scores
    "level",  # general, or the column of scores whose value is the group: doc_class, question_type, column:...
    "group",
    "value",
    "value_if_failed_worst",
    "value_if_failed_best",
    "weighting",  # names the resamples; replicates of the same weighting are pairs
    "replicates",  # list[f32]: the value under each resample, null where it has none
)
"""Columns of replicates.parquet: what composite metrics are compared by, one row per metric and group."""


class OutcomeCounts(BaseModel):
    """How many samples ended in which way."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    answered: int = 0
    empty: int = 0
    truncated: int = 0
    refused: int = 0
    failed: int = 0
    withdrawn: int = 0

    @classmethod
    def of(cls, outcomes: Iterable[str]) -> "OutcomeCounts":
        """Counts a sequence of outcomes."""
        totals = dict.fromkeys(OUTCOMES, 0)
        for outcome in outcomes:
            totals[outcome] += 1  # type: ignore[index]
        return cls(**totals)

    def __add__(self, other: "OutcomeCounts") -> "OutcomeCounts":
        return OutcomeCounts(**{name: getattr(self, name) + getattr(other, name) for name in OUTCOMES})

    @property
    def total(self) -> int:
        """Samples counted."""
        return sum(getattr(self, name) for name in OUTCOMES)

    @property
    def not_answered(self) -> int:
        """Samples without any model output: failed or withdrawn."""
        return self.failed + self.withdrawn


MAX_REUSED_JOBS = 10


class Reused(BaseModel):
    """How many answers were got by earlier jobs, and which jobs these were."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    count: int = 0
    jobs: tuple[str, ...] = ()
    """At most `MAX_REUSED_JOBS`, those with the most answers first."""


class MetricValue(BaseModel):
    """One headline number (level `general`) as it travels in events."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    metric: str
    value: float | None
    n: int
    n_scored: int
    n_failed: int
    value_if_failed_worst: float | None = None
    value_if_failed_best: float | None = None
    higher_is_better: bool = True
    composite: bool = False
    """Whether the value is a function of several sums (macro F1, BLEU): values of samples say nothing about it."""


class KnownMetric(BaseModel):
    """What a part of scores says of a metric: enough to sum parts up before a run ends."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    metric: str
    composite: bool
    higher_is_better: bool


KNOWN_METRICS = "vhb.metrics"
"""The key of a part's metadata under which a JSON list of `KnownMetric` lies."""
