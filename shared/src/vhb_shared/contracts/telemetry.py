"""What an agent measures while it serves a run: one row per second and run, in `runs/<run_id>/telemetry/`."""

from pydantic import BaseModel, ConfigDict


class TelemetrySample(BaseModel):
    """What one backend session did, and used, in one short span in which requests of the run were in flight.

    None: not measured (no such device, the engine does not say). Never 0 instead. What a session uses as a whole is
    the run's in the proportion `request_s / request_s_all`.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    at: float
    """Unix seconds; the end of the span."""
    seconds: float
    """Its length."""
    session: str
    agent_id: str
    replica: int
    request_s: float
    """Sum over the run's requests of the seconds each was in flight in the span."""
    request_s_all: float
    """The same over all runs of the session."""
    in_flight_peak: int
    """Most of the run's requests at once."""
    in_flight_peak_all: int
    finished: int
    """Attempts of the run that came back with an answer."""
    slots: int | None = None
    """Requests in flight that the session allowed."""
    devices: int
    """Leased to the session."""
    device_names: str | None = None
    device_memory_idle: int | None = None
    """Bytes used on all of them before the engine was started."""
    device_memory_used: int | None = None
    """Bytes, over all of them."""
    device_memory_total: int | None = None
    device_memory_highest: int | None = None
    """Bytes used on the fullest of them."""
    device_use: float | None = None
    """Share of the time in which a kernel ran, 0 to 1, mean over the devices."""
    power_w: float | None = None
    """Over all of them."""
    energy_j: float | None = None
    """Used by all of them in the span: a difference of their counters."""
    temperature_c: float | None = None
    """Of the hottest."""
    throttled: str | None = None
    """Why clocks were held back: power, heat, brake; None when they were not, or it is not known."""
    memory: int | None = None
    """Bytes, of the backend's processes."""
    cpu_s: float | None = None
    """Processor seconds of the backend in the span."""
    processes: int | None = None
    host_memory_used: int | None = None
    host_memory_total: int | None = None
    engine_running: float | None = None
    """Requests that the engine computes."""
    engine_waiting: float | None = None
    """Requests in its queue."""
    engine_cache: float | None = None
    """Share of its cache in use, 0 to 1."""
    engine_tokens: float | None = None
    """Tokens that it generated in the span, for whomever."""
    engine_preemptions: float | None = None
    """Requests that it threw out of its cache in the span."""
    start_s: float | None = None
    """How long the backend took to start."""
    restarts: int = 0
    """How often the backend was brought back in this session."""
    pressure: str | None = None
    """What memory is nearly used up: host, backend, device."""


TELEMETRY_COLUMNS: tuple[str, ...] = tuple(TelemetrySample.model_fields)
