"""The part of the OpenAI chat protocol that is served: what comes in, what goes out.

Source: the API reference of OpenAI's chat completions. Fields that do not change what a model says (`user`,
`metadata`, ...) are accepted and ignored; those that would change it and are not served are refused.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vhb_api_wrapper.errors import ApiError


class _Incoming(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class TextPart(_Incoming):
    """A piece of text."""

    type: Literal["text"]
    text: str


class ImageUrl(_Incoming):
    """A data: URL."""

    url: str


class ImagePart(_Incoming):
    """An image."""

    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class ChatMessage(_Incoming):
    """One message; an assistant's may have no content."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part] | None = None


class StreamOptions(_Incoming):
    """How to stream."""

    include_usage: bool = False


class ChatRequest(_Incoming):
    """The body of POST /v1/chat/completions."""

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    response_format: dict[str, Any] | None = None
    n: Literal[1] | None = None
    logprobs: Literal[False] | None = None
    tools: Annotated[list[Any], Field(max_length=0)] | None = None


def parse_request(body: bytes | bytearray) -> ChatRequest:
    """Reads a request body.

    Raises:
        ApiError: 400; its message names the first field that does not fit, never its value.
    """
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as invalid:
        # Of a union (text or parts) each branch complains; the deepest complaint is about what was meant.
        first = max(invalid.errors(include_input=False, include_url=False), key=lambda error: len(error["loc"]))
        # pydantic names the branch of a union in the path; a person did not write it.
        path = ".".join(str(step) for step in first["loc"] if step != "str" and not str(step).startswith("list["))
        where = f"{path}: " if path else ""
        raise ApiError(400, f"{where}{first['msg']}.", param=path or None) from invalid


class Usage(BaseModel):
    """Token counts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AnswerMessage(BaseModel):
    """The answer's message."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(BaseModel):
    """The only choice of a completion."""

    index: int = 0
    message: AnswerMessage
    finish_reason: str
    logprobs: None = None


class Completion(BaseModel):
    """The answer to a request without `stream`."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: Sequence[Choice]
    usage: Usage


class Delta(BaseModel):
    """What a chunk adds."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(BaseModel):
    """The only choice of a chunk."""

    index: int = 0
    delta: Delta
    finish_reason: str | None = None


class Chunk(BaseModel):
    """One server-sent event of a streamed answer."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: Sequence[ChunkChoice]
    usage: Usage | None = None


class ModelCard(BaseModel):
    """An entry of GET /v1/models."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "vhb-api-wrapper"


class ModelList(BaseModel):
    """The answer to GET /v1/models."""

    object: Literal["list"] = "list"
    data: Sequence[ModelCard]
