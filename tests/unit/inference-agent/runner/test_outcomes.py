"""What a user reads in answers: every outcome, over a real HTTP connection, streamed and not."""

from datetime import datetime
from typing import Any

import pytest

from vhb_shared.contracts.job import Generation, Retries
from vhb_shared.contracts.results import ANSWER_COLUMNS
from vhb_shared.testing.samples import store_samples

BOTH = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


async def one(desk: Any, stream: bool, **model: Any) -> dict[str, Any]:
    dataset = await store_samples(desk.store, 1)
    event = await desk.answer(desk.run(dataset, stream=stream, **model))
    (row,) = await desk.rows(event)
    assert event.counts.total == 1 and getattr(event.counts, row["outcome"]) == 1
    return row


@BOTH
async def test_answered_row_is_complete(desk, endpoint, stream) -> None:
    endpoint.control(delay_ms=30, chunk_delay_ms=20)
    row = await one(desk, stream)
    assert tuple(row) == ANSWER_COLUMNS
    assert row["outcome"] == "answered" and row["error"] is None
    assert row["model_answer"].startswith("answer ") and row["model_answer"].endswith("to question 0")
    assert (row["index"], row["id"], row["attempts"], row["finish_reason"]) == (0, "s00000", 1, "stop")
    assert row["prompt_tokens"] > 256 and row["completion_tokens"] > 0
    assert len(row["fingerprint"]) == 64 and row["replica"] == "0" and row["answered_at"].endswith("+00:00")
    assert row["latency_ms"] >= 30
    if stream:
        assert 30 <= row["ttft_ms"] <= row["latency_ms"] - 40
        each = (row["latency_ms"] - row["ttft_ms"]) / (row["completion_tokens"] - 1)
        assert row["tpot_ms"] == pytest.approx(each, abs=1e-4)
    else:
        assert row["ttft_ms"] is None and row["tpot_ms"] is None
    sent = datetime.fromisoformat(row["started_at"])
    took = datetime.fromisoformat(row["answered_at"]) - sent
    assert abs(took.total_seconds() * 1000 - row["latency_ms"]) < 25  # two clocks, read one after the other


async def test_an_answer_in_one_piece_has_no_time_per_token(desk, endpoint) -> None:
    """OCR engines and some servers hold it back until it is complete."""
    endpoint.control(delay_ms=30, chunks=1)
    row = await one(desk, True)
    assert row["completion_tokens"] >= 2 and row["ttft_ms"] >= 30 and row["tpot_ms"] is None


async def test_times_are_given_to_the_microsecond(desk, endpoint) -> None:
    row = await one(desk, True)
    assert all(row[name] == round(row[name], 3) for name in ("latency_ms", "ttft_ms"))


@BOTH
@pytest.mark.parametrize(
    ("rule", "outcome", "text"),
    [
        ({"text": " \n\t"}, "empty", " \n\t"),
        ({"text": ""}, "empty", ""),
        ({"text": "cut", "finish_reason": "length"}, "truncated", "cut"),
        ({"text": "", "finish_reason": "length"}, "truncated", ""),
        ({"text": "x", "finish_reason": "content_filter"}, "refused", "x"),
        ({"text": "", "refusal": "I will not."}, "refused", "I will not."),
        ({"text": "a\x00b\ud83d"}, "answered", "a\ufffdb\ufffd"),
        ({"text": "пять €uro 🎉"}, "answered", "пять €uro 🎉"),
    ],
)
async def test_outcomes(desk, endpoint, stream, rule, outcome, text) -> None:
    endpoint.control(rules=[{"action": "answer", **rule}], chunks=1)
    row = await one(desk, stream)
    assert (row["outcome"], row["model_answer"]) == (outcome, text)


@BOTH
@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "generation parameters"),
        (401, "api_key_env"),
        (403, "api_key_env"),
        (404, "base_url"),
        (413, "smaller"),
        (422, "prompt"),
    ],
)
async def test_permanent_errors_are_asked_once(desk, endpoint, stream, status, word) -> None:
    endpoint.control(rules=[{"status": status, "message": "no way"}])
    row = await one(desk, stream)
    assert (row["outcome"], row["attempts"], row["model_answer"]) == ("failed", 1, None)
    assert word in row["error"] and str(status) in row["error"] and "no way" in row["error"]
    assert endpoint.stats()["total"] == 1


@BOTH
@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ({"status": 408}, "408"),
        ({"status": 409}, "409"),
        ({"status": 429}, "concurrency"),
        ({"status": 500}, "log"),
        ({"status": 503}, "503"),
        ({"action": "drop"}, "connection"),
        ({"action": "malformed"}, "malformed"),
        ({"action": "error_event", "status": 500}, "500"),
    ],
)
async def test_passing_errors_are_retried_within_the_budget(desk, endpoint, stream, rule, word) -> None:
    endpoint.control(rules=[rule])
    row = await one(desk, stream)
    assert (row["outcome"], row["attempts"]) == ("failed", 3)
    assert word in row["error"] and "3 attempts" in row["error"] and len(row["error"]) <= 500
    assert endpoint.stats()["total"] == 3


@BOTH
@pytest.mark.parametrize("action", ["status", "drop", "malformed", "error_event"])
async def test_a_failure_that_passes_leaves_an_answer(desk, endpoint, stream, action) -> None:
    endpoint.control(rules=[{"action": action, "times": 2}])
    row = await one(desk, stream)
    assert (row["outcome"], row["attempts"], row["error"]) == ("answered", 3, None)


async def test_an_answer_broken_off_in_the_middle_is_asked_again(desk, endpoint) -> None:
    endpoint.control(rules=[{"action": "break", "times": 1}])
    row = await one(desk, True)
    assert (row["outcome"], row["attempts"]) == ("answered", 2)
    assert row["model_answer"].endswith("to question 0")


@BOTH
async def test_an_endpoint_that_hangs_times_out(desk, endpoint, stream) -> None:
    endpoint.control(rules=[{"action": "hang"}])
    row = await one(desk, stream, retries=Retries(max_attempts=2, max_wait_s=0.1, timeout_s=0.2))
    assert (row["outcome"], row["attempts"]) == ("failed", 2)
    assert "timeout" in row["error"] and "retries.timeout_s" in row["error"]
    assert 150 <= row["latency_ms"] < 5000


async def test_servers_that_send_no_usage_and_no_done(desk, endpoint) -> None:
    endpoint.control(usage=False, done=False)
    row = await one(desk, True)
    assert row["outcome"] == "answered" and row["prompt_tokens"] is None and row["ttft_ms"] is not None


async def test_servers_that_answer_a_streaming_request_with_one_object(desk, endpoint) -> None:
    endpoint.control(ignore_stream=True)
    row = await one(desk, True)
    assert row["outcome"] == "answered" and row["ttft_ms"] is None and row["completion_tokens"] > 0


async def test_an_endless_answer_is_cut_off(desk, endpoint, monkeypatch) -> None:
    monkeypatch.setattr("vhb_inference_agent.runner.replies.MAX_ANSWER_CHARS", 1000)
    endpoint.control(rules=[{"action": "answer", "text": "x" * 5000}], chunks=50)
    row = await one(desk, True)
    assert row["outcome"] == "truncated" and row["model_answer"] == "x" * 1000 and "cut off" in row["error"]


async def test_the_key_is_sent_and_never_shown(desk, endpoint) -> None:
    desk.backend.api_key = "sk-secret-key"
    endpoint.control(api_key="sk-secret-key")
    assert (await one(desk, True))["outcome"] == "answered"
    endpoint.control(api_key="another", rules=[])
    endpoint.control(api_key=None, rules=[{"status": 401, "message": "bad key sk-secret-key given"}])
    row = await one(desk, False)
    assert row["outcome"] == "failed" and "sk-secret-key" not in row["error"] and "***" in row["error"]


@BOTH
async def test_generation_parameters_and_extra_reach_the_endpoint(desk, endpoint, stream) -> None:
    # The stand-in's fingerprint of a request is its content; parameters show in ours.
    plain = await one(desk, stream)
    warm = await one(desk, stream, generation=Generation(temperature=0.5, seed=7, extra={"top_k": 3}))
    assert plain["fingerprint"] != warm["fingerprint"]
