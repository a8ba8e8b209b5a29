"""How the stand-in endpoint behaves, and what it reads out of a request."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Action = Literal["status", "drop", "break", "malformed", "hang", "error_event", "answer"]


@dataclass
class Rule:
    """What happens to requests that match."""

    match: str = ""
    """Part of the text, or the start of an image's sha256; empty matches every request."""
    times: int | None = None
    """For the first so many requests of each sample; None for all of them."""
    action: Action = "status"
    """status: an error; drop: closes the connection at once; break: in the middle of the answer; malformed: what is
    not JSON; hang: no answer; error_event: an error within a reply that began well; answer: another answer."""
    status: int = 500
    retry_after: str | None = None
    text: str | None = None
    finish_reason: str = "stop"
    refusal: str | None = None
    message: str = "told to fail"


@dataclass
class Behaviour:
    """How the stand-in behaves; changed by `POST /control`."""

    delay_ms: float = 0
    """Before the first byte of an answer."""
    places: int | None = None
    """An engine's largest batch: further requests queue, and /metrics tells of it. None: all are answered at once."""
    half_at: float | None = None
    """With `places`: the number of requests at which each takes twice as long. None: they do not slow each other."""
    chunks: int = 4
    """Pieces of a streamed answer."""
    chunk_delay_ms: float = 0
    api_key: str | None = None
    models: list[str] = field(default_factory=lambda: ["stand-in"])
    usage: bool = True
    done: bool = True
    """Whether a stream ends with [DONE]."""
    ignore_stream: bool = False
    """Answers streaming requests with one JSON object, as some servers do."""
    answers: dict[str, str] = field(default_factory=dict)
    """Answers by image sha256 or by text, instead of made-up ones."""
    echo: bool = False
    """Answers with what was asked, as JSON: `messages`, each `[role, part, ...]` with `sha256:...` for an image, and
    `seed`."""
    rules: list[Rule] = field(default_factory=list)
    """The first that matches counts."""


@dataclass
class Asked:
    """The content of one request."""

    text: str
    images: list[str]
    """sha256 of each."""
    stream: bool
    wants_usage: bool
    model: str
    echo: str
    """The request in short, see `Behaviour.echo`."""

    @property
    def key(self) -> str:
        """Names the sample: the same for the same text and images."""
        return hashlib.sha256("\n".join([*self.images, self.text]).encode()).hexdigest()[:16]


@dataclass
class Stats:
    """What was asked so far."""

    total: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    first_at: float | None = None
    last_at: float | None = None
    """Unix seconds when the latest request arrived."""
    last_done_at: float | None = None
    by_status: Counter[str] = field(default_factory=Counter)
    """Of finished replies; "dropped" where there was none."""
    by_key: Counter[str] = field(default_factory=Counter)


def change_behaviour(behaviour: Behaviour, change: Mapping[str, Any]) -> None:
    """Sets fields by name.

    Raises:
        ValueError: no such field.
    """
    known = {entry.name for entry in fields(Behaviour)}
    for name, value in change.items():
        if name not in known:
            raise ValueError(f"no such setting: {name}")
        setattr(behaviour, name, [Rule(**rule) for rule in value] if name == "rules" else value)


def read_request(body: bytes) -> Asked:
    """The text (system prompt first), the images' hashes and the options of a chat-completions request."""
    request: dict[str, Any] = json.loads(body)
    texts: list[str] = []
    images: list[str] = []
    messages: list[list[str]] = []
    for message in request["messages"]:
        content = message["content"]
        parts: list[dict[str, Any]] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        messages.append([message["role"]])
        for part in parts:
            if part["type"] == "text":
                texts.append(part["text"])
                messages[-1].append(part["text"])
            else:
                encoded = part["image_url"]["url"].partition(";base64,")[2]
                images.append(hashlib.sha256(base64.b64decode(encoded, validate=True)).hexdigest())
                messages[-1].append(f"sha256:{images[-1]}")
    options = request.get("stream_options") or {}
    return Asked(
        text="\n".join(texts),
        images=images,
        stream=bool(request.get("stream")),
        wants_usage=bool(options.get("include_usage")),
        model=request["model"],
        echo=json.dumps({"messages": messages, "seed": request.get("seed")}, ensure_ascii=False),
    )


def pieces(text: str, count: int) -> Iterator[str]:
    """The text in about so many pieces."""
    size = max(1, -(-len(text) // max(1, count)))
    return (text[start : start + size] for start in range(0, len(text), size))


def envelope(asked: Asked, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    """A completion, or one chunk of it, without usage."""
    return {"id": f"chatcmpl-{asked.key}", "object": kind, "created": 0, "model": asked.model, "choices": choices}


def usage(asked: Asked, text: str) -> dict[str, int]:
    """Token counts that depend on the content alone: a token is four characters, an image is 256 tokens."""
    prompt = len(asked.text) // 4 + 256 * len(asked.images)
    completion = max(1, len(text) // 4)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
