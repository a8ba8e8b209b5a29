"""What is measured of a run, as plain rows and counts."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


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


class Spread(NamedTuple):
    """How the values of one metric are spread over the samples of a run."""

    bins: tuple[int, ...]
    """Samples by value: equal steps from 0 to 1, and those above 1."""
    n: int
    p10: float
    p50: float
    p90: float
    zeros: int
    ones: int


class Confusion(NamedTuple):
    """How often one class was taken for another; None for no valid class."""

    expected: str | None
    predicted: str | None
    number: int


class FieldCount(NamedTuple):
    """How often a field was found, invented, and missed or wrong."""

    name: str
    found: int
    extra: int
    missed: int

    @property
    def n(self) -> int:
        """How often it was expected."""
        return self.found + self.missed

    @property
    def share(self) -> float | None:
        """Found of those expected; None where it never was."""
        return self.found / self.n if self.n else None
