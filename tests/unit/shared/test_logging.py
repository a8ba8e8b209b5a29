"""Logs: one renderer for all, what a line is about bound to it, secrets nowhere."""

import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from vhb_shared.logging import configure_logging, get_logger, register_secret
from vhb_shared.redaction import Redactor, is_secret_name
from vhb_shared.settings import LogSettings


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers, root.level)
    stream = io.StringIO()
    configure_logging(LogSettings(log_format="json", log_level="INFO"), "agent", stream)
    yield stream
    root.handlers, root.level = before
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(False)


def read(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_what_a_line_is_about(lines: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(job="j-1", run="j-1-0", shard=3):
        get_logger("vhb.test").info("shard done", samples=64)
        logging.getLogger("some.library").warning("busy %s", "now")
    get_logger("vhb.test").debug("unseen")
    ours, theirs = read(lines)
    assert {**ours, "timestamp": ""} == {
        "event": "shard done", "level": "info", "service": "agent", "timestamp": "",
        "job": "j-1", "run": "j-1-0", "shard": 3, "samples": 64,
    }  # fmt: skip
    assert theirs["event"] == "busy now"
    assert theirs["logger"] == "some.library"
    assert theirs["run"] == "j-1-0"


def test_no_secret_gets_out(lines: io.StringIO) -> None:
    register_secret("hunter2-very-long")
    log = get_logger("vhb.test")
    log.info("by name", api_key="abc", headers={"Authorization": "Token abc"}, nested=[{"password": "abc"}])
    log.info("by value: hunter2-very-long", url="http://x/?k=hunter2-very-long")
    log.info("by shape", text="Authorization: Bearer abcdefgh12345", url="nats://user:abc@host:4222")
    logging.getLogger("lib").error("sent %s", {"key": "hunter2-very-long"})
    try:
        raise RuntimeError("hunter2-very-long was wrong")
    except RuntimeError:
        log.exception("failed", cause=ValueError("hunter2-very-long"))
    text = lines.getvalue()
    assert "hunter2" not in text
    assert "abc" not in text
    assert "RuntimeError: *** was wrong" in read(lines)[-1]["exception"]
    assert len(read(lines)) == 5


def test_console_format_hides_too(lines: io.StringIO) -> None:
    stream = io.StringIO()
    configure_logging(LogSettings(log_format="console"), "agent", stream)
    get_logger("x").warning("hello", secret_key="abc", job="j-1")
    assert "hello" in stream.getvalue()
    assert "j-1" in stream.getvalue()
    assert "abc" not in stream.getvalue()


def test_libraries_do_not_print_by_themselves(lines: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").info("started")
    logging.getLogger("httpx").info("HTTP Request: ...")
    assert [line["event"] for line in read(lines)] == ["started"]


@pytest.mark.parametrize("name", ["password", "s3_secret_key", "apiKey", "X-Api-Key", "authorization", "hf_token"])
def test_secret_names(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["key", "answers_key", "api_key_env", "max_tokens", "prompt_tokens", "monkey"])
def test_names_that_are_no_secret(name: str) -> None:
    assert not is_secret_name(name)


def test_short_values_do_not_spoil_everything() -> None:
    redactor = Redactor()
    redactor.register("a")
    redactor.register("")
    redactor.register(None)
    assert redactor.clean("banana") == "banana"


def test_a_long_word_costs_no_more_than_its_length(lines: io.StringIO) -> None:
    """What a request broke at may hold an image: its traceback is written on the event loop."""
    word = "0123456789abcdef" * 12_500
    before = time.thread_time()
    try:
        raise ValueError(f"{word} http://user:pass-word@host")
    except ValueError:
        get_logger("t").exception("request_failed")
    assert time.thread_time() - before < 10, "it took five minutes"
    (line,) = read(lines)
    assert word in line["exception"] and line["exception"].endswith(" http://***@host")
