from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from vhb_inference_agent.backends.probe import NoReply
from vhb_inference_agent.engine_metrics import EngineMetrics, metrics_url, parse_metrics, read_metrics

VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="tiny-vlm"} 7.0
vllm:num_requests_running{engine="1",model_name="tiny-vlm"} 5.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="tiny-vlm"} 2.0
vllm:num_requests_waiting{engine="1",model_name="tiny-vlm"} 0.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="tiny-vlm",reason="capacity"} 2.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="tiny-vlm"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="tiny-vlm"} 0.75
# TYPE vllm:prefix_cache_queries_total counter
vllm:prefix_cache_queries_total{engine="0",model_name="tiny-vlm"} 1000.0
vllm:prefix_cache_queries_created{engine="0",model_name="tiny-vlm"} 1.79e+09
vllm:prefix_cache_hits_total{engine="0",model_name="tiny-vlm"} 400.0
vllm:num_preemptions_total{engine="0",model_name="tiny-vlm"} 3.0
vllm:prompt_tokens_total{engine="0",model_name="tiny-vlm"} 81920.0
vllm:generation_tokens_total{engine="0",model_name="tiny-vlm"} 7.5e+06
# TYPE vllm:request_success_total counter
vllm:request_success_total{engine="0",finished_reason="stop",model_name="tiny-vlm"} 10.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="tiny-vlm"} 2.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.001",model_name="tiny-vlm"} 0.0
"""

SGLANG = """\
sglang:prompt_tokens_total{model_name="m"} 8.128902e+06
sglang:generation_tokens_total{model_name="m"} 7.557572e+06
sglang:cached_tokens_total{model_name="m",cache_source="device"} 100.0
sglang:token_usage{model_name="m",tp_rank="0"} 0.28
sglang:num_running_reqs{model_name="m",tp_rank="0",dp_rank="0"} 161.0
sglang:num_running_reqs{model_name="m",tp_rank="1",dp_rank="0"} 161.0
sglang:num_running_reqs{model_name="m",tp_rank="0",dp_rank="1"} 9.0
sglang:num_queue_reqs{model_name="m",tp_rank="0"} 1994.0
"""


def test_vllm_engines_behind_one_address_are_added_up() -> None:
    assert parse_metrics(VLLM) == EngineMetrics(
        engine="vllm",
        running=12,
        waiting=2,
        cache_usage=0.75,
        prompt_tokens=81920,
        generation_tokens=7.5e6,
        preemptions=3,
        prefix_queries=1000,
        prefix_hits=400,
        finished=12,
    )


def test_older_vllm_names() -> None:
    found = parse_metrics("vllm:gpu_cache_usage_perc 0.5\nvllm:gpu_prefix_cache_hits_total 4\n")
    assert found == EngineMetrics(engine="vllm", cache_usage=0.5, prefix_hits=4)


def test_sglang_ranks_that_compute_together_count_once() -> None:
    found = parse_metrics(SGLANG)
    assert found is not None
    assert (found.engine, found.running, found.waiting, found.cache_usage) == ("sglang", 170, 1994, 0.28)
    assert (found.prefix_queries, found.prefix_hits, found.preemptions) == (8128902, 100, None)


@pytest.mark.parametrize(
    "text",
    ["", "<html>", "tgi_queue_size 3\n", "python_gc_objects_collected_total 3\n", "\x00" * 100, "vllm:num_requests_"],
)
def test_what_is_no_engine_of_ours_is_none(text: str) -> None:
    assert parse_metrics(text) is None


def test_lines_that_are_no_numbers_are_left_out() -> None:
    text = (
        'vllm:num_requests_running NaN\nvllm:num_requests_waiting +Inf\nvllm:kv_cache_usage_perc{a="b"} x\n'
        'vllm:num_preemptions_total -4\nvllm:prompt_tokens_total{model_name="a } b\\"c"} 5\n'
    )
    assert parse_metrics(text) == EngineMetrics(engine="vllm", prompt_tokens=5)


def test_a_flood_of_series_is_bounded() -> None:
    text = "".join(f'vllm:num_requests_running{{engine="{number}"}} 1\n' for number in range(20_000))
    found = parse_metrics(text)
    assert found is not None and found.running is not None and found.running < 5000


def test_metrics_lie_beside_the_api() -> None:
    assert metrics_url("http://127.0.0.1:8000/v1") == "http://127.0.0.1:8000/metrics"
    assert metrics_url("http://host/prefix/v1/") == "http://host/prefix/metrics"
    assert metrics_url("http://host/api") == "http://host/api/metrics"


async def test_a_server_is_read_within_bounds_and_without_a_key() -> None:
    said: list[str | None] = []

    async def metrics(request: web.Request) -> web.Response:
        said.append(request.headers.get("Authorization"))
        if mode == "missing":
            return web.Response(status=404, text=VLLM)
        if mode == "down":
            return web.Response(status=503)
        if mode == "silent":
            await asyncio.sleep(30)
        return web.Response(text=VLLM)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics)])
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        mode = "fine"
        found = await read_metrics(base_url)
        assert found is not None and found.running == 12
        mode = "missing"
        assert await read_metrics(base_url) is None
        mode = "down"
        with pytest.raises(NoReply):
            await read_metrics(base_url)
        mode = "silent"
        with pytest.raises(NoReply):
            await read_metrics(base_url, timeout_s=0.2)
    finally:
        await runner.cleanup()
    assert set(said) == {None}
    with pytest.raises(NoReply):
        await read_metrics(base_url, timeout_s=2)
