"""What a report shows: typed views, filled by `gather` and read by sections. Nothing here does I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from vhb_shared.contracts.job import ReportLanguage
from vhb_shared.contracts.performance import Performance
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.results import OutcomeCounts, Reused

Scope = Literal["job", "run"]
RunStatus = Literal["completed", "failed", "cancelled", "incomplete"]
"""`incomplete`: nothing was stored and nothing says why."""
SampleChoice = Literal["worst", "first"]
"""Why samples are shown: the worst by the first metric, or, unscored, the first ones."""

GENERAL = "general"


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One row of metrics.csv (columns: `contracts.results.METRIC_COLUMNS`)."""

    metric: str
    level: str
    group: str
    value: float | None
    metric_version: str = ""
    normalisation: str = ""
    ci_low: float | None = None
    ci_high: float | None = None
    n: int = 0
    n_scored: int = 0
    n_failed: int = 0
    worst: float | None = None
    """The value if every failed sample were scored as an empty answer."""
    best: float | None = None
    """The value if every failed sample were scored as perfect."""


@dataclass(frozen=True, slots=True)
class Timings:
    """How fast a run was answered. Times in milliseconds, the span in seconds; None where nothing was measured."""

    latency_p50: float | None = None
    latency_p95: float | None = None
    latency_p99: float | None = None
    ttft_p50: float | None = None
    ttft_p95: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    requests: int = 0
    """Samples that this run asked at least once; those that earlier runs asked are in no figure below."""
    asked_tokens: int | None = None
    """Completion tokens of these requests."""
    retries: int = 0
    """Attempts beyond the first."""
    first_at: datetime | None = None
    """When the first request was sent, as well as the answers tell."""
    last_at: datetime | None = None
    """When the last answer was complete."""

    @property
    def span_s(self) -> float | None:
        """Seconds from the first request to the last answer, interruptions included."""
        if self.first_at is None or self.last_at is None:
            return None
        return max((self.last_at - self.first_at).total_seconds(), 0.0)

    @property
    def requests_per_s(self) -> float | None:
        """Samples per second over the span."""
        return self.requests / self.span_s if self.span_s and self.requests else None

    @property
    def tokens_per_s(self) -> float | None:
        """Completion tokens per second over the span."""
        return self.asked_tokens / self.span_s if self.span_s and self.asked_tokens else None


@dataclass(frozen=True, slots=True)
class FailedSample:
    """A sample without an answer, and why."""

    id: str
    outcome: str
    error: str
    attempts: int


@dataclass(frozen=True, slots=True)
class RunView:
    """One run and its results. Any part of the results may be missing."""

    spec: RunSpec
    label: str
    """What tables call it: the model's name, or the run's where the model occurs twice."""
    status: RunStatus
    reason: str | None = None
    """Why it failed, in a sentence."""
    counts: OutcomeCounts = field(default_factory=OutcomeCounts)
    metrics: tuple[MetricRow, ...] = ()
    """All levels but by_id."""
    scored: bool = False
    timings: Timings = Timings()
    reused: Reused = field(default_factory=Reused)
    """Answers that earlier jobs got."""
    performance: Performance | None = None
    """How fast it was answered and what it cost; None where it was not asked by us, or before that was measured."""
    failures: tuple[FailedSample, ...] = ()
    """The first few; `counts` says how many there are."""
    environment: Mapping[str, object] = field(default_factory=dict)
    colour: int = 0
    """Position in the palette, the same wherever the model appears."""

    @property
    def name(self) -> str:
        """The run's name, unique in its job."""
        return self.spec.name

    def value(self, metric: str, level: str = GENERAL, group: str | None = None) -> MetricRow | None:
        """The aggregate of a metric at a level; None where it was not computed."""
        for row in self.metrics:
            if row.metric == metric and row.level == level and (group is None or row.group == group):
                return row
        return None


@dataclass(frozen=True, slots=True)
class ComparisonGroup:
    """Runs that may be compared: one task on the same samples."""

    task: str
    title: str
    runs: tuple[RunView, ...]
    metrics: tuple[str, ...]
    """Labels in the order in which they were asked for; the first one ranks."""
    higher_is_better: Mapping[str, bool]
    """Only metrics whose direction is known; the others are neither ranked nor marked."""

    def groups(self, level: str, metric: str) -> tuple[str, ...]:
        """Names of the groups at a level, in the order of metrics.csv."""
        names: dict[str, None] = {}
        for run in self.runs:
            names.update({row.group: None for row in run.metrics if row.level == level and row.metric == metric})
        return tuple(names)

    def best(self, metric: str) -> float | None:
        """The best general value; None without values, without a known direction, or when all runs are equal."""
        higher = self.higher_is_better.get(metric)
        values = [row.value for run in self.runs if (row := run.value(metric)) and row.value is not None]
        if not values or higher is None or (len(self.runs) > 1 and min(values) == max(values)):
            return None
        return max(values) if higher else min(values)

    def ranked(self) -> tuple[RunView, ...]:
        """Best first by the first metric; runs without a value last, in the order of the job."""
        if not self.metrics or (higher := self.higher_is_better.get(self.metrics[0])) is None:
            return self.runs
        first, sign = self.metrics[0], -1.0 if higher else 1.0

        def key(run: RunView) -> tuple[bool, float]:
            row = run.value(first)
            return (True, 0.0) if row is None or row.value is None else (False, sign * row.value)

        return tuple(sorted(self.runs, key=key))


@dataclass(frozen=True, slots=True)
class AnswerView:
    """What one run said to one sample."""

    run: RunView
    outcome: str
    text: str
    """The start of the answer."""
    length: int
    """Characters of the whole answer."""
    error: str | None = None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    """Metric label -> value; None when not scored."""
    unparsable: tuple[str, ...] = ()
    picked: bool = False
    """Among the worst of this run."""


@dataclass(frozen=True, slots=True)
class SampleView:
    """One question with its references and every run's answer."""

    group: ComparisonGroup
    index: int
    id: str
    question: str | None
    references: tuple[str, ...]
    reference_count: int
    doc_class: str | None
    question_type: str | None
    answers: tuple[AnswerView, ...]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A bounded preview of an image, or why there is none."""

    name: str
    uri: str | None = None
    """data:image/jpeg;base64,..."""
    width: int = 0
    height: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class SampleCard:
    """Samples that share their images, so that each image is in the page once."""

    images: tuple[Thumbnail, ...]
    more_images: int
    samples: tuple[SampleView, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report shows, for a job or for one run."""

    scope: Scope
    job_id: str
    title: str
    runs: tuple[RunView, ...]
    groups: tuple[ComparisonGroup, ...]
    cards: tuple[SampleCard, ...] = ()
    choice: SampleChoice = "worst"
    planned_at: str = ""
    submitted_at: str = ""
    software: Mapping[str, str] = field(default_factory=dict)
    language: ReportLanguage = "en"

    @property
    def counts(self) -> OutcomeCounts:
        """Outcomes over all runs."""
        total = OutcomeCounts()
        for run in self.runs:
            total = total + run.counts
        return total
