"""Drives a real `vhb up` and kills parts of it."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vhb_shared.contracts import topology
from vhb_shared.testing.endpoint_process import EndpointProcess
from vhb_shared.testing.samples import small_png

VHB = (sys.executable, "-m", "vhb")
CONCURRENCY = 32
SAMPLES = 256
DELAY_MS = 300
AWAY_S = topology.CLAIM_TTL_S + 3
"""How long what the work rests on is away: for longer than a claim lives without being renewed."""
MODULES = {
    "scheduler": "vhb_scheduler",
    "agent": "vhb_inference_agent",
    "evaluator": "vhb_evaluator",
    "reporter": "vhb_reporter",
}


def write_documents(folder: Path, samples: int, images: int = 20) -> None:
    """An annotation folder with tiny images, each shown several times."""
    (folder / "images").mkdir(parents=True)
    for number in range(images):
        (folder / "images" / f"{number}.png").write_bytes(small_png(number))
    with (folder / "annotation.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(
            ["data_index", "split", "image_path", "question", "answer", "doc_class", "question_type", "answer_bbox"]
        )
        for number in range(samples):
            image = f"images/{number % images}.png"
            doc_class = "invoice" if number % 3 else "letter"
            writer.writerow(
                [number % images, "test", image, f"question {number}", f"answer {number}", doc_class, "q", ""]
            )


def write_job(path: Path, base_url: str, documents: Path, **model: object) -> Path:
    """A job of one model on one task, as JSON (which is YAML too)."""
    entry = {"name": "stand-in", "backend": "openai", "base_url": base_url, "concurrency": CONCURRENCY} | model
    job = {
        "name": "chaos",
        "reuse": False,
        "models": [entry],
        "tasks": [{"name": "read", "dataset": str(documents), "metrics": ["cer", "exact_match"]}],
    }
    path.write_text(json.dumps(job))
    return path


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Waits; returns how long it took."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.02)
    return time.monotonic() - started


@dataclass
class Results:
    """What a job came to, as far as it must not depend on crashes."""

    answers: list[tuple[str, str, str]]
    metrics: list[dict[str, str]]


class Stack:
    """A `vhb up` in a process of its own."""

    def __init__(self, workdir: Path, *flags: str, env: dict[str, str] | None = None) -> None:
        self.workdir = workdir
        self._flags = flags
        self.env = os.environ | (env or {})
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Starts it; returns when it says that it is ready."""
        self._process = subprocess.Popen(
            # Nobody waits for the management plane: its own tests kill it.
            [*VHB, "up", "--workdir", str(self.workdir), "--no-api", *self._flags],
            stdout=subprocess.PIPE,
            text=True,
            env=self.env,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("ready: nats://127.0.0.1:"), line

    def stop(self) -> None:
        """Ctrl-C; leaves nothing behind."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(30)
        finally:
            self.kill()

    def kill(self) -> None:
        """kill -9 of the supervisor; the kernel ends its children."""
        if self._process is None:
            return
        children = self.children()
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
        wait_until(lambda: not any(alive(pid) for pid in children), 10, "children die with the supervisor")

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        assert self._process is not None
        return self._process.pid

    def children(self) -> list[int]:
        """Process ids of all child processes."""
        assert self._process is not None
        return [
            int(pid)
            for path in Path(f"/proc/{self._process.pid}/task").glob("*/children")
            for pid in path.read_text().split()
        ]

    def pids(self, service: str) -> list[int]:
        """Process ids of a service's processes (`nats-server` included)."""
        wanted = MODULES.get(service, service)
        return [pid for pid in self.children() if wanted in cmdline(pid)]

    def kill_service(self, service: str) -> None:
        """kill -9 of all processes of a service."""
        pids = self.pids(service)
        assert pids, f"no {service} runs"
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def vhb(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Runs a command on this stack."""
        done = subprocess.run(
            [*VHB, *arguments, "--workdir", str(self.workdir)],
            capture_output=True,
            text=True,
            env=self.env,
            timeout=180,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def submit(self, job: Path) -> str:
        """Submits a job; returns its id."""
        return self.vhb("submit", str(job)).stdout.strip()

    def status(self, job_id: str) -> dict[str, object]:
        """The job's state."""
        state: dict[str, object] = json.loads(self.vhb("status", job_id, "--json").stdout)
        return state

    def finished(self, job_id: str, out: Path, *, expected: int = 0) -> Results:
        """Waits for the job's end and fetches what it came to."""
        watched = self.vhb("watch", job_id, check=False)
        assert watched.returncode == expected, f"{watched.stdout}\n{watched.stderr}"
        self.vhb("results", job_id, "--out", str(out))
        return read_results(out)


class Watch:
    """`vhb watch` in the background, as long as the block lasts."""

    def __init__(self, stack: Stack, job_id: str, output: Path) -> None:
        self._command = [*VHB, "watch", job_id, "--workdir", str(stack.workdir)]
        self._output = output
        self._env = stack.env

    def __enter__(self) -> "Watch":
        with self._output.open("wb") as file:
            self._process = subprocess.Popen(self._command, stdout=file, stderr=file, env=self._env)
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def text(self) -> str:
        """What it has shown so far."""
        return self._output.read_text(errors="replace")

    def says_while_away(self, words: str) -> str:
        """Waits for these words, and `AWAY_S` at least; what it has shown by then."""
        took = wait_until(lambda: words in self.text, 60, f"{words!r} is said")
        time.sleep(max(0.0, AWAY_S - took))
        return self.text


def read_results(out: Path) -> Results:
    """Reads a results folder with one run."""
    (run,) = (out / "runs").iterdir()
    with (run / "answers.csv").open(encoding="utf-8", newline="") as file:
        answers = [(row["id"], row["model_answer"], row["outcome"]) for row in csv.DictReader(file)]
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        metrics = list(csv.DictReader(file))
    return Results(answers, metrics)


@contextmanager
def running(workdir: Path, *flags: str, env: dict[str, str] | None = None) -> Iterator[Stack]:
    """A stack, stopped afterwards."""
    stack = Stack(workdir, *flags, env=env)
    stack.start()
    try:
        yield stack
    finally:
        stack.stop()


def cmdline(pid: int) -> str:
    """A process's command line; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def asked(endpoint: EndpointProcess) -> int:
    """Requests the endpoint got so far."""
    return int(endpoint.stats()["total"])
