"""How far a start is, out of what engines really write."""

import pytest

from vhb_inference_agent.backends.warming import WarmupReader

VLLM = [
    "(EngineCore pid=9) INFO 11-24 03:46:50 [gpu_model_runner.py:4212] Starting to load model /models/tiny...",
    "(EngineCore pid=9) \rLoading safetensors checkpoint shards:  25% Completed | 1/4 [00:01<00:03,  1.01s/it]",
    "(EngineCore pid=9) INFO 11-24 03:46:55 [default_loader.py:268] Loading weights took 4.31 seconds",
    "(EngineCore pid=9) INFO 11-24 03:46:57 [backends.py:548] Dynamo bytecode transform time: 8.31 s",
    "(EngineCore pid=9) INFO 11-24 03:47:20 [gpu_worker.py:298] Available KV cache memory: 40.6 GiB",
    "(EngineCore pid=9) \rCapturing CUDA graphs (mixed prefill-decode, PIECEWISE):  49%|####9     | 33/67 [00:01]",
    "(APIServer pid=7) INFO 11-24 03:47:44 [api_server.py:1912] Starting vLLM API server 0 on http://127.0.0.1:8000",
]


@pytest.mark.parametrize(
    ("lines", "phase", "fraction"),
    [
        ([], "starting", None),
        (VLLM[:1], "loading", None),
        (VLLM[:2], "loading", 0.25),
        (VLLM[:3], "loading", 0.25),
        (VLLM[:5], "compiling", None),
        (VLLM[:6], "capturing", 0.49),
        (VLLM, "starting", None),
        (["Multi-thread loading shards:  75% Completed | 6/8 [00:02<00:00,  3.3it/s]"], "loading", 0.75),
        (["Loading checkpoint shards:  50%|#####     | 1/2 [00:03<00:03]"], "loading", 0.5),
        (["Capturing batches (bs=4 avail_mem=10.01 GB):  40%|####      | 4/10"], "capturing", 0.4),
        (["model-00001-of-00002.safetensors:  37%|###7      | 1.8G/4.9G [00:30<00:52]"], "downloading", 0.37),
        (["Fetching 12 files:  25%|##5       | 3/12 [00:10<00:30]"], "downloading", 0.25),
        (["what nobody knows: 55%"], "starting", None),
    ],
)
def test_phases(lines: list[str], phase: str, fraction: float | None) -> None:
    reader = WarmupReader()
    assert reader.phase == "preparing"
    reader.started()
    reader.see(lines)
    assert (reader.phase, reader.fraction) == (phase, fraction)


def test_a_hostile_line_costs_nothing_and_is_cut() -> None:
    reader = WarmupReader()
    reader.see(["Loading safetensors checkpoint shards:" + " " * 100_000 + "50%", "x" * 1_000_000])
    assert reader.fraction is None and len(reader.detail) <= 200
    reader.see(["Loading safetensors checkpoint shards: 999% Completed"])
    assert reader.fraction == 1.0
