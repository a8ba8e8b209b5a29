"""How fast a run was answered and what it cost: from its answers and its telemetry. Blocking; for a worker thread.

Formulas and their reasons: docs/performance.md. Aggregates run in Polars' streaming engine; what is held at once is two
numbers per request, for the union of their intervals.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import polars as pl

from vhb_evaluator.usage import Usage
from vhb_shared.contracts.performance import Distribution, Performance
from vhb_shared.contracts.plan import RunSpec

_ANSWERED = ("answered", "empty", "truncated", "refused")
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
_CURVE = tuple(step / 20 for step in range(21))
_TIMES = ("latency_ms", "ttft_ms", "tpot_ms")
_ROUNDING_MS = 2
_TOKENS = ("prompt_tokens", "completion_tokens", "cached_tokens")


class Busy(NamedTuple):
    """When requests were under way; milliseconds."""

    active: int
    first: int
    last: int


def performance(run: RunSpec, answers: pl.LazyFrame, usage: Usage | None) -> Performance:
    """The figures of a run.

    Args:
        run: the resolved run.
        answers: its answers (columns of `ANSWER_SCHEMA`; `reused_from` where answers can be re-used).
        usage: what telemetry says; None where there is none.
    """
    columns = answers.collect_schema().names()
    reused = pl.col("reused_from").is_not_null() if "reused_from" in columns else pl.lit(False)
    asked = (pl.col("attempts") > 0) & ~reused
    measured = asked & pl.col("outcome").is_in(_ANSWERED) & pl.col("latency_ms").is_not_null()
    facts = _facts(answers, reused, asked, measured)
    busy = _busy(answers.filter(asked).select(_moment("started_at"), _moment("answered_at"), "latency_ms"))
    flight = _flight(answers.filter(asked).select(_moment("answered_at"), "latency_ms"))
    n = int(facts["measured"])
    active_s = busy.active / 1000 if busy and busy.active > 0 else None
    tokens = {name: facts[name] if n and facts[f"{name}_n"] == n else None for name in _TOKENS}
    times = {name: _distribution(name, facts) for name in _TIMES}
    rates = {
        "requests_per_s": n / active_s if active_s and n else None,
        "prompt_tokens_per_s": _rate(tokens["prompt_tokens"], active_s),
        "completion_tokens_per_s": _rate(tokens["completion_tokens"], active_s),
    }
    found: dict[str, Any] = {
        **{name: int(facts[name]) for name in ("failed", "withdrawn", "not_asked", "reused", "retried")},
        "started_at": _iso(busy.first) if busy else None,
        "finished_at": _iso(busy.last) if busy else None,
        "active_s": active_s,
        "span_s": (busy.last - busy.first) / 1000 if busy else None,
        **times,
        "latency_curve": tuple(facts["latency_curve"]) if times["latency_ms"].n else (),
        **tokens,
        **rates,
        "concurrency_mean": flight[0],
        "concurrency_peak": flight[1],
        **_spent(usage, n, tokens["completion_tokens"], float(facts["latency_s"] or 0)),
    }
    limit = run.model.concurrency
    return Performance(
        job_id=run.job_id,
        run_id=run.run_id,
        name=run.name,
        model=run.model.name,
        task=run.task.name,
        backend=run.model.backend,
        profile="single" if limit == 1 else "load",
        concurrency_limit=limit,
        samples=run.samples,
        measured=n,
        missing=_missing(found, run, facts, usage),
        **found,
    )


def _facts(answers: pl.LazyFrame, reused: pl.Expr, asked: pl.Expr, measured: pl.Expr) -> Mapping[str, Any]:
    failed = pl.col("outcome") == "failed"
    of_all = answers.select(
        measured.sum().alias("measured"),
        (asked & failed).sum().alias("failed"),
        (pl.col("outcome") == "withdrawn").sum().alias("withdrawn"),
        (failed & ~asked & ~reused).sum().alias("not_asked"),
        reused.sum().alias("reused") if reused.meta.root_names() else pl.lit(0).alias("reused"),
        (measured & (pl.col("attempts") > 1)).sum().alias("retried"),
        (pl.col("latency_ms").filter(asked).sum() / 1000).alias("latency_s"),
    )
    figures: list[pl.Expr] = []
    for name in _TIMES:
        # All quantiles of a column in one go: it is sorted once.
        values = pl.col(name)
        figures += [values.count().alias(f"{name}_n"), values.mean().alias(f"{name}_mean")]
        figures.append(values.quantile(list(_QUANTILES.values()), "linear").alias(f"{name}_quantiles"))
    figures.append(pl.col("latency_ms").quantile(list(_CURVE), "linear").alias("latency_curve"))
    for name in _TOKENS:
        figures += [pl.col(name).sum(), pl.col(name).count().alias(f"{name}_n")]
    of_measured = answers.filter(measured).select(figures)
    counts, found = pl.collect_all([of_all, of_measured], engine="streaming")
    return counts.row(0, named=True) | found.row(0, named=True)


def _distribution(name: str, facts: Mapping[str, Any]) -> Distribution:
    quantiles = dict(zip(_QUANTILES, facts[f"{name}_quantiles"], strict=True))
    return Distribution(n=facts[f"{name}_n"], mean=facts[f"{name}_mean"], **quantiles)


def _moment(name: str) -> pl.Expr:
    """A column of times as Unix milliseconds."""
    return pl.col(name).str.to_datetime("%+", strict=False, time_unit="ms", time_zone="UTC").dt.epoch("ms").alias(name)


def _busy(times: pl.LazyFrame) -> Busy | None:
    """The union of the requests' intervals, from the first attempt that counts to the answer."""
    end = pl.col("answered_at")
    start = pl.coalesce("started_at", end - pl.col("latency_ms").round().cast(pl.Int64))
    return _union(times.select(start.alias("start"), end.alias("end")).drop_nulls())


def _union(spans: pl.LazyFrame) -> Busy | None:
    ordered = spans.sort("start", "end").with_columns(pl.col("end").cum_max().shift(1).alias("covered"))
    gap = (pl.col("start") - pl.col("covered")).clip(0).sum()
    row = ordered.select(
        pl.col("start").min().alias("first"), pl.col("end").max().alias("last"), gap.alias("gaps")
    ).collect(engine="streaming").row(0, named=True)  # fmt: skip
    if row["first"] is None:
        return None
    return Busy(active=row["last"] - row["first"] - row["gaps"], first=row["first"], last=row["last"])


def _flight(times: pl.LazyFrame) -> tuple[float | None, int | None]:
    """Requests in flight, by their last attempts: the mean while any was, and the most."""
    spans = times.drop_nulls().select(
        (pl.col("answered_at") - pl.col("latency_ms").round().cast(pl.Int64)).alias("start"),
        pl.col("answered_at").alias("end"),
    )
    busy = _union(spans)
    area = spans.select((pl.col("end") - pl.col("start")).sum()).collect(engine="streaming").item()
    # Times are whole milliseconds: one that takes another's place at once must not seem to have been beside it.
    begins = pl.min_horizontal(pl.col("start") + _ROUNDING_MS, pl.col("end"))
    events = pl.concat(
        [
            spans.select(begins.alias("at"), pl.lit(1, pl.Int64).alias("change")),
            spans.select(pl.col("end").alias("at"), pl.lit(-1, pl.Int64).alias("change")),
        ]
    )
    swept = events.sort("at", "change").select(pl.col("change").cum_sum().max())
    peak = swept.collect(engine="streaming").item()
    return (area / busy.active if busy and busy.active else None), None if peak is None else max(1, peak)


def _rate(amount: float | None, seconds: float | None) -> float | None:
    return amount / seconds if amount is not None and seconds else None


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def _spent(usage: Usage | None, measured: int, completion_tokens: int | None, latency_s: float) -> dict[str, Any]:
    if usage is None:
        return {}
    coverage = min(1.0, usage.request_s / latency_s) if latency_s > 0 else None
    # What a part of the run used is no figure of the run.
    whole = coverage is not None and coverage >= Usage.ENOUGH
    energy = usage.energy_j if whole else None
    return usage.figures() | {
        "telemetry_coverage": coverage,
        "energy_j": energy,
        "energy_j_per_answer": energy / measured if energy is not None and measured else None,
        "energy_j_per_1k_tokens": 1000 * energy / completion_tokens
        if energy is not None and completion_tokens
        else None,
        "cpu_s": usage.cpu_s if whole else None,
    }


_NO_TELEMETRY = "no telemetry is stored of this run"
_NO_DEVICES = "no device was leased to the backend"
_OF_DEVICES = (
    "device_memory_idle", "device_memory_peak", "device_memory_highest", "device_memory_total", "device_use",
    "power_w", "temperature_c", "energy_j", "energy_j_per_answer", "energy_j_per_1k_tokens",
)  # fmt: skip
_OF_ENGINE = ("engine_running_peak", "engine_waiting_peak", "engine_cache_peak", "engine_preemptions")
_OF_PROCESSES = ("memory_peak", "cpu_s")
_OF_SESSIONS = ("replicas", "devices", "backend_start_s", "restarts")


def _missing(found: Mapping[str, Any], run: RunSpec, facts: Mapping[str, Any], usage: Usage | None) -> dict[str, str]:
    n = facts["measured"]
    reasons: dict[str, str] = {}

    def absent(names: tuple[str, ...], why: str) -> None:
        for name in names:
            if name not in Performance.model_fields:
                continue
            value = found.get(name)
            if (value.n == 0 if isinstance(value, Distribution) else value is None) and name not in reasons:
                reasons[name] = why

    if not n:
        absent((*_TIMES, *_TOKENS, "requests_per_s"), "no answer of this run was measured")
    absent(("ttft_ms",), "not streamed" if not run.model.stream else "the server did not stream its answers")
    absent(
        ("tpot_ms",),
        "no answer of two tokens or more came in several pieces, with a count" if run.model.stream else "not streamed",
    )
    for name in _TOKENS:
        absent((name, f"{name}_per_s"), f"the server says it for {facts[f'{name}_n']} of {n} answers")
    absent(("active_s", "span_s", "started_at", "finished_at"), "no request of this run was sent")
    absent(("concurrency_mean", "concurrency_peak", "requests_per_s"), "no request of this run was sent")
    everything = (*_OF_SESSIONS, *_OF_DEVICES, *_OF_ENGINE, *_OF_PROCESSES, "telemetry_coverage")
    if usage is None:
        absent(everything, _NO_TELEMETRY)
    elif not usage.devices:
        absent(_OF_DEVICES, _NO_DEVICES)
    coverage = found.get("telemetry_coverage")
    if coverage is not None and coverage < Usage.ENOUGH:
        part = f"telemetry covers {100 * coverage:.0f} % of the run's requests: an agent was killed, or storage away"
        absent(("energy_j", "energy_j_per_answer", "energy_j_per_1k_tokens", "cpu_s"), part)
    absent(_OF_DEVICES, "the devices do not tell, or the agent may not ask them")
    absent(_OF_ENGINE, "the engine offers no such figure on /metrics")
    absent(_OF_PROCESSES, "the backend's processes are not on the agent's host, or were not seen")
    absent(everything, "not measured")
    return reasons
