"""Reads what a chat-completions endpoint sends back: server-sent events or one JSON object, bounded in size.

Parsed here rather than with the client's own models: they validate every streamed token, which at a few hundred
answers a second costs more than everything else the agent does.
"""

import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from vhb_inference_agent.runner.failures import RequestFailed

MAX_ANSWER_CHARS = 4 * 1024 * 1024
"""Beyond this an answer is cut off and counts as truncated."""
_MAX_BODY_BYTES = 8 * MAX_ANSWER_CHARS


@dataclass
class Reply:
    """What a model said, as far as it was read."""

    parts: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    """Of the prompt, found in the engine's cache."""
    first_token_at: float | None = None
    """`time.perf_counter()` at the first token; only when streaming."""
    pieces: int = 0
    """In how many the words of the answer came; only when streaming."""
    cut_off: bool = False
    """The answer was longer than we are willing to hold."""
    done: bool = False
    """The endpoint said that the answer is complete."""
    started: bool = False
    """Something that belongs to a completion was read."""
    _chars: int = 0

    @property
    def text(self) -> str:
        """The answer's text."""
        return "".join(self.parts)

    @property
    def refusal(self) -> str:
        """What the model said instead of an answer, when it refused."""
        return "".join(self.refusals)

    def add(self, chunk: Any, key: str) -> None:
        """Takes in one chunk of a stream (`key` is "delta") or a whole completion (`key` is "message").

        Raises:
            RequestFailed: the chunk is an error, or nothing that a chat completion would hold.
        """
        if not isinstance(chunk, dict):
            raise RequestFailed("malformed", f"expected an object, got {type(chunk).__name__}")
        if chunk.get("error"):
            raise _reported(chunk["error"])
        self.started = True
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            self.prompt_tokens = _count(usage.get("prompt_tokens"), self.prompt_tokens)
            self.completion_tokens = _count(usage.get("completion_tokens"), self.completion_tokens)
            details = usage.get("prompt_tokens_details")
            if isinstance(details, dict):
                self.cached_tokens = _count(details.get("cached_tokens"), self.cached_tokens)
        choices = chunk.get("choices")
        if not isinstance(choices, list) or (key == "message" and not choices):
            if key == "message" or not isinstance(usage, dict):
                raise RequestFailed("malformed", "it holds no `choices`")
            return
        if not choices:
            return
        choice = choices[0] if isinstance(choices[0], dict) else {}
        message = choice.get(key)
        if isinstance(message, dict):
            self._add_message(message)
        elif key == "message":
            raise RequestFailed("malformed", "its first choice holds no `message`")
        if choice.get("finish_reason"):
            self.finish_reason = str(choice["finish_reason"])

    def _add_message(self, message: dict[str, Any]) -> None:
        content = message.get("content")
        if isinstance(content, list):  # some servers answer in parts
            content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
        refusal = message.get("refusal")
        if content and isinstance(content, str):
            room = MAX_ANSWER_CHARS - self._chars
            self.parts.append(content[:room])
            self._chars += len(content)
            self.cut_off = self._chars > MAX_ANSWER_CHARS
        if refusal and isinstance(refusal, str):
            self.refusals.append(refusal[:MAX_ANSWER_CHARS])
        if content or refusal or message.get("reasoning_content"):
            self.pieces += 1
            if self.first_token_at is None:
                self.first_token_at = time.perf_counter()


def _nothing() -> None:
    pass


async def read_events(chunks: AsyncIterator[bytes], on_progress: Callable[[], None] = _nothing) -> Reply:
    """Reads a stream of server-sent events up to `[DONE]`, its end, or the bound on an answer's size.

    Args:
        chunks: the body.
        on_progress: called whenever something came.

    Raises:
        RequestFailed: malformed, or an error reported within the stream.
    """
    reply = Reply()
    pending = b""
    data: list[bytes] = []
    async for chunk in chunks:
        on_progress()
        pending += chunk
        if len(pending) > _MAX_BODY_BYTES:
            raise RequestFailed("malformed", "one event of the stream is larger than an answer may be")
        *lines, pending = pending.split(b"\n")
        for line in lines:
            _take_line(line.rstrip(b"\r"), data, reply)
            if reply.done or reply.cut_off:
                return reply
    _take_line(pending.rstrip(b"\r"), data, reply)
    _take_line(b"", data, reply)
    return reply


def _take_line(line: bytes, data: list[bytes], reply: Reply) -> None:
    if line.startswith(b"data:"):
        data.append(line[5:].strip())
        return
    if line or not data:  # comments, other fields, keep-alive blank lines
        return
    event = b"\n".join(data)
    data.clear()
    if event.startswith(b"[DONE]"):
        reply.done = True
        return
    reply.add(_json(event), "delta")


async def read_object(chunks: AsyncIterator[bytes]) -> Reply:
    """Reads one JSON completion.

    Raises:
        RequestFailed: malformed, an error object, or larger than any answer may be.
    """
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise RequestFailed("malformed", "the reply is larger than an answer may be")
    reply = Reply()
    reply.add(_json(bytes(body)), "message")
    reply.first_token_at = None
    reply.done = True
    return reply


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        start = raw[:80].decode("utf-8", "replace")
        raise RequestFailed("malformed", f"not JSON, it starts with {start!r}") from None


def _count(value: Any, otherwise: int | None) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise


def _reported(error: Any) -> RequestFailed:
    """An error inside a reply that began with status 200, as vLLM and others send it."""
    if not isinstance(error, dict):
        return RequestFailed("status", str(error), status=500)
    code = error.get("code")
    status = int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdigit()) else 500
    return RequestFailed("status", str(error.get("message") or error), status=status)
