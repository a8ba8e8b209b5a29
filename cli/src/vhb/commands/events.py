"""`vhb events`: the event stream, one CloudEvent a line."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vhb.connect import DEFAULT_WORKDIR, Server, WorkdirOption

if TYPE_CHECKING:
    from nats.aio.msg import Msg

LOOK_EVERY_S = 5.0


def events(
    job_id: Annotated[str | None, typer.Argument(metavar="JOB_ID", help="A job; default: all.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", metavar="", help="Keep printing as events happen.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="One CloudEvent (structured JSON) a line.")
    ] = False,
    server: Server = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Print the events of one job, or of all, oldest first."""
    asyncio.run(_events(job_id, follow, as_json, server, workdir))


async def _events(job_id: str | None, follow: bool, as_json: bool, server: str | None, workdir: Path) -> None:
    from vhb.connect import connected, settings
    from vhb_shared.bus.history import stored
    from vhb_shared.bus.knowing import known_job
    from vhb_shared.contracts import subjects, topology
    from vhb_shared.errors import Unavailable

    async with connected(settings(server, workdir)) as connection:
        if job_id is not None and not follow:
            await known_job(connection.states, job_id)
        subject = subjects.events_of_job(job_id) if job_id else subjects.ALL_EVENTS
        news = asyncio.Event()

        async def heard(_: "Msg") -> None:
            news.set()

        if follow:
            await connection.bus.nc.subscribe(subject, cb=heard)
        last = 0
        while True:
            try:
                async for number, message in stored(connection.bus.nc, topology.EVENTS, subject, last):
                    last = number
                    print(_json_line(message) if as_json else _text_line(message), flush=True)
            except Unavailable:
                if not follow:
                    raise
            if not follow:
                return
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # Ctrl-C at the very moment of a reply: wait_for of Python 3.11 gives the reply and forgets the rest.
                raise asyncio.CancelledError
            # What was heard is a hint: after an outage nothing is, so it looks every few seconds anyway.
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await news.wait()
            news.clear()


def _json_line(message: "Msg") -> str:
    """The CloudEvent in JSON: attributes beside `data`."""
    headers = message.headers or {}
    attributes: dict[str, Any] = {key[3:]: value for key, value in headers.items() if key.startswith("ce-")}
    body = json.loads(message.data)
    return json.dumps(attributes | {"datacontenttype": "application/json", "data": body}, ensure_ascii=False)


def _text_line(message: "Msg") -> str:
    headers = message.headers or {}
    _, _, job_id, what = message.subject.split(".", 3)
    data = json.loads(message.data)
    said = [str(data[key]) for key in ("name", "model", "reason") if data.get(key)]
    if data.get("shard") is not None:
        said.append(f"shard {data['shard']}")
    if data.get("counts"):
        said.append(", ".join(f"{count} {outcome}" for outcome, count in data["counts"].items() if count))
    if data.get("failure"):
        said.append(data["failure"]["message"])
    said += data.get("problems") or []
    # One event, one line, and nothing in it that a terminal would act on.
    detail = "".join(char if char.isprintable() else " " for char in "; ".join(filter(None, said)))
    return f"{headers.get('ce-time', '')[:19]}  {job_id}  {what:<26} {detail[:300]}".rstrip()
