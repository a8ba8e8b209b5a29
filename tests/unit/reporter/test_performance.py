"""The section on performance: figures, what was not measured, the picture, the table for programs."""

import csv
import io
from typing import Any

from vhb_shared.contracts.job import ModelEntry
from vhb_shared.contracts.performance import Distribution, Performance
from vhb_shared.store import layout

GIB = 1 << 30


def measured(run: Any, **more: Any) -> Performance:
    known: dict[str, Any] = {
        "job_id": run.job_id,
        "run_id": run.run_id,
        "name": run.name,
        "model": run.model.name,
        "task": run.task.name,
        "profile": "load",
        "samples": 8,
        "measured": 8,
        "active_s": 4.0,
        "latency_ms": Distribution(n=8, mean=512, p50=500, p90=700, p99=812),
        "latency_curve": tuple(100.0 + 35 * step for step in range(21)),
        "requests_per_s": 2.0,
        "concurrency_mean": 3.5,
        "concurrency_peak": 4,
    }
    return Performance(**(known | more))


async def stored(world: Any, model: str, **more: Any) -> Any:
    run = world.plan_run(ModelEntry(name=model, backend="vllm"))
    await world.answer(run, ["a"] * 8, [0.1] * 8)
    content = measured(run, **more).model_dump_json().encode()
    await world.store.put(layout.run_file(run.run_id, "performance.json"), content)
    return run


async def test_what_was_measured_is_shown_and_what_was_not_is_not(world: Any) -> None:
    await world.dataset()
    on_gpu = {
        "devices": 2,
        "device_names": "NVIDIA H100",
        "device_memory_idle": 2 * GIB,
        "device_memory_peak": 71 * GIB,
        "device_use": 0.87,
        "energy_j": 1234.0,
        "energy_j_per_answer": 154.25,
        "throttled": "heat",
        "failed": 1,
        "reused": 2,
        "retried": 3,
    }
    await stored(world, "big", **on_gpu)
    await stored(world, "small", profile="single", concurrency_limit=1, concurrency_mean=1.0, concurrency_peak=1)
    files = await world.job()
    for text in (files["report.md"], files["report.html"]):
        for said in ("71.0 GiB", "2.0 GiB", "1,234 J", "154 J", "NVIDIA H100", "812 ms", "held back by heat"):
            assert said in text, said
        assert "not counted: 1 failed, 2 taken from an earlier job" in text
        assert "asked more than once: 3" in text
        assert "one request at a time, so its latencies are those of a request alone" in text
        assert "engine queue peak" not in text  # nobody measured it
        assert "None" not in text.split("How it was measured")[0].split("Performance")[-1]
    html = files["report.html"]
    assert html.count('<polyline class="curve') == 2
    assert "big: half within 450 ms, all within 800 ms." in html
    assert 'id="timings"' not in html
    rows = list(csv.DictReader(io.StringIO(files["performance.csv"])))
    assert [row["name"] for row in rows] == ["big__read", "small__read"]
    assert (rows[0]["latency_ms_p99"], rows[0]["energy_j"], rows[1]["energy_j"]) == ("812.0", "1234.0", "")


async def test_answers_without_figures_show_their_timings(world: Any) -> None:
    await world.dataset()
    await world.answer(world.plan_run("old"), ["a"] * 8, [0.1] * 8)
    damaged = world.plan_run("damaged")
    await world.answer(damaged, ["a"] * 8, [0.1] * 8)
    await world.store.put(layout.run_file(damaged.run_id, "performance.json"), b"{")
    files = await world.job()
    assert "performance.csv" not in files
    assert 'id="timings"' in files["report.html"] and 'id="performance"' not in files["report.html"]


async def test_slow_outliers_do_not_squeeze_the_picture(world: Any) -> None:
    await world.dataset()
    await stored(world, "model", latency_curve=(*(100.0 + step for step in range(20)), 90_000.0))
    html = (await world.job())["report.html"]
    assert "The slowest answers lie beyond the right edge." in html
    assert "all within 1 min 30 s" in html


async def test_names_from_outside_are_inert(world: Any) -> None:
    await world.dataset()
    await stored(world, "model", device_names="<script>alert(1)</script>", devices=1, device_memory_peak=GIB)
    files = await world.job()
    assert "<script>" not in files["report.html"] and "<script>" not in files["report.md"]


async def test_a_run_report_has_it_too(world: Any) -> None:
    await world.dataset()
    text = await world.run(await stored(world, "model"))
    assert "## Performance" in text and "500 ms" in text
