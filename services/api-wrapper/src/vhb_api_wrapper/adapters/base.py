"""The contract between the server and a model.

An adapter is a class named by an entry point of the group `vhb_api_wrapper.adapters`. The server builds it with its
validated options, calls `load` once in a thread, then `generate` from several threads at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from vhb_api_wrapper.images import ImageInput


class ConfigurationError(Exception):
    """The person who starts the server can mend this: one sentence with the remedy. The process ends with code 2."""


class UnsupportedInput(Exception):  # noqa: N818 - a condition of the request, not a fault here
    """The request is well-formed, and this model cannot answer it (no image, say). HTTP 422."""


class Abandoned(Exception):  # noqa: N818
    """Nobody waits for the answer any more: `emit` raises it, and an adapter lets it pass through."""


class AdapterOptions(BaseModel):
    """What `--option key=value` may say; an adapter extends it. Values come as text and are converted."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Message:
    """One message of the conversation, its parts in the order given."""

    role: str
    parts: tuple[str | ImageInput, ...]


@dataclass(frozen=True)
class Prompt:
    """The whole conversation."""

    messages: tuple[Message, ...]

    @property
    def question(self) -> "Prompt":
        """The last message of the user alone, without the turns before it and the system prompt."""
        return Prompt(tuple(message for message in self.messages if message.role == "user")[-1:])

    @property
    def images(self) -> tuple[ImageInput, ...]:
        """All images, first to last."""
        return tuple(part for message in self.messages for part in message.parts if isinstance(part, ImageInput))

    @property
    def text(self) -> str:
        """All text parts, first to last, a line each."""
        return "\n".join(part for message in self.messages for part in message.parts if isinstance(part, str))


@dataclass(frozen=True)
class Parameters:
    """Generation settings; `None` means that the request did not say."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    response_format: dict[str, Any] | None = None


@dataclass(frozen=True)
class Generation:
    """An answer. Models without tokens (OCR engines) count words."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish_reason: Literal["stop", "length"] = "stop"


Emit = Callable[[str], None]
"""Hands on a piece of the answer as soon as it is known. Raises `Abandoned` when nobody waits for it any more."""

Options = TypeVar("Options", bound=AdapterOptions)


class Adapter(ABC, Generic[Options]):
    """One model. The constructor keeps the options and does no work."""

    options_type: ClassVar[type[AdapterOptions]] = AdapterOptions

    def __init__(self, options: Options) -> None:
        self.options = options

    @abstractmethod
    def load(self) -> None:
        """Loads the model and makes sure that it answers; called once, in a thread, before any `generate`.

        Raises:
            ConfigurationError: a program, package or file is missing, or an option does not fit.
            Exception: anything else ends the process with code 1 and a traceback in the log.
        """

    @abstractmethod
    def generate(self, prompt: Prompt, parameters: Parameters, emit: Emit) -> Generation:
        """Answers one request; called from up to `workers` threads at once.

        An adapter that knows the answer piece by piece calls `emit` with each; the pieces together are
        `Generation.text`. One that knows it all at once need not call it.

        Raises:
            UnsupportedInput: the model cannot answer such a request (422).
            InvalidImage: an image cannot be decoded (400); `ImageInput.rgb` raises it.
            Abandoned: passed through from `emit`.
            Exception: anything else is a 500 with its message.
        """

    def default_workers(self) -> int:
        """How many requests to answer at once when `--workers` is not given. Raises nothing."""
        return 1
