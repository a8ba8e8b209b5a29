"""kill -9 while models are asked what a metric wants to know: the same scores, and nothing asked twice but what was in
flight."""

import json
from pathlib import Path

import pytest
from harness import CONCURRENCY, Results, Stack, asked, wait_until, write_documents, write_job

from vhb_shared.testing.endpoint_process import EndpointProcess

pytestmark = pytest.mark.slow

SAMPLES = 128
MOST_EXTRA = CONCURRENCY + 8


@pytest.fixture(scope="module")
def judged_job(tmp_path_factory: pytest.TempPathFactory, endpoint: EndpointProcess) -> Path:
    """A model asked `SAMPLES` questions, and a judge (the same server) asked about each answer."""
    folder = tmp_path_factory.mktemp("judged")
    write_documents(folder / "documents", SAMPLES)
    endpoint.control(
        rules=[
            {
                "match": f"question {number}\n</question",
                "action": "answer",
                "text": json.dumps({"score": number % 5 + 1, "reason": "so"}),
            }
            for number in range(SAMPLES)
        ]
    )
    path = write_job(folder / "job.json", endpoint.base_url, folder / "documents", model="stand-in")
    job = json.loads(path.read_text())
    judge = {**job["models"][0], "name": "judge-model"}
    job["tasks"][0]["metrics"].append({"name": "judge", "models": [judge]})
    job["shard_size"] = 16
    path.write_text(json.dumps(job))
    return path


@pytest.fixture(scope="module")
def undisturbed_judged(stack: Stack, judged_job: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    results = stack.finished(stack.submit(judged_job), tmp_path_factory.mktemp("reference") / "out")
    judged = [row for row in results.metrics if row["metric"].startswith("judge{") and row["level"] == "general"]
    assert [(row["n"], row["n_scored"]) for row in judged] == [(str(SAMPLES), str(SAMPLES))]
    return results


@pytest.mark.parametrize(
    ("services", "after"),
    [
        (("evaluator", "scheduler"), SAMPLES),  # the answers are complete, the questions are being made
        (("nats-server",), SAMPLES + 60),
        (("scheduler", "evaluator", "agent"), 2 * SAMPLES - 10),
    ],
)
def test_killed(
    services: tuple[str, ...],
    after: int,
    stack: Stack,
    endpoint: EndpointProcess,
    judged_job: Path,
    undisturbed_judged: Results,
    tmp_path: Path,
) -> None:
    before = asked(endpoint)
    job_id = stack.submit(judged_job)
    wait_until(lambda: asked(endpoint) - before >= after, 60, f"{after} requests")
    for service in services:
        stack.kill_service(service)
    results = stack.finished(job_id, tmp_path / "out")
    extra = asked(endpoint) - before - 2 * SAMPLES
    print(f"\n{services} killed after {after}: {extra} requests more")
    assert results == undisturbed_judged
    assert extra <= (MOST_EXTRA if "agent" in services else 0)
