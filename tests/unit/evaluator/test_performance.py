"""Performance figures against values worked out by hand."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vhb_evaluator.performance import performance
from vhb_evaluator.tables import ANSWER_SCHEMA
from vhb_evaluator.usage import TELEMETRY_SCHEMA, gather, read_usage
from vhb_shared.contracts.job import ModelEntry, TaskEntry
from vhb_shared.contracts.performance import PERFORMANCE_FIELDS, Performance
from vhb_shared.contracts.plan import DatasetRef, RunSpec
from vhb_shared.contracts.telemetry import TelemetrySample


def at(seconds: float) -> str:
    return f"2026-01-01T00:00:{seconds:06.3f}+00:00"


def answer(index: int, outcome: str = "answered", **more: Any) -> dict[str, Any]:
    known = {"index": index, "id": str(index), "outcome": outcome, "attempts": 1}
    return {name: (known | more).get(name) for name in (*ANSWER_SCHEMA.names(), "reused_from")}


ROWS = [
    # Sent at 0, back at 1; four tokens after the first in 800 ms.
    answer(0, started_at=at(0), answered_at=at(1), latency_ms=1000, ttft_ms=200, tpot_ms=200, prompt_tokens=100,
           completion_tokens=5),
    # Its first attempt failed; the second one took 1.8 s of the 2.
    answer(1, started_at=at(0.5), answered_at=at(2.5), latency_ms=1800, ttft_ms=300, tpot_ms=150, prompt_tokens=100,
           completion_tokens=11, attempts=2),
    answer(2, "failed", started_at=at(5), answered_at=at(6), latency_ms=1000, attempts=3),
    answer(3, "truncated", started_at=at(6.5), answered_at=at(7), latency_ms=500, ttft_ms=100, prompt_tokens=100,
           completion_tokens=1),
    # Answered last week: no measurement of this run.
    answer(4, started_at=at(30), answered_at=at(50), latency_ms=20000, ttft_ms=9000, tpot_ms=900, prompt_tokens=9,
           completion_tokens=9, reused_from="old-0"),
    answer(5, "failed", attempts=0),
    answer(6, "withdrawn", attempts=0),
]  # fmt: skip


def run_of(**model: Any) -> RunSpec:
    return RunSpec(
        job_id="job",
        run_id="run",
        name="m__t",
        model=ModelEntry(name="m", backend="vllm", **model),
        task=TaskEntry(name="t"),
        dataset=DatasetRef(digest="d", name="d", source="./d", samples=7),
        samples=7,
        shard_size=64,
        shards=1,
        backend_id="b",
        stages=("inference",),
        results_run_id="run",
    )


def answers_of(rows: list[dict[str, Any]]) -> pl.LazyFrame:
    return pl.DataFrame(rows, schema={**ANSWER_SCHEMA, "reused_from": pl.String}).lazy()


def row(**more: Any) -> TelemetrySample:
    known = {
        "at": 1.0, "seconds": 1.0, "session": "s", "agent_id": "a", "replica": 0, "request_s": 1.0,
        "request_s_all": 1.0, "in_flight_peak": 1, "in_flight_peak_all": 1, "finished": 1, "devices": 0,
    }  # fmt: skip
    return TelemetrySample(**(known | more))


def segment(path: Path, *rows: TelemetrySample) -> Path:
    pl.DataFrame([each.model_dump() for each in rows], schema=TELEMETRY_SCHEMA).write_parquet(path)
    return path


def test_requests_by_hand() -> None:
    found = performance(run_of(concurrency=2), answers_of(ROWS), None)
    assert (found.samples, found.measured, found.failed, found.not_asked) == (7, 3, 1, 1)
    assert (found.withdrawn, found.reused, found.retried) == (1, 1, 1)
    # Under way from 0 to 2.5, 5 to 6 and 6.5 to 7.
    assert (found.active_s, found.span_s) == (4.0, 7.0)
    assert (found.started_at, found.finished_at) == (at(0), at(7))
    assert found.requests_per_s == 0.75
    assert (found.prompt_tokens, found.completion_tokens) == (300, 17)
    assert (found.prompt_tokens_per_s, found.completion_tokens_per_s) == (75, 4.25)
    assert found.latency_ms.model_dump() == pytest.approx({"n": 3, "mean": 1100, "p50": 1000, "p90": 1640, "p99": 1784})
    assert found.ttft_ms.model_dump() == pytest.approx({"n": 3, "mean": 200, "p50": 200, "p90": 280, "p99": 298})
    assert found.tpot_ms.model_dump() == pytest.approx({"n": 2, "mean": 175, "p50": 175, "p90": 195, "p99": 199.5})
    # Last attempts: 0 to 1, 0.7 to 2.5, 5 to 6, 6.5 to 7: 4.3 request seconds in 4.
    assert found.concurrency_mean == pytest.approx(4.3 / 4)
    assert found.concurrency_peak == 2
    assert (len(found.latency_curve), found.latency_curve[0], found.latency_curve[-1]) == (21, 500, 1800)
    assert found.profile == "load" and found.concurrency_limit == 2
    assert found.energy_j is None and found.missing["energy_j"] == "no telemetry is stored of this run"
    assert found.missing["cached_tokens"] == "the server says it for 0 of 3 answers"


def test_what_it_cost_by_hand(tmp_path: Path) -> None:
    device = {
        "devices": 2, "device_names": "GPU A", "device_memory_idle": 10, "device_memory_total": 200, "start_s": 30.0,
        "engine_preemptions": 1.0,
    }  # fmt: skip
    first = segment(
        tmp_path / "0.parquet",
        row(at=2.0, seconds=2.0, request_s=2.0, request_s_all=4.0, energy_j=100.0, device_use=0.5, power_w=50.0,
            device_memory_used=90, device_memory_highest=60, cpu_s=1.0, memory=7, engine_waiting=3.0, throttled="heat",
            **device),
        row(at=5.0, seconds=3.0, request_s=2.3, request_s_all=2.3, energy_j=60.0, device_use=1.0, power_w=20.0,
            device_memory_used=80, device_memory_highest=70, cpu_s=2.0, memory=5, engine_waiting=1.0,
            engine_cache=0.25, throttled="heat, power", restarts=1, **device),
    )  # fmt: skip
    gathered = gather([first, tmp_path / "gone.parquet"], tmp_path / "telemetry.parquet")
    found = performance(run_of(concurrency=1), answers_of(ROWS), read_usage(gathered))
    assert found.telemetry_coverage == 1.0  # 4.3 of 4.3 request seconds
    assert found.energy_j == pytest.approx(110)  # half of the first span was another run's
    assert found.energy_j_per_answer == pytest.approx(110 / 3)
    assert found.energy_j_per_1k_tokens == pytest.approx(110_000 / 17)
    assert found.device_use == pytest.approx((0.5 * 2 + 1.0 * 3) / 5)
    assert found.power_w == pytest.approx((50 * 2 + 20 * 3) / 5)
    assert found.cpu_s == pytest.approx(2.5)
    assert (found.device_memory_idle, found.device_memory_peak, found.device_memory_highest) == (10, 90, 70)
    assert (found.memory_peak, found.engine_waiting_peak, found.engine_cache_peak) == (7, 3, 0.25)
    assert (found.devices, found.device_names, found.replicas, found.restarts) == (2, "GPU A", 1, 1)
    assert (found.backend_start_s, found.throttled, found.engine_preemptions) == (30, "heat, power", 1.5)
    assert found.profile == "single"
    assert found.missing["temperature_c"] == "the devices do not tell, or the agent may not ask them"
    assert "energy_j" not in found.missing and "engine_waiting_peak" not in found.missing


def test_a_part_of_the_run_gives_no_sum(tmp_path: Path) -> None:
    device = {"devices": 1, "energy_j": 10.0, "device_memory_used": 5}
    gathered = gather([segment(tmp_path / "0.parquet", row(**device))], tmp_path / "all.parquet")
    found = performance(run_of(), answers_of(ROWS), read_usage(gathered))
    assert found.telemetry_coverage == pytest.approx(1 / 4.3)
    assert found.energy_j is None and found.energy_j_per_answer is None
    assert found.missing["energy_j"].startswith("telemetry covers 23 % of the run's requests")
    assert found.device_memory_peak == 5


def test_sessions_of_two_replicas_add_up(tmp_path: Path) -> None:
    rows = [
        row(session="a", replica=0, restarts=1, request_s=2.15, request_s_all=2.15, devices=1, energy_j=5.0),
        row(session="b", replica=1, restarts=2, request_s=2.15, request_s_all=2.15, devices=1, energy_j=7.0),
    ]
    gathered = gather([segment(tmp_path / "0.parquet", *rows)], tmp_path / "all.parquet")
    found = performance(run_of(), answers_of(ROWS), read_usage(gathered))
    assert (found.replicas, found.restarts, found.energy_j) == (2, 3, 12)


def test_nothing_was_answered() -> None:
    rows = [answer(0, "failed", attempts=0), answer(1, "withdrawn", attempts=0)]
    found = performance(run_of(), answers_of(rows), None)
    assert (found.measured, found.active_s, found.requests_per_s, found.concurrency_peak) == (0, None, None, None)
    assert found.latency_ms.mean is None and found.latency_curve == ()
    assert found.missing["latency_ms"] == "no answer of this run was measured"


def test_every_none_has_a_reason_and_every_reason_a_none(tmp_path: Path) -> None:
    told = {"device_names", "throttled", "pressure", "concurrency_limit", "backend"}  # None says something itself
    gathered = gather([segment(tmp_path / "0.parquet", row())], tmp_path / "all.parquet")
    for rows, usage in ((ROWS, read_usage(gathered)), (ROWS, None), ([], None), ([answer(0, "failed")], None)):
        found = performance(run_of(stream=False), answers_of(rows), usage)
        empty = {
            name
            for name in PERFORMANCE_FIELDS
            if (value := getattr(found, name)) is None or getattr(value, "n", None) == 0
        }
        assert empty - told == set(found.missing)


def test_answers_without_a_start_count_from_their_latency() -> None:
    rows = [answer(0, answered_at=at(10), latency_ms=4000.0)]
    found = performance(run_of(), answers_of(rows), None)
    assert (found.active_s, found.started_at) == (4.0, at(6))


def test_one_after_the_other_is_one_at_a_time_however_times_are_rounded() -> None:
    # Each is sent when the one before is back; 100.4 ms becomes 100 and moments lose their fraction.
    rows = [
        answer(n, started_at=at(round(0.1004 * n, 4)), answered_at=at(int(100.4 * (n + 1)) / 1000), latency_ms=100.4)
        for n in range(50)
    ]
    found = performance(run_of(concurrency=1), answers_of(rows), None)
    assert found.concurrency_peak == 1
    assert found.concurrency_mean == pytest.approx(1, abs=0.02)


def test_unreadable_telemetry_is_left_out(tmp_path: Path) -> None:
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"PAR1 and no more")
    assert gather([bad], tmp_path / "all.parquet") is None
    older = tmp_path / "older.parquet"
    pl.DataFrame([row().model_dump()], schema=TELEMETRY_SCHEMA).drop("pressure", "start_s").write_parquet(older)
    usage = read_usage(gather([bad, older], tmp_path / "all.parquet"))
    assert usage is not None and usage.backend_start_s is None


def test_rows_of_the_table_are_flat() -> None:
    found = performance(run_of(), answers_of(ROWS), None)
    flat = found.row()
    assert flat["latency_ms_p90"] == pytest.approx(1640) and flat["name"] == "m__t"
    assert all(value is None or isinstance(value, (str, int, float)) for value in flat.values())
    assert Performance.model_validate_json(found.model_dump_json()) == found
