"""What an inference engine says of itself on /metrics: its queue, its cache, its token counters.

Engines name the same things differently; the tables here are the only place that knows those names. What a server
sends is untrusted: it is bounded in size and time, and numbers that are none are left out.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel, ConfigDict

from vhb_inference_agent.backends.probe import NoReply, get

TIMEOUT_S = 3.0
_MOST_SAMPLES = 4096
"""Of the names we know; an engine has some dozens."""


class EngineMetrics(BaseModel):
    """One reading. None: the engine does not say. Counters grow from the engine's start and begin anew with it."""

    model_config = ConfigDict(frozen=True)

    engine: str
    """Whose names were found: a key of `NAMES`."""
    running: float | None = None
    """Requests being computed now."""
    waiting: float | None = None
    """Requests in the engine's queue now."""
    cache_usage: float | None = None
    """Share of the KV cache in use now, 0 to 1; of several engines behind one address, the fullest."""
    prompt_tokens: float | None = None
    """Counter: prompt tokens processed."""
    generation_tokens: float | None = None
    """Counter: tokens generated."""
    preemptions: float | None = None
    """Counter: requests thrown out of the cache while they ran, to be computed again."""
    prefix_queries: float | None = None
    """Counter: prompt tokens looked up in the prefix cache."""
    prefix_hits: float | None = None
    """Counter: prompt tokens found there."""
    finished: float | None = None
    """Counter: requests completed."""


NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "vllm": {
        "running": ("vllm:num_requests_running",),
        "waiting": ("vllm:num_requests_waiting",),
        "cache_usage": ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        "prompt_tokens": ("vllm:prompt_tokens_total",),
        "generation_tokens": ("vllm:generation_tokens_total",),
        "preemptions": ("vllm:num_preemptions_total",),
        "prefix_queries": ("vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"),
        "prefix_hits": ("vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"),
        "finished": ("vllm:request_success_total",),
    },
    "sglang": {
        "running": ("sglang:num_running_reqs",),
        "waiting": ("sglang:num_queue_reqs",),
        "cache_usage": ("sglang:token_usage",),
        "prompt_tokens": ("sglang:prompt_tokens_total",),
        "generation_tokens": ("sglang:generation_tokens_total",),
        "preemptions": ("sglang:num_retracted_requests_total",),
        "prefix_queries": ("sglang:prompt_tokens_total",),
        "prefix_hits": ("sglang:cached_tokens_total",),
        "finished": ("sglang:num_requests_total",),
    },
}
"""Engine -> field of EngineMetrics -> names of its sample, the newest first; the first that is there counts."""

_HIGHEST = frozenset({"cache_usage"})
"""Fields where several engines' values are not added up."""
_RANKS = frozenset({"tp_rank", "pp_rank", "moe_ep_rank"})
"""Labels of processes that compute the same requests together: each may report all of them."""


def parse_metrics(text: str) -> EngineMetrics | None:
    """Reads an exposition; None where it is no engine's that we know.

    Args:
        text: Prometheus' text format, at most a few MiB.
    """
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = defaultdict(dict)
    for name, labels, value in _samples(text):
        series = tuple(sorted((key, label) for key, label in labels.items() if key not in _RANKS))
        found[name][series] = max(value, found[name].get(series, value))
    for engine, fields in NAMES.items():
        values: dict[str, float] = {}
        for field, names in fields.items():
            series_values = next((found[name].values() for name in names if name in found), None)
            if series_values is not None:
                values[field] = max(series_values) if field in _HIGHEST else math.fsum(series_values)
        if values:
            return EngineMetrics(engine=engine, **values)
    return None


async def read_metrics(base_url: str, timeout_s: float = TIMEOUT_S) -> EngineMetrics | None:
    """Asks a server for /metrics; None where it offers none that we understand. No key is sent.

    Args:
        base_url: of its OpenAI-compatible API; ends in /v1.
        timeout_s: of the whole exchange.

    Raises:
        NoReply: it does not answer now.
    """
    url = metrics_url(base_url)
    loopback = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    reply = await get(url, timeout_s=timeout_s, proxies=not loopback)
    if reply.status >= 500:
        raise NoReply(f"status {reply.status}")
    return parse_metrics(reply.text) if reply.status == 200 else None


def metrics_url(base_url: str) -> str:
    """Where the engine behind an API has its metrics: beside the API, not in it."""
    return base_url.rstrip("/").removesuffix("/v1") + "/metrics"


_KNOWN = tuple({name for fields in NAMES.values() for names in fields.values() for name in names})


def _samples(text: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    """(name, labels, value) of known names. Histograms, nine tenths of what engines send, are not even parsed."""
    count = 0
    for line in text.splitlines():
        if not line.startswith(_KNOWN):
            continue
        try:
            parsed = [sample for family in text_string_to_metric_families(line + "\n") for sample in family.samples]
        except (ValueError, KeyError, IndexError):
            continue  # one bad line says nothing about the others
        for sample in parsed:
            count += 1
            if sample.name in _KNOWN and math.isfinite(sample.value) and sample.value >= 0:
                yield sample.name, sample.labels, sample.value
        if count > _MOST_SAMPLES:
            return
