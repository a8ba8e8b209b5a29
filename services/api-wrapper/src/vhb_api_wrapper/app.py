"""The HTTP surface: routes, limits, streaming."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from vhb_api_wrapper import protocol
from vhb_api_wrapper.adapters.base import Generation, Message, Parameters, Prompt
from vhb_api_wrapper.errors import ApiError
from vhb_api_wrapper.host import Answer, ModelHost
from vhb_api_wrapper.images import ImageInput, InvalidImage, decode_data_url
from vhb_api_wrapper.settings import Limits

# A body that is too long is read to its end, so that the client reads the 413 rather than a broken pipe; a client
# that goes on for ever is cut off.
_DRAIN_FACTOR = 8


@dataclass(frozen=True)
class _Parsed:
    prompt: Prompt
    parameters: Parameters
    stream: bool
    include_usage: bool


class Server:
    """Handlers of the routes; state is the host's."""

    def __init__(self, host: ModelHost, served_model_name: str, limits: Limits) -> None:
        self._host = host
        self._name = served_model_name
        self._limits = limits
        self._created = int(time.time())

    def build(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/health", self.health, methods=["GET"]),
                Route("/v1/models", self.models, methods=["GET"]),
                Route("/v1/models/{name:path}", self.model, methods=["GET"]),
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
            ],
            exception_handlers={
                ApiError: _on_api_error,
                HTTPException: _on_http_error,
                ClientDisconnect: _on_disconnect,
                Exception: _on_fault,
            },
        )

    async def health(self, _: Request) -> Response:
        """200 when the model answers, 503 before."""
        status = "ok" if self._host.ready else "loading"
        return JSONResponse({"status": status, "model": self._name}, status_code=200 if self._host.ready else 503)

    async def models(self, _: Request) -> Response:
        """The one model; 503 while it is loading."""
        if not self._host.ready:
            raise ApiError(503, "The model is being loaded.", retry_after_s=1)
        return _json(protocol.ModelList(data=[self._card()]))

    async def model(self, request: Request) -> Response:
        """The card of one model."""
        self._check_name(request.path_params["name"])
        return _json(self._card())

    async def chat(self, request: Request) -> Response:
        """One completion."""
        body = await _read_body(request, self._limits.max_body_bytes)
        parsed = await asyncio.to_thread(self._parse, body)
        del body
        answer = self._host.submit(parsed.prompt, parsed.parameters)
        pieces = answer.pieces()
        completion_id = f"chatcmpl-{uuid.uuid4().hex}"
        try:
            async with _until_disconnected(request):
                # Whatever goes wrong before the first piece still gets an HTTP status, when streaming as well.
                first = await anext(pieces, "")
                if not parsed.stream:
                    async for _ in pieces:
                        pass
                    return _json(self._completion(completion_id, _finished(answer)))
        except BaseException:
            answer.abandon()
            raise
        events = self._events(completion_id, answer, first, pieces, parsed.include_usage)
        return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})

    def _parse(self, body: bytearray) -> _Parsed:
        asked = protocol.parse_request(body)
        self._check_name(asked.model)
        try:
            messages = tuple(Message(message.role, self._parts(message)) for message in asked.messages)
        except InvalidImage as error:
            raise ApiError(400, str(error), code="invalid_image", param="messages") from error
        stop = (asked.stop,) if isinstance(asked.stop, str) else tuple(asked.stop or ())
        limit = asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens
        parameters = Parameters(limit, asked.temperature, asked.top_p, asked.seed, stop, asked.response_format)
        include_usage = asked.stream_options is not None and asked.stream_options.include_usage
        return _Parsed(Prompt(messages), parameters, bool(asked.stream), include_usage)

    def _parts(self, message: protocol.ChatMessage) -> tuple[str | ImageInput, ...]:
        if message.content is None or isinstance(message.content, str):
            return (message.content,) if message.content else ()
        return tuple(
            part.text
            if isinstance(part, protocol.TextPart)
            else decode_data_url(part.image_url.url, self._limits.max_pixels)
            for part in message.content
        )

    def _check_name(self, name: str) -> None:
        if name != self._name:
            message = f"The model {name!r} does not exist; this server has {self._name!r}."
            raise ApiError(404, message, code="model_not_found", param="model")

    def _card(self) -> protocol.ModelCard:
        return protocol.ModelCard(id=self._name, created=self._created)

    def _completion(self, completion_id: str, generation: Generation) -> protocol.Completion:
        message = protocol.AnswerMessage(content=generation.text)
        choice = protocol.Choice(message=message, finish_reason=generation.finish_reason)
        return protocol.Completion(
            id=completion_id, created=int(time.time()), model=self._name, choices=[choice], usage=_usage(generation)
        )

    async def _events(
        self, completion_id: str, answer: Answer, first: str, pieces: AsyncIterator[str], include_usage: bool
    ) -> AsyncIterator[bytes]:
        created = int(time.time())

        def event(
            delta: protocol.Delta | None, finish: str | None = None, usage: protocol.Usage | None = None
        ) -> bytes:
            choices = [] if delta is None else [protocol.ChunkChoice(delta=delta, finish_reason=finish)]
            chunk = protocol.Chunk(id=completion_id, created=created, model=self._name, choices=choices, usage=usage)
            return b"data: " + chunk.model_dump_json().encode() + b"\n\n"

        try:
            yield event(protocol.Delta(role="assistant", content=first))
            async for piece in pieces:
                yield event(protocol.Delta(content=piece))
            generation = _finished(answer)
            yield event(protocol.Delta(), finish=generation.finish_reason)
            if include_usage:
                yield event(None, usage=_usage(generation))
        except ApiError as error:
            # The status line is gone; the client raises on an event that holds an error.
            yield b"data: " + error.body + b"\n\n"
        finally:
            answer.abandon()
        yield b"data: [DONE]\n\n"


async def _read_body(request: Request, limit: int) -> bytearray:
    body, received = bytearray(), 0
    async for piece in request.stream():
        received += len(piece)
        if received > limit:
            body.clear()
            if received > limit * _DRAIN_FACTOR:
                break
        else:
            body += piece
    if received > limit:
        raise ApiError(413, f"The request body is longer than the {limit / 2**20:g} MiB this server accepts.")
    return body


@contextlib.asynccontextmanager
async def _until_disconnected(request: Request) -> AsyncIterator[None]:
    """Cancels what runs inside when the client goes away; `ClientDisconnect` is raised then."""
    inside = asyncio.current_task()
    assert inside is not None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        inside.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if gone:
            inside.uncancel()
            raise ClientDisconnect from None
        raise
    finally:
        watcher.cancel()


def _finished(answer: Answer) -> Generation:
    assert answer.generation is not None, "the pieces are read first"
    return answer.generation


def _usage(generation: Generation) -> protocol.Usage:
    total = generation.prompt_tokens + generation.completion_tokens
    return protocol.Usage(
        prompt_tokens=generation.prompt_tokens, completion_tokens=generation.completion_tokens, total_tokens=total
    )


def _json(model: protocol.ModelList | protocol.ModelCard | protocol.Completion) -> Response:
    return Response(model.model_dump_json(), media_type="application/json")


async def _on_api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return Response(error.body, status_code=error.status, headers=error.headers, media_type="application/json")


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}."
    api_error = ApiError(error.status_code, message)
    return Response(api_error.body, error.status_code, headers=error.headers, media_type="application/json")


async def _on_disconnect(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it


async def _on_fault(_: Request, error: Exception) -> Response:
    api_error = ApiError(500, f"The server failed: {type(error).__name__}: {error}")
    return Response(api_error.body, 500, media_type="application/json")
