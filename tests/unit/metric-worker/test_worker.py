"""The worker as a process, asked over HTTP."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vhb_metric_worker

WORKER = Path(vhb_metric_worker.__path__[0]).parent
METRIC = """
import os, sys
print("noise of an import")

class Length:
    def __init__(self, base=0):
        self.base = base
    def score(self, samples):
        print("noise of a score")
        os.write(1, b"noise of C code")
        return [{"row": s["row"], "value": self.base + len(s["answer"])} for s in reversed(samples)]

class Raises:
    def score(self, samples):
        raise KeyError("no such thing")

class Leaves:
    def score(self, samples):
        sys.exit(3)

class Unmakable:
    def __init__(self, **options):
        raise RuntimeError("weights are missing")
    def score(self, samples): ...
"""
Ask = Callable[..., tuple[int, dict[str, Any]]]


def ask(address: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(address + path, body, timeout=10) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts a worker without any of our packages on its path; gives its address."""
    (tmp_path / "metric.py").write_text(METRIC)
    started: list[subprocess.Popen[bytes]] = []

    def start(target: str, **options: Any) -> str:
        port = tmp_path / f"port-{len(started)}"
        process = subprocess.Popen(
            [sys.executable, "-S", "-m", "vhb_metric_worker", "--target", target, "--port-file", str(port)],
            env={"PYTHONPATH": f"{WORKER}{os.pathsep}{tmp_path}", "VHB_METRIC_OPTIONS": json.dumps(options)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        give_up = time.monotonic() + 20
        while not port.exists() or ask(f"http://127.0.0.1:{port.read_text()}", "/health")[0] == 503:
            assert process.poll() is None and time.monotonic() < give_up
            time.sleep(0.02)
        return f"http://127.0.0.1:{port.read_text()}"

    yield start
    for process in started:
        process.kill()
        assert process.communicate()[0] == b""  # stdout stays clean, whatever a metric prints


def samples(*answers: str) -> bytes:
    return json.dumps({"samples": [{"row": n, "answer": answer} for n, answer in enumerate(answers)]}).encode()


def test_scores_by_row_with_options(serve: Callable[..., str]) -> None:
    address = serve("metric:Length", base=10)
    assert ask(address, "/health") == (200, {"status": "ready"})
    status, said = ask(address, "/score", samples("a", "Привет", "\ud800"))
    assert status == 200
    assert {each["row"]: each["numerator"] for each in said["scores"]} == {0: 11, 1: 16, 2: 11}
    assert all(each["denominator"] == 1 for each in said["scores"])


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ("None", "must return a list"),
        ("[]", "1 samples and returned 0"),
        ("[{'row': 7, 'value': 1}]", "other rows"),
        ("[{'row': 0, 'value': 1}] * 2", "returned 2"),
        ("[1]", "a score is a dict"),
        ("[{'row': 0}]", "not a number"),
        ("[{'row': 0, 'value': float('nan')}]", "not a number"),
        ("[{'row': 0, 'score': 1}]", "the key 'score'"),
        ("[{'row': 'a', 'value': 1}]", "copy `row`"),
        ("[{'row': 0, 'value': 1, 'detail': {1, 2}}]", "neither text nor JSON"),
    ],
)
def test_a_wrong_reply_is_named(returned: str, words: str) -> None:
    code = (
        "import sys; from vhb_metric_worker.replies import scores; from vhb_metric_worker.errors import Problem\n"
        "class Odd:\n    def score(self, samples): return eval(sys.argv[1])\n"
        "try: scores(Odd(), [{'row': 0}])\n"
        "except Problem as problem: print(problem.kind, problem)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, returned], env={"PYTHONPATH": str(WORKER)}, capture_output=True, text=True
    )
    assert done.stdout.startswith("wrong_reply ") and words in done.stdout, done


def test_failures_are_typed_and_it_goes_on(serve: Callable[..., str]) -> None:
    address = serve("metric:Raises")
    status, said = ask(address, "/score", samples("a"))
    assert (status, said["error"]["kind"]) == (500, "metric_failed")
    assert "KeyError: 'no such thing'" in said["error"]["message"]
    assert any("metric.py" in line for line in said["error"]["traceback"])
    for body in (b"", b"[]", b"{", b'{"samples": [{"answer": 1}]}', b'{"samples": [{"row": 1}, {"row": 1}]}'):
        status, said = ask(address, "/score", body)
        assert (status, said["error"]["kind"]) == (400, "bad_request")
    assert ask(address, "/health")[0] == 200
    assert ask(serve("metric:Leaves"), "/score", samples("a"))[1]["error"]["message"] == "SystemExit: 3"


def test_a_body_beyond_the_bound_is_refused_unread(serve: Callable[..., str]) -> None:
    address = serve("metric:Length")
    request = urllib.request.Request(address + "/score", data=b"{}", headers={"Content-Length": str(1 << 40)})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    assert caught.value.code == 400


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("absent_module:X", "ModuleNotFoundError: No module named 'absent_module'"),
        ("metric:Absent", "has no attribute 'Absent'"),
        ("metric:Unmakable", "RuntimeError: weights are missing"),
        ("os:sep", "not callable"),
    ],
)
def test_what_cannot_be_loaded_is_told(serve: Callable[..., str], target: str, words: str) -> None:
    status, said = ask(serve(target), "/health")
    assert (status, said["status"], said["error"]["kind"]) == (500, "failed", "import_failed")
    assert words in said["error"]["message"]
