"""Asks one question of the backend: one attempt, and as many as it takes."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
import httpx2
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, AsyncStream, DefaultAioHttpClient

from vhb_inference_agent.endpoint import Endpoint, RunningBackend
from vhb_inference_agent.runner.adaptive import work_of
from vhb_inference_agent.runner.failures import RequestFailed
from vhb_inference_agent.runner.in_flight import InFlight
from vhb_inference_agent.runner.replies import Reply, read_events, read_object
from vhb_inference_agent.runner.slots import Slot
from vhb_inference_agent.runner.waiting import RetryBudget, retry_after_s
from vhb_shared.contracts.job import Retries

CONNECT_TIMEOUT_S = 10.0
# Shorter than the five seconds after which uvicorn (vLLM, SGLang) closes an idle connection, or a request would now
# and then be written into a connection that is just being closed.
KEEPALIVE_S = 3.0
_DRAIN_S = 1.0


@dataclass
class Asked:
    """How asking ended: with a reply or a failure."""

    reply: Reply | None
    failure: RequestFailed | None
    attempts: int
    latency_ms: float | None
    """Of the last attempt, from sending to the last byte."""
    ttft_ms: float | None
    elapsed_s: float = 0.0
    """From sending the first attempt that counts to the end, waiting in between included."""


class Requester:
    """One client, its connections kept, for everything one backend is asked.

    Args:
        backend: where to ask; its endpoint may change after a restart.
        concurrency: requests that may be in flight; as many connections are kept.
        in_flight: told what is sent, what comes back and when it ends.
    """

    def __init__(self, backend: RunningBackend, concurrency: int, in_flight: InFlight) -> None:
        self._backend = backend
        self._in_flight = in_flight
        self._concurrency = concurrency
        self._clients: list[tuple[Endpoint, AsyncOpenAI]] = []

    async def aclose(self) -> None:
        """Closes the connections."""
        clients, self._clients = self._clients, []
        for _, client in clients:
            await client.close()

    async def ask(self, body: bytes, limits: Retries, slot: Slot) -> Asked:
        """Asks until there is a reply, a failure that will not pass, or the budget of retries is spent.

        Args:
            body: the request, JSON.
            limits: attempts, waiting and time for one attempt. Attempts that a dying backend broke do not count.
            slot: the caller's place in flight; free for others while this request waits for its next attempt.

        Raises:
            BackendLost: the backend cannot be brought back.
        """
        budget = RetryBudget(limits)
        first_started: float | None = None
        reply: Reply | None = None
        failure: RequestFailed | None = None
        while True:
            budget.attempts += 1
            started = time.perf_counter()
            first_started = first_started or started
            try:
                with self._in_flight.request(slot.owner):
                    reply = await self._attempt(body, limits.timeout_s)
            except RequestFailed as error:
                failure = error
                if error.kind == "status":
                    self._in_flight.progress()  # an error in words is a sign of life
            ended = time.perf_counter()
            if reply is not None or failure is None:
                break
            if failure.kind == "connection" and await self._backend.after_connection_error():
                slot.restarted()
                budget.attempts -= 1
                first_started = None if budget.attempts == 0 else first_started
                continue
            slot.failed(failure, limits.max_wait_s)
            wait_s = budget.wait_after(failure)
            if wait_s is None:
                break
            await slot.wait(wait_s)
        if reply is not None:
            slot.answered(ended - started, work_of(reply.prompt_tokens, reply.completion_tokens))
        ttft_at = reply.first_token_at if reply else None
        return Asked(
            reply=reply,
            failure=None if reply else failure,
            attempts=budget.attempts,
            latency_ms=_milliseconds(ended - started),
            ttft_ms=_milliseconds(ttft_at - started) if ttft_at is not None else None,
            elapsed_s=ended - first_started,
        )

    async def _attempt(self, body: bytes, timeout_s: float) -> Reply:
        client = self._current_client()
        try:
            async with asyncio.timeout(timeout_s):
                stream = await client.post(
                    "/chat/completions",
                    cast_to=object,
                    content=body,
                    stream=True,
                    stream_cls=AsyncStream[object],
                )
                try:
                    return await _read(stream.response, self._in_flight.progress)
                finally:
                    await stream.response.aclose()
        except APIStatusError as error:
            raise _status_failure(error) from error
        except APIConnectionError as error:
            # The aiohttp transport reports a refused or dropped connection as a connect timeout.
            timed_out = isinstance(error.__cause__, httpx2.ReadTimeout)
            raise RequestFailed("timeout" if timed_out else "connection", _deepest(error)) from error
        except TimeoutError:
            raise RequestFailed("timeout", "") from None
        except (httpx2.RequestError, httpx2.StreamError, aiohttp.ClientError, OSError) as error:
            raise RequestFailed("connection", _deepest(error)) from error
        except httpx2.DecodingError as error:
            raise RequestFailed("malformed", str(error)) from error

    def _current_client(self) -> AsyncOpenAI:
        endpoint = self._backend.endpoint
        if not self._clients or self._clients[-1][0] != endpoint:
            # The client of an endpoint that moved is closed at the end: requests may still be failing in it.
            self._clients.append((endpoint, _new_client(endpoint, self._concurrency)))
        return self._clients[-1][1]


def _milliseconds(seconds: float) -> float:
    """To the microsecond: further digits say nothing, and would fill tables."""
    return round(seconds * 1000, 3)


def _new_client(endpoint: Endpoint, concurrency: int) -> AsyncOpenAI:
    loopback = urlsplit(endpoint.base_url).hostname in ("127.0.0.1", "localhost", "::1")
    limits = httpx2.Limits(
        max_connections=concurrency + 1, max_keepalive_connections=concurrency + 1, keepalive_expiry=KEEPALIVE_S
    )
    http_client = DefaultAioHttpClient(
        limits=limits,
        timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S),
        trust_env=not loopback,  # a proxy of the environment is not for this host's own engines
    )
    return AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key,
        max_retries=0,
        timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S),
        http_client=http_client,
        default_headers={"Accept-Encoding": "identity"},  # compressing a few tokens costs more than it saves
    )


async def _read(response: httpx2.Response, on_progress: Callable[[], None]) -> Reply:
    chunks = response.aiter_bytes()
    # Some servers answer a streaming request with one object, and say so.
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        return await read_object(chunks)
    reply = await read_events(chunks, on_progress)
    if reply.cut_off:
        return reply
    if reply.done:
        # A connection is kept only when its response was read to the end.
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                async for _ in chunks:
                    pass
        return reply
    if not reply.started:
        raise RequestFailed("malformed", "the stream holds no events")
    framed = "transfer-encoding" in response.headers or "content-length" in response.headers
    if reply.finish_reason is None and not framed:
        raise RequestFailed("connection", "the stream ended in the middle of an answer")
    return reply


def _status_failure(error: APIStatusError) -> RequestFailed:
    body = error.body
    message = body.get("message") if isinstance(body, dict) else body
    headers = error.response.headers
    return RequestFailed(
        "status",
        str(message or "")[:2000],
        status=error.status_code,
        retry_after_s=retry_after_s(headers.get("retry-after"), headers.get("retry-after-ms")),
    )


def _deepest(error: BaseException) -> str:
    """What lies at the bottom of a chain of wrapped errors: the one that says what happened."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__
