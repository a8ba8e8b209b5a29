"""Runs the model off the event loop: loads it in a thread, answers in a bounded pool of threads."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from vhb_api_wrapper.adapters.base import Abandoned, Adapter, Generation, Parameters, Prompt, UnsupportedInput
from vhb_api_wrapper.errors import ApiError
from vhb_api_wrapper.images import InvalidImage

log = logging.getLogger(__name__)


class Answer:
    """One request at the model. Its consumer iterates `pieces`, then reads `generation`."""

    def __init__(self, adapter: Adapter[Any], prompt: Prompt, parameters: Parameters) -> None:
        self._adapter = adapter
        self._prompt = prompt
        self._parameters = parameters
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[str | Generation | Exception] = asyncio.Queue()
        self._abandoned = threading.Event()
        self.future: Future[None] | None = None
        self.generation: Generation | None = None

    async def pieces(self) -> AsyncIterator[str]:
        """The answer piece by piece; afterwards `generation` is set.

        Raises:
            ApiError: 400, 422 or 500, whatever the model made of the request.
        """
        emitted = False
        while True:
            item = await self._queue.get()
            if isinstance(item, str):
                emitted = True
                yield item
            elif isinstance(item, Generation):
                self.generation = item
                if not emitted and item.text:
                    yield item.text
                return
            else:
                raise _as_api_error(item) from item

    def abandon(self) -> None:
        """Nobody waits any more: leaves the queue, or stops at the next piece."""
        self._abandoned.set()
        if self.future is not None:
            self.future.cancel()

    def run(self) -> None:
        """Asks the model; in a worker thread."""
        if self._abandoned.is_set():
            return
        try:
            generation = self._adapter.generate(self._prompt, self._parameters, self._emit)
            self._hand_over(
                Generation(
                    text=_encodable(generation.text),
                    prompt_tokens=generation.prompt_tokens,
                    completion_tokens=generation.completion_tokens,
                    finish_reason=generation.finish_reason,
                )
            )
        except Abandoned:
            log.debug("An answer was abandoned: its client is gone")
        except Exception as error:
            self._hand_over(error)

    def _emit(self, piece: str) -> None:
        if self._abandoned.is_set():
            raise Abandoned
        if piece:
            self._hand_over(_encodable(piece))

    def _hand_over(self, item: str | Generation | Exception) -> None:
        try:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)
        except RuntimeError:  # the loop is closed: the server is going down
            raise Abandoned from None


class ModelHost:
    """The adapter and its threads.

    Args:
        adapter: not loaded yet.
        workers: how many requests are at the model at once.
        max_pending: how many requests may be here at all; each holds its images in memory.
    """

    def __init__(self, adapter: Adapter[Any], workers: int, max_pending: int) -> None:
        self._adapter = adapter
        self._workers = workers
        self._max_pending = max_pending
        self._pool: ThreadPoolExecutor | None = None
        self._pending = 0
        self.ready = False

    async def load(self) -> float:
        """Loads the model in a thread; returns the seconds it took. Raises what the adapter raises."""
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="model")
        await loop.run_in_executor(self._pool, self._adapter.load)
        self.ready = True
        return time.monotonic() - started

    def submit(self, prompt: Prompt, parameters: Parameters) -> Answer:
        """Puts a request in line.

        Raises:
            ApiError: 503 while loading, 429 when `max_pending` requests are here already.
        """
        if not self.ready or self._pool is None:
            raise ApiError(503, "The model is being loaded; GET /health answers 200 when it is ready.", retry_after_s=1)
        if self._pending >= self._max_pending:
            raise ApiError(429, f"{self._pending} requests are waiting already; send fewer at once.", retry_after_s=1)
        answer = Answer(self._adapter, prompt, parameters)
        loop = asyncio.get_running_loop()
        self._pending += 1
        answer.future = self._pool.submit(answer.run)
        answer.future.add_done_callback(lambda _: _quietly(loop, self._left))
        return answer

    def _left(self) -> None:
        self._pending -= 1


def _quietly(loop: asyncio.AbstractEventLoop, callback: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(callback)


def _encodable(text: str) -> str:
    # A lone surrogate (seen from models that cut a character in two) has no UTF-8 form.
    return text.encode("utf-8", "replace").decode("utf-8")


def _as_api_error(error: Exception) -> ApiError:
    match error:
        case ApiError():
            return error
        case InvalidImage():
            return ApiError(400, str(error), code="invalid_image")
        case UnsupportedInput():
            return ApiError(422, str(error), code="unsupported_input")
        case _:
            log.error("The model failed on a request", exc_info=error)
            return ApiError(500, f"The model failed: {type(error).__name__}: {error}", code="model_error")
