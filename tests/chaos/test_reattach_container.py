"""An agent killed with -9 while a real container answers: the next life goes on with the same container, whoever else
starts agents on that engine."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Stack, running, wait_until, write_documents

from vhb_shared.testing.docker_engine import NoEngine, base_image, docker_engine, network

SAMPLES = 80
CONCURRENCY = 4
# No packages: what the base image has is enough to speak the protocol.
SERVER = """
import http.server, json, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def reply(self, body):
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    def do_GET(self):
        self.reply({"object": "list", "data": [{"id": "inside", "object": "model"}]})
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        print("asked", flush=True)
        time.sleep(1.5)
        message = {"role": "assistant", "content": "read"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        self.reply({"id": "x", "object": "chat.completion", "created": 1, "model": "inside", "choices": [choice],
                    "usage": usage})
    def log_message(self, *_):
        pass
print("ready to serve", flush=True)
http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    script = Path(__file__).parents[2] / "deploy" / "images" / "base.sh"
    try:
        with docker_engine(tmp_path_factory.mktemp("engine") / "dockerd.log"):
            yield base_image(script)
    except NoEngine as reason:
        pytest.skip(str(reason))


@pytest.fixture
def place(image: str) -> Iterator[str]:
    with network() as name:
        yield name


def containers(place: str) -> list[str]:
    listed = subprocess.run(
        ["docker", "ps", "--quiet", "--no-trunc", "--filter", f"network={place}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return listed.stdout.split()


def asked(container: str) -> int:
    logs = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=False)
    return logs.stdout.count("asked")


def write_job(tmp_path: Path, image: str) -> Path:
    write_documents(tmp_path / "documents", SAMPLES)
    model = {
        "name": "inside",
        "backend": "image",
        "image": image,
        "command": ["python3", "-c", SERVER, "{host}", "{port}"],
        "concurrency": CONCURRENCY,
        "stream": False,
        "resources": {"gpus": 0, "memory_gib": 0.5, "cpus": 0.5},
    }
    task = {"name": "read", "dataset": str(tmp_path / "documents"), "metrics": ["cer"]}
    job = {"name": "reattach", "models": [model], "tasks": [task], "shard_size": 16}
    (tmp_path / "job.json").write_text(json.dumps(job))
    return tmp_path / "job.json"


def settings(place: str, tmp_path: Path) -> dict[str, str]:
    tmp_path.mkdir(exist_ok=True)
    return {
        "VHB_DOCKER_NETWORK": place,
        "VHB_DOCKER_PACKAGE_CACHE": place,
        "VHB_AGENT_ENVIRONMENTS": str(tmp_path / "environments"),
        "VHB_AGENT_IDLE_S": "600",
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_same_container_answers_after_kill_9(image: str, place: str, tmp_path: Path) -> None:
    job = write_job(tmp_path, image)
    with (
        running(tmp_path / "neighbour" / "work", env=settings(place, tmp_path / "neighbour")) as neighbour,
        running(tmp_path / "work", env=settings(place, tmp_path)) as stack,
    ):
        job_id = stack.submit(job)
        wait_until(lambda: bool(containers(place)), 90, "a container")
        (container,) = containers(place)
        wait_until(lambda: asked(container) >= CONCURRENCY, 60, "first requests")
        # Its agent has the same name, and its next life looks for what a former one left.
        neighbour.kill_service("agent")
        stack.kill_service("agent")
        at_kill = asked(container)
        wait_until(lambda: asked(container) > at_kill + CONCURRENCY, 120, "work goes on in the same container")
        results = stack.finished(job_id, tmp_path / "out")
        assert containers(place) == [container]
        assert len(results.answers) == SAMPLES
        assert {(answer, outcome) for _, answer, outcome in results.answers} == {("read", "answered")}
        extra = asked(container) - SAMPLES
        print(f"\nagent killed beside its container: {extra} requests more")
        assert extra <= CONCURRENCY + 4
        _cancelled_within_seconds(stack, job, place)
    assert containers(place) == [], "an agent that stops in good order takes its containers with it"


def _cancelled_within_seconds(stack: Stack, job: Path, place: str) -> None:
    """A job that is cancelled takes the container, warm until then, with it."""
    content = json.loads(job.read_text())
    content["tasks"][0]["prompt"] = "Another question, so that no answer is used again."
    job.write_text(json.dumps(content))
    job_id = stack.submit(job)
    (container,) = containers(place)
    before = asked(container)
    wait_until(lambda: asked(container) > before, 60, "it is used again")
    stack.vhb("cancel", job_id)
    took = wait_until(lambda: not containers(place), 30, "the container is gone")
    print(f"cancelled: its container was gone {took:.1f} s after the command")
