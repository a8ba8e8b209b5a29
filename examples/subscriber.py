"""An outside system that follows results: nats-py alone, nothing of VLMHyperBench is imported.

    vhb up                                            # in one terminal
    python examples/subscriber.py                     # in another
    python examples/subscriber.py --durable my-board  # goes on where it stopped, also after a restart

It prints a line for each run and job that ends, with the headline metrics. Events come at least once: a repeat has the
same `ce-id` and is dropped here. docs/events.md says what each event holds.
"""

import argparse
import asyncio
import json
import os
import signal
from collections import OrderedDict
from pathlib import Path
from typing import Any

import nats
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

STREAM = "VHB_EVENTS"
ENDS = ("run.evaluation.completed", "run.inference.failed", "run.evaluation.failed",
        "job.rejected", "job.completed", "job.failed", "job.cancelled")  # fmt: skip
REMEMBERED = 10_000


class Seen:
    """The ids of the latest events. A system that stores results keeps the ids beside them instead."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def is_repeat(self, event_id: str) -> bool:
        """Whether it was there before; remembers it."""
        if event_id in self._ids:
            return True
        self._ids[event_id] = None
        if len(self._ids) > REMEMBERED:
            self._ids.popitem(last=False)
        return False


def describe(what: str, data: dict[str, Any]) -> str:
    """One line for people."""
    counts = ", ".join(f"{number} {outcome}" for outcome, number in (data.get("counts") or {}).items() if number)
    # Runs of a job are listed up to a bound; `runs_total` says how many there are.
    runs = [_scores(run["name"], run["metrics"]) for run in data.get("runs", ()) if run.get("metrics")]
    if what == "run.evaluation.completed":
        return f"{_scores(data['name'], data['metrics'])} ({counts})"
    reason = data.get("reason") or "; ".join(data.get("problems", ())) or (data.get("failure") or {}).get("message")
    return " | ".join(part for part in (f"{data['name']} ({counts})", reason, *runs) if part)


def _scores(name: str, metrics: list[dict[str, Any]]) -> str:
    values = [f"{m['metric']} {m['value']:.4f}" for m in metrics if m["value"] is not None]
    return f"{name}: {', '.join(values) or 'no score'}"


def handle(message: Msg, seen: Seen) -> None:
    """Prints what ended. Attributes of a CloudEvent in binary mode are headers, its data is the payload."""
    headers = message.headers or {}
    _, _, job_id, what = message.subject.split(".", 3)
    if what in ENDS and not seen.is_repeat(headers["ce-id"]):
        print(f"{headers['ce-time'][:19]}  {job_id}  {what}  {describe(what, json.loads(message.data))}", flush=True)


async def follow(js: JetStreamContext, durable: str | None, job_id: str | None) -> None:
    """Reads events for ever. Without `durable` from the first one that is stored, with it from where it stopped."""
    # Deep enough to survive a reader that was away; unnamed consumers go away by themselves.
    config = ConsumerConfig(
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.ALL,
        inactive_threshold=None if durable else 300,
    )
    subject = f"vhb.events.{job_id or '*'}.>"
    subscription = await js.pull_subscribe(subject, durable=durable, stream=STREAM, config=config)
    seen = Seen()
    while True:
        try:
            messages = await subscription.fetch(64, timeout=5)
        except TimeoutError:
            continue  # nothing happened, or the server is away: the connection comes back by itself
        for message in messages:
            handle(message, seen)
            # Only now: whoever dies before this gets the event again.
            await message.ack()


def address(workdir: Path) -> tuple[str, Path | None]:
    """Where the bus is: VHB_NATS_URL and VHB_NATS_CREDS, else the `vhb up` that runs in `workdir`."""
    if url := os.environ.get("VHB_NATS_URL"):
        creds = os.environ.get("VHB_NATS_CREDS")
        return url, Path(creds) if creds else None
    known = json.loads((workdir / "address.json").read_text())
    return known["nats_url"], Path(known["nats_creds"])


async def main() -> None:
    """Follows until it is interrupted."""
    parser = argparse.ArgumentParser(description="Prints runs and jobs of VLMHyperBench as they end.")
    parser.add_argument("--workdir", type=Path, default=Path(".vhb"), help="the one given to `vhb up`")
    parser.add_argument("--durable", help="a name; the server remembers under it what was read")
    parser.add_argument("--job", help="one job only")
    arguments = parser.parse_args()

    try:
        url, creds = address(arguments.workdir)
    except FileNotFoundError:
        raise SystemExit(f"No stack runs in {arguments.workdir}; start `vhb up`, or set VHB_NATS_URL.") from None
    login = json.loads(creds.read_text()) if creds else {}

    async def lost() -> None:
        if not client.is_closed:
            print("connection lost, waiting for the server", flush=True)

    async def back() -> None:
        print("connected again", flush=True)

    async def ignore(error: Exception) -> None:
        """Else nats-py prints a traceback for each attempt to connect; what matters is said above."""

    client = await nats.connect(
        url,
        name="subscriber",
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,
        disconnected_cb=lost,
        reconnected_cb=back,
        error_cb=ignore,
        **{key: login[key] for key in ("user", "password", "inbox_prefix") if key in login},
    )
    print(f"following {url}", flush=True)
    reader = asyncio.current_task()
    assert reader is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, reader.cancel)
    try:
        while True:
            try:
                await follow(client.jetstream(), arguments.durable, arguments.job)
            except (NatsError, NotFoundError, TimeoutError, OSError) as error:
                # The server is away, or forgot our consumer: begin again; what was read already is dropped as a repeat.
                print(f"reading again: {error or type(error).__name__}", flush=True)
                await asyncio.sleep(1)
    except asyncio.CancelledError:
        print("stopped", flush=True)
    finally:
        await client.close()


if __name__ == "__main__":
    asyncio.run(main())
