"""What a report shows: typed views, filled by `gather` and read by sections. Nothing here does I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vhb_reporter.measures import Confusion, FailedSample, FieldCount, MetricRow, Spread, Timings
from vhb_shared.contracts.comparison import Difference
from vhb_shared.contracts.job import ReportLanguage
from vhb_shared.contracts.judges import Panel
from vhb_shared.contracts.performance import Performance
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.results import OutcomeCounts, Reused
from vhb_shared.statistics.verdict import distinguishable

Scope = Literal["job", "run"]
RunStatus = Literal["completed", "failed", "cancelled", "incomplete"]
"""`incomplete`: nothing was stored and nothing says why."""
SampleChoice = Literal["worst", "first"]
"""Why samples are shown: the worst by the first metric, or, unscored, the first ones."""

GENERAL = "general"


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
    timings: Timings = field(default_factory=Timings)
    reused: Reused = field(default_factory=Reused)
    """Answers that earlier jobs got."""
    performance: Performance | None = None
    """How fast it was answered and what it cost; None where it was not asked by us, or before that was measured."""
    failures: tuple[FailedSample, ...] = ()
    """The first few; `counts` says how many there are."""
    panels: Mapping[str, Panel] = field(default_factory=dict)
    """Who judged it, by metric."""
    environment: Mapping[str, object] = field(default_factory=dict)
    spreads: Mapping[str, Spread] = field(default_factory=dict)
    """By metric, like the next two."""
    confusions: Mapping[str, tuple[Confusion, ...]] = field(default_factory=dict)
    fields: Mapping[str, tuple[FieldCount, ...]] = field(default_factory=dict)
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
class DisagreedSample:
    """A sample on which runs differ by the first metric."""

    index: int
    id: str
    spread: float
    """The best value less the worst."""
    values: tuple[tuple[RunView, float], ...]
    """Best first."""
    reference: str | None


@dataclass(frozen=True, slots=True)
class RunDifference:
    """A run against the best one of its comparison, by the first metric."""

    run: RunView
    found: Difference
    """The best run is the baseline."""
    only_best: int = 0
    """Samples that only the best run was asked."""
    only_run: int = 0


@dataclass(frozen=True, slots=True)
class Differences:
    """The best run of a comparison against each other run that was scored."""

    best: RunView
    against: tuple[RunDifference, ...] = ()
    """In the order of the leaderboard."""
    left_out: Literal["evaluate", "asked", "unknown", "samples", "pairs"] | None = None
    """Why nothing was compared: by a metric that is no sum over samples, runs evaluated before that could be done, or
    asked different samples; nobody knows whether it is a sum; or it would take too long."""

    def indistinguishable(self) -> frozenset[str]:
        """Ids of runs whose difference to the best is not shown."""
        return frozenset(
            each.run.spec.run_id
            for each in self.against
            if each.found.difference is not None and not distinguishable(each.found)
        )


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
    disagreed: Mapping[str, tuple[DisagreedSample, ...]] = field(default_factory=dict)
    """Title of a comparison -> the samples on which its runs differ most."""
    differences: Mapping[str, Differences] = field(default_factory=dict)
    """Title of a comparison -> its best run against the others; only where there are others."""
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
