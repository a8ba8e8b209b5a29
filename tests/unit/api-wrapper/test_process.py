"""Start, load, overload, stop."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time

import openai
import pytest

ASKING = {"model": "echo-1", "messages": [{"role": "user", "content": "x"}]}


def run(*arguments):
    command = [sys.executable, "-m", "vhb_api_wrapper", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_health_answers_while_the_model_loads(start):
    server = start("--option", "load_delay_ms=4000", wait=False)
    assert server.request("GET", "/health") == (503, {"status": "loading", "model": "echo-1"})
    status, answer = server.request("POST", "/v1/chat/completions", json.dumps(ASKING).encode())
    assert (status, answer["error"]["type"]) == (503, "server_error")
    assert server.request("GET", "/v1/models")[0] == 503
    server.wait_ready()
    assert server.request("GET", "/health") == (200, {"status": "ok", "model": "echo-1"})
    assert "Ready: echo-1 at http://127.0.0.1:" in server.log.read_text()


async def test_slow_answers_do_not_block_health_and_workers_bound_them(start):
    server = start("--workers", "2", "--option", "delay_ms=400")
    async with server.client() as client:
        started = time.monotonic()
        answers = [asyncio.create_task(client.chat.completions.create(**ASKING)) for _ in range(4)]
        await asyncio.sleep(0.1)
        assert (await asyncio.to_thread(server.request, "GET", "/health"))[0] == 200
        assert not all(answer.done() for answer in answers)
        await asyncio.gather(*answers)
        assert time.monotonic() - started >= 0.8  # two rounds of two


async def test_too_many_waiting_is_429(start):
    server = start("--workers", "1", "--max-pending", "2", "--option", "delay_ms=700")
    async with server.client() as client:
        asked = [client.chat.completions.create(**ASKING) for _ in range(5)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, openai.RateLimitError)]
        assert len(refused) == 3
        assert refused[0].response.headers["retry-after"] == "1"
        await client.chat.completions.create(**ASKING)  # there is room again


@pytest.mark.parametrize("stream", [False, True])
async def test_requests_of_a_gone_client_leave_the_line(start, stream):
    server = start("--workers", "1", "--option", "delay_ms=600")
    async with server.client() as client:
        for _ in range(6):
            with pytest.raises(openai.APITimeoutError):
                await client.chat.completions.create(**ASKING, stream=stream, timeout=0.1)
        started = time.monotonic()
        await client.chat.completions.create(**ASKING)
        assert time.monotonic() - started < 3  # not behind six answers that nobody waits for


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_stops_at_once_in_the_middle_of_an_answer(start, number):
    server = start("--option", "delay_ms=20000")
    async with server.client() as client:
        asked = asyncio.create_task(client.chat.completions.create(**ASKING))
        await asyncio.sleep(0.3)
        started = time.monotonic()
        server.process.send_signal(number)
        assert await asyncio.to_thread(server.process.wait, 5) == 0
        assert time.monotonic() - started < 5
        with pytest.raises(openai.APIError):
            await asked
    assert "Traceback" not in server.log.read_text()
    assert "ERROR" not in server.log.read_text()


def test_stops_within_a_second_while_loading(start):
    server = start("--option", "load_delay_ms=20000", wait=False)
    server.process.terminate()
    assert server.process.wait(1) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--adapter", "rapidocrr"], "use one of: echo, rapidocr, tesseract"),
        (["--adapter", "echo", "--option", "delay=1"], "did you mean 'delay_ms'"),
        (["--adapter", "echo", "--option", "delay_ms=soon"], "delay_ms='soon'"),
        (["--adapter", "echo", "--option", "delay_ms"], "key=value"),
        (["--adapter", "tesseract", "--option", "program=no-such-program"], "install Tesseract"),
        (["--adapter", "rapidocr"], "from the wrapper's rapidocr.lock"),  # not installed beside the services
        (["--adapter", "echo", "--host", "192.0.2.1"], "Cannot listen on 192.0.2.1"),
        (["--adapter", "echo", "--port-file", "/no/such/folder/port"], "--port-file"),
        (["--adapter", "echo", "--workers", "0"], "--workers"),
    ],
)
def test_mistakes_end_with_code_2_and_a_sentence(arguments, said):
    done = run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_taken_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("--adapter", "echo", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "--port" in done.stderr


PLUG_IN = r"""
from vhb_api_wrapper.adapters.base import Adapter, Generation

class Moody(Adapter):
    def load(self):
        if "unloadable" in __file__:
            raise OSError("weights are missing")

    def generate(self, prompt, parameters, emit):
        if prompt.text == "fail":
            raise ValueError("no luck")
        emit("half \ud800")
        if prompt.text == "fail late":
            raise ValueError("no luck")
        return Generation("half \ud800", 1, 2)
"""


@pytest.fixture
def plug_in(tmp_path, request):
    folder = tmp_path / getattr(request, "param", "loadable")
    info = folder / "moody-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "moody.py").write_text(PLUG_IN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: moody\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vhb_api_wrapper.adapters]\nmoody = moody:Moody\n")
    return folder


async def test_failures_of_a_plug_in_model_are_500_before_and_errors_within_a_stream(start, plug_in):
    server = start("--adapter", "moody", python_path=plug_in)

    def asking(text, stream):
        messages = [{"role": "user", "content": text}]
        return client.chat.completions.create(model="echo-1", messages=messages, stream=stream)

    async with server.client() as client:
        for stream in (False, True):
            with pytest.raises(openai.InternalServerError, match="ValueError: no luck") as caught:
                await asking("fail", stream)
            assert caught.value.code == "model_error"
        with pytest.raises(openai.InternalServerError):
            await asking("fail late", False)
        pieces = []
        with pytest.raises(openai.APIError, match="ValueError: no luck"):
            async for chunk in await asking("fail late", True):
                pieces.append(chunk.choices[0].delta.content)
        assert pieces == ["half ?"]
        answer = await asking("fine", False)
        assert answer.choices[0].message.content == "half ?"  # a lone surrogate has no UTF-8 form
    assert "Traceback" in server.log.read_text()


@pytest.mark.parametrize("plug_in", ["unloadable"], indirect=True)
def test_a_model_that_does_not_load_ends_the_process_with_code_1(start, plug_in):
    server = start("--adapter", "moody", wait=False, python_path=plug_in)
    assert server.process.wait(5) == 1
    assert "OSError: weights are missing" in server.log.read_text()
