"""Server-sent events: what happens, as it happens; one connection for each client, gone on with where it broke off."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from vhb_api.live.hub import Happened, Hub
from vhb_api.rest.context import Context, Ctx, Viewer
from vhb_api.rest.problems import Failed, documented
from vhb_shared.errors import Unavailable

router = APIRouter(tags=["live"], responses=documented())

PIECE = 256 << 10
"""Characters of events that are sent at once: so much waits at most for a client that does not read."""
AT_ONCE = 500
"""Events that are looked at for a client in one turn."""
BEHIND = 5000
"""A client that is further behind is told to look anew instead of hearing everything."""
SEND_S = 20.0
"""How long a client may take to accept what it is sent."""
QUIET_S = 15.0
"""How often something is sent, that both sides notice a broken connection."""
LIFETIME_S = 900.0
"""After so long a client has to come back: its token may have been revoked."""
MOST_CLIENTS = 1000
MOST_OF_A_TOKEN = 50
_LastSeen = Annotated[
    str | None, Header(alias="Last-Event-ID", max_length=20, description="The last `id` that was received.")
]


class _Live(StreamingResponse):
    """Ends a client that does not accept what it is sent, and any client when the hub closes."""

    def __init__(self, told: AsyncGenerator[str, None], headers: dict[str, str]) -> None:
        super().__init__(told, media_type="text/event-stream", headers=headers)
        self._told = told

    async def stream_response(self, send: Send) -> None:
        async def sending(message: Message) -> None:
            async with asyncio.timeout(SEND_S):
                await send(message)

        try:
            with suppress(TimeoutError):
                await super().stream_response(sending)
        finally:
            await self._told.aclose()


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={200: {"description": "Server-sent events", "content": {"text/event-stream": {}}}},
)
async def stream(
    context: Ctx,
    who: Viewer,
    job_id: Annotated[str | None, Query(max_length=80, description="Only this job, with its live progress.")] = None,
    logs: Annotated[bool, Query(description="With `job_id`: what engines and services write of it, too.")] = False,
    after: Annotated[int | None, Query(ge=0, le=2**62, description="As Last-Event-ID.")] = None,
    last_seen: _LastSeen = None,
) -> StreamingResponse:
    """What happens from now on, or from the last seen event on.

    `event: event` is an event, as in `/jobs/JOB_ID/events`; `shards`: how many shards each run has completed since;
    `live`: the latest word of what the job does now; `log`: lines of its logs, those that are known at first and
    fresh ones from then on; `reset`: too much was missed, look at lists anew. Where an `id`
    is sent, a client that comes back with it goes on there.
    """
    if last_seen is not None and not (last_seen.isascii() and last_seen.isdecimal()):
        raise Failed(400, "Last-Event-ID: expected the id of an event that was received.")
    if not context.ready:
        raise Failed(503, "The database is being brought up to date.", headers={"Retry-After": "5"})
    if context.clients.total() >= MOST_CLIENTS or context.clients[who.token_id] >= MOST_OF_A_TOKEN:
        raise Failed(429, "Too many clients watch already.", headers={"Retry-After": "30"})
    place = int(last_seen) if last_seen is not None else after
    # From now on, and not from when the response begins. A place beyond the floor is of another stream.
    floor = context.hub.floor
    at = floor if place is None or place > floor else place
    told = _counted(_told(context.hub, job_id, at, logs=logs), context, who.token_id)
    headers = {"X-Accel-Buffering": "no"}
    return _Live(told, headers)


async def _counted(told: AsyncIterator[str], context: Context, token_id: str) -> AsyncGenerator[str, None]:
    context.clients[token_id] += 1
    context.measures.clients.inc()
    try:
        async for text in told:
            yield text
    finally:
        context.clients[token_id] -= 1
        context.measures.clients.dec()


async def _told(hub: Hub, job_id: str | None, at: int, *, logs: bool = False) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    version = 0
    lines_told: int | None = None
    yield "retry: 2000\n\n"
    said_at = loop.time()
    until = said_at + LIFETIME_S
    while not hub.closed and loop.time() < until:
        text = ""
        if hub.floor - at > BEHIND:
            text += _message("reset", json.dumps({"from": at, "to": hub.floor}), hub.floor)
            at = hub.floor
        try:
            found = await hub.after(at, AT_ONCE)
        except Unavailable:
            found = []
        if found:
            said, at = _events(found, job_id)
            text += said
        if job_id is not None and hub.board.version > version:
            news = hub.board.since(job_id, version)
            version = hub.board.version
            text += _message("live", news.model_dump_json(), at) if not news.empty else ""
        if logs and job_id is not None and hub.logs.version != lines_told:
            lines, place = hub.logs.since(job_id, lines_told or 0)
            if lines or lines_told is None:
                data = {"first": lines_told is None, "lines": [line.model_dump() for line in lines]}
                text += _message("log", json.dumps(data, ensure_ascii=False))
            lines_told = place
        if not text and loop.time() - said_at > QUIET_S:
            text = f"id: {at}\n\n"  # nothing happens in a client, but it knows its place
        if text:
            said_at = loop.time()
            yield text
        # One turn for each tick, however much there is: that is what keeps a browser from being swamped.
        await hub.tick()


def _events(found: Sequence[Happened], job_id: str | None) -> tuple[str, int]:
    """Events in order as far as one piece goes, those of shards summed up until the next other one comes; and the place
    up to which they are said."""
    text: list[str] = []
    size = 0
    shards: dict[str, list[int]] = {}
    place = 0

    def sum_up() -> None:
        if shards:
            completed = {run_id: len(numbers) for run_id, numbers in shards.items()}
            text.append(_message("shards", json.dumps({"completed": completed, "shards": shards}), place))
            shards.clear()

    for one in found:
        if job_id is None or one.job_id == job_id:
            if one.shard is not None and one.run_id is not None:
                shards.setdefault(one.run_id, []).append(one.shard)
            else:
                sum_up()
                text.append(_message("event", one.json, one.seq))
                size += len(text[-1])
        place = one.seq
        if size > PIECE:
            break
    sum_up()
    return "".join(text), place


def _message(kind: str, data: str, place: int | None = None) -> str:
    # JSON of ours has no line breaks outside of its texts, and there they are escaped.
    return (f"id: {place}\n" if place is not None else "") + f"event: {kind}\ndata: {data}\n\n"
