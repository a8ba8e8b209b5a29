"""What the telemetry of a run says in all: its rows gathered into one file, and aggregated. Blocking."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import structlog
from pydantic import BaseModel, ConfigDict

from vhb_evaluator.tables import write_parquet
from vhb_shared.contracts.telemetry import TELEMETRY_COLUMNS

log = structlog.get_logger()

_TEXT = frozenset({"session", "agent_id", "device_names", "throttled", "pressure"})
_WHOLE = frozenset(
    {"replica", "in_flight_peak", "in_flight_peak_all", "finished", "slots", "devices", "device_memory_idle",
     "device_memory_used", "device_memory_total", "device_memory_highest", "memory", "processes", "host_memory_used",
     "host_memory_total", "restarts"}
)  # fmt: skip
TELEMETRY_SCHEMA = pl.Schema(
    {
        name: pl.String() if name in _TEXT else pl.Int64() if name in _WHOLE else pl.Float64()
        for name in TELEMETRY_COLUMNS
    }
)


def gather(segments: Sequence[Path], path: Path) -> Path | None:
    """All segments in one file, by time; None without any. One that cannot be read is left out."""
    frames = []
    for segment in segments:
        try:
            known = pl.read_parquet_schema(segment)
        except (pl.exceptions.PolarsError, OSError) as error:
            log.warning("telemetry_unreadable", segment=segment.name, error=str(error))
            continue
        frames.append(
            pl.scan_parquet(segment).select(
                pl.col(name).cast(kind, strict=False) if name in known else pl.lit(None, dtype=kind).alias(name)
                for name, kind in TELEMETRY_SCHEMA.items()
            )
        )
    return write_parquet(pl.concat(frames).sort("at", "session"), path) if frames else None


class Usage(BaseModel):
    """The figures of `Performance` that telemetry knows; None where it does not."""

    model_config = ConfigDict(frozen=True)
    ENOUGH: ClassVar[float] = 0.95
    """A sum is given when at least so much of the time is known."""

    request_s: float
    replicas: int
    devices: int
    device_names: str | None
    backend_start_s: float | None
    restarts: int
    device_memory_idle: int | None
    device_memory_peak: int | None
    device_memory_highest: int | None
    device_memory_total: int | None
    device_use: float | None
    power_w: float | None
    temperature_c: float | None
    throttled: str | None
    energy_j: float | None
    memory_peak: int | None
    cpu_s: float | None
    engine_running_peak: float | None
    engine_waiting_peak: float | None
    engine_cache_peak: float | None
    engine_preemptions: float | None
    pressure: str | None

    def figures(self) -> dict[str, Any]:
        """By their names in `Performance`, but for what needs the answers too."""
        return {
            name: value for name, value in self.model_dump().items() if name not in ("request_s", "energy_j", "cpu_s")
        }


def read_usage(telemetry: Path | None) -> Usage | None:
    """Aggregates what `gather` wrote; None where nothing was measured."""
    if telemetry is None:
        return None
    rows = pl.scan_parquet(telemetry)
    share = pl.when(pl.col("request_s_all") > 0).then(pl.col("request_s") / pl.col("request_s_all")).otherwise(0.0)
    seconds = pl.col("seconds")

    def total(name: str) -> list[pl.Expr]:
        known = pl.col(name).is_not_null()
        return [
            (pl.col(name) * share).sum().alias(name),
            seconds.filter(known).sum().alias(f"{name}_seconds"),
        ]

    def mean(name: str) -> pl.Expr:
        known = pl.col(name).is_not_null()
        return ((pl.col(name) * seconds).sum() / seconds.filter(known).sum()).alias(name)

    found = (
        rows.select(
            pl.len().alias("rows"),
            seconds.sum().alias("seconds"),
            pl.col("request_s").sum(),
            pl.col("replica").n_unique().alias("replicas"),
            pl.col("devices").max(),
            pl.col("start_s").max().alias("backend_start_s"),
            pl.col("device_memory_idle").max(),
            pl.col("device_memory_used").max().alias("device_memory_peak"),
            pl.col("device_memory_highest").max(),
            pl.col("device_memory_total").max(),
            mean("device_use"),
            mean("power_w"),
            pl.col("temperature_c").max(),
            *total("energy_j"),
            pl.col("memory").max().alias("memory_peak"),
            *total("cpu_s"),
            *(
                pl.col(name).max().alias(f"{name}_peak")
                for name in ("engine_running", "engine_waiting", "engine_cache")
            ),
            *total("engine_preemptions"),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )
    if not found["rows"]:
        return None
    restarts = rows.group_by("session").agg(pl.col("restarts").max()).select(pl.col("restarts").sum())

    def enough(name: str) -> float | None:
        covered: bool = found["seconds"] > 0 and found[f"{name}_seconds"] >= Usage.ENOUGH * found["seconds"]
        return float(found[name]) if covered else None

    sums = {name: enough(name) for name in ("energy_j", "cpu_s", "engine_preemptions")}
    means = {name: found[name] if _finite(found[name]) else None for name in ("device_use", "power_w")}
    words = {name: _words(rows, name) for name in ("device_names", "throttled", "pressure")}
    every = {**found, **sums, **means, **words, "restarts": int(restarts.collect().item() or 0)}
    return Usage.model_validate({name: every[name] for name in Usage.model_fields})


def _words(rows: pl.LazyFrame, name: str) -> str | None:
    """The different words of a column of lists of words."""
    values = rows.select(pl.col(name).drop_nulls().unique()).collect(engine="streaming")[name].to_list()
    separator = " + " if name == "device_names" else ", "
    words = sorted({word for value in values for word in value.split(separator)})
    return separator.join(words) or None


def _finite(value: float | None) -> bool:
    return value is not None and value == value
