"""The examples, against a running stack."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vhb_shared.testing.endpoint_process import EndpointProcess

EXAMPLES = Path(__file__).parents[2] / "examples"


def _until(log: Path, wanted: str, times: int = 1, seconds: float = 40) -> str:
    give_up = time.monotonic() + seconds
    while (text := log.read_text()).count(wanted) < times:
        assert time.monotonic() < give_up, f"{wanted!r} is not {times} times in:\n{text}"
        time.sleep(0.1)
    return text


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory of a running `vhb up`."""
    tmp_path = tmp_path_factory.mktemp("stack")
    log = tmp_path / "up.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "vhb", "up", "--workdir", "wd"], cwd=tmp_path, stdout=output, stderr=output
        )
    try:
        _until(log, "ready:")
        yield tmp_path / "wd"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """examples/endpoint.yaml, pointed at a stand-in and at the quickstart's documents."""
    with EndpointProcess() as endpoint:
        text = (EXAMPLES / "endpoint.yaml").read_text()
        for placeholder, value in (
            ("http://127.0.0.1:8000/v1", endpoint.base_url),
            ("./quickstart/documents", str(EXAMPLES / "quickstart" / "documents")),
            ("the-name-the-server-knows", "stand-in"),
        ):
            assert placeholder in text
            text = text.replace(placeholder, value)
        path = tmp_path_factory.mktemp("job") / "endpoint.yaml"
        path.write_text(text)
        yield path


def _submit(job: Path, workdir: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "vhb", "submit", str(job), "--limit", "2", "--wait", "--workdir", str(workdir)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Subscriber:
    """examples/subscriber.py as a process."""

    def __init__(self, workdir: Path, *flags: str, env: dict[str, str] | None = None) -> None:
        self.log = workdir.parent / f"subscriber-{time.monotonic_ns()}.log"
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(EXAMPLES / "subscriber.py"), "--workdir", str(workdir), *flags],
                stdout=output, stderr=output, env=os.environ | (env or {}),
            )  # fmt: skip
        _until(self.log, "following")

    def stop(self) -> str:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(20) == 0
        return self.log.read_text()


def test_a_subscriber_follows_results_over_a_kill_of_the_server(job: Path, workdir: Path) -> None:
    subscriber = Subscriber(workdir)
    first = _submit(job, workdir)
    _until(subscriber.log, f"{first}  job.completed")
    os.kill(int((workdir / "nats" / "nats-server.pid").read_text()), signal.SIGKILL)
    _until(subscriber.log, "connected again")
    second = _submit(job, workdir)
    _until(subscriber.log, f"{second}  job.completed")
    text = subscriber.stop()
    for job_id in (first, second):
        lines = [line for line in text.splitlines() if job_id in line]
        assert [line.split()[2] for line in lines] == ["run.evaluation.completed", "job.completed"]
        assert all("my-model__read-page: cer 0." in line and "2 answered" in line for line in lines)
    assert "Traceback" not in text


def test_a_durable_subscriber_goes_on_where_it_stopped(job: Path, workdir: Path) -> None:
    before = Subscriber(workdir, "--durable", "board")
    first = _submit(job, workdir)
    _until(before.log, f"{first}  job.completed")
    before.stop()
    second = _submit(job, workdir)
    after = Subscriber(workdir, "--durable", "board")
    _until(after.log, f"{second}  job.completed")
    assert first not in after.stop()


def test_a_subscriber_without_a_stack_says_what_to_do(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("VHB_")}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "subscriber.py"), "--workdir", str(tmp_path)],
        capture_output=True, text=True, timeout=20, env=env,
    )  # fmt: skip
    assert done.returncode == 1
    assert "vhb up" in done.stderr and "Traceback" not in done.stderr


def test_the_subscriber_imports_nothing_of_ours() -> None:
    text = (EXAMPLES / "subscriber.py").read_text()
    assert "import vhb" not in text and "from vhb" not in text


def test_the_user_config_is_valid_and_its_filters_count() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vhb", "validate", "--json", str(EXAMPLES / "user_config" / "user_config.csv")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    runs = json.loads(done.stdout)["runs"]
    assert [(run["samples"], run["stages"][0]) for run in runs] == [
        (2, "inference"), (1, "inference"), (2, "evaluation"),
    ]  # fmt: skip


def test_the_example_with_judges_is_valid() -> None:
    command = [sys.executable, "-m", "vhb", "validate", str(EXAMPLES / "judges.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "asks qwen3-vl-8b, internvl3.5-8b" in " ".join(done.stdout.split())
