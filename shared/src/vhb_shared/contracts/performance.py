"""`performance.json`: how fast a run was answered and what it cost. Formulas: docs/performance.md."""

from typing import Any, Literal

from pydantic import Field

from vhb_shared.contracts.base import WireModel


class Distribution(WireModel):
    """Of one quantity over the measured answers; quantiles interpolate linearly. None without any value."""

    n: int = 0
    """Answers that have the value."""
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None


class Performance(WireModel):
    """One run. None: not measured; `missing` says why. Memory in bytes."""

    job_id: str
    run_id: str
    name: str
    model: str
    task: str
    backend: str | None = None
    profile: Literal["single", "load"]
    """single: one request at a time per replica (`concurrency: 1`), so figures of requests are clean of one another."""
    concurrency_limit: int | None = None
    """What the model entry allows; None: left to us."""
    samples: int
    measured: int
    """Answers that the figures are of."""
    failed: int = 0
    """Asked and not answered: take time, are in no figure of requests."""
    withdrawn: int = 0
    not_asked: int = 0
    """Failed before anything was sent: the image or the prompt was at fault, or the backend was lost."""
    reused: int = 0
    """Taken from an earlier job: in no figure."""
    retried: int = 0
    """Measured answers that took more than one attempt; their figures are of the last."""
    started_at: str | None = None
    finished_at: str | None = None
    active_s: float | None = None
    """Seconds in which at least one request of the run was under way."""
    span_s: float | None = None
    """Seconds from the first request to the last answer, whatever lay between."""
    latency_ms: Distribution = Distribution()
    ttft_ms: Distribution = Distribution()
    tpot_ms: Distribution = Distribution()
    latency_curve: tuple[float, ...] = ()
    """Latency in milliseconds at the shares 0, 0.05, ... 1 of the measured answers."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    requests_per_s: float | None = None
    prompt_tokens_per_s: float | None = None
    completion_tokens_per_s: float | None = None
    concurrency_mean: float | None = None
    """Requests in flight while any was."""
    concurrency_peak: int | None = None
    replicas: int | None = None
    """Replicas of the backend that answered."""
    devices: int | None = None
    """Leased to one replica."""
    device_names: str | None = None
    backend_start_s: float | None = None
    """The longest start among the sessions that answered."""
    restarts: int | None = None
    """How often backends were brought back in those sessions."""
    device_memory_idle: int | None = None
    """On the devices of a replica before its engine started."""
    device_memory_peak: int | None = None
    """On all devices of one replica."""
    device_memory_highest: int | None = None
    """On one device."""
    device_memory_total: int | None = None
    device_use: float | None = None
    power_w: float | None = None
    """Mean, of one replica's devices."""
    temperature_c: float | None = None
    """Highest."""
    throttled: str | None = None
    """Why clocks were held back at some time; None: they were not, or it is not known."""
    energy_j: float | None = None
    """Of all replicas' devices while the run's requests were in flight, the run's share."""
    energy_j_per_answer: float | None = None
    energy_j_per_1k_tokens: float | None = None
    """Per 1000 completion tokens."""
    memory_peak: int | None = None
    """Of one replica's processes."""
    cpu_s: float | None = None
    """Of all replicas, the run's share."""
    engine_running_peak: float | None = None
    engine_waiting_peak: float | None = None
    engine_cache_peak: float | None = None
    engine_preemptions: float | None = None
    pressure: str | None = None
    """What memory was nearly used up at some time: host, backend, device."""
    telemetry_coverage: float | None = None
    """Request seconds seen by telemetry over those of the answers, at most 1: less where an agent was killed."""
    missing: dict[str, str] = Field(default_factory=dict)
    """Field -> why it is None."""

    def row(self) -> dict[str, Any]:
        """One row of performance.csv."""
        flat: dict[str, Any] = {}
        for name in PERFORMANCE_FIELDS:
            value = getattr(self, name)
            if isinstance(value, Distribution):
                flat |= {f"{name}_{part}": getattr(value, part) for part in ("mean", "p50", "p90", "p99")}
            else:
                flat[name] = value
        return flat


PERFORMANCE_FIELDS: tuple[str, ...] = tuple(
    name for name in Performance.model_fields if name not in ("job_id", "run_id", "latency_curve", "missing")
)
