"""From publishing an event to its handler on the running stack, through the product's own subscriptions."""

import asyncio
import tempfile
import time
from pathlib import Path

from bench.figures import Figures, quantile
from bench.workload import running_stack
from vhb.connect import connected, of_stack
from vhb.embedded.workdir import Workdir
from vhb_shared.bus.connection import make_broker
from vhb_shared.bus.handling import subscribe
from vhb_shared.bus.provision import ensure_consumer
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.events import BackendStopped
from vhb_shared.contracts.topology import Consumer

EVENTS = 600
PER_SECOND = 40


def measure() -> Figures:
    """Quantiles over all events."""
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder) / "work"):
        seconds = asyncio.run(_latencies(Path(folder) / "work"))
    shares = (0.5, 0.9, 0.99, 1.0)
    return Figures(
        name="event_latency",
        title=f"From event to handler, {PER_SECOND} events a second",
        goal="Goal: p50 2 ms, p99 10 ms.",
        columns=("p50, ms", "p90, ms", "p99, ms", "most, ms"),
        rows=[tuple(f"{quantile(seconds, share) * 1000:.1f}" for share in shares)],
        note="Stored by JetStream (file storage), fetched by a durable pull consumer, parsed, handled.",
    )


async def _latencies(workdir: Path) -> list[float]:
    address = Workdir(workdir).running()
    assert address is not None
    to = of_stack(address)
    sent: dict[str, float] = {}
    seconds: list[float] = []
    over = asyncio.Event()
    consumer = Consumer(
        stream=topology.EVENTS, durable="bench--latency", subject=subjects.event("bench", BackendStopped.what)
    )

    async def handle(event: BackendStopped) -> None:
        seconds.append(time.perf_counter() - sent[event.session])
        if len(seconds) == EVENTS:
            over.set()

    async with connected(to) as connection:
        await ensure_consumer(connection.bus.js, consumer)
        broker = make_broker(to[0], "bench", graceful_timeout_s=5)
        subscribe(broker, connection.bus, consumer, BackendStopped, handle)
        await broker.start()
        for number in range(EVENTS):
            session = f"{number:06d}"
            event = BackendStopped(
                job_id="bench", backend_id="b", model="m", agent_id="a", replica=0, session=session, reason="bench"
            )
            sent[session] = time.perf_counter()
            await connection.bus.publish(event)
            await asyncio.sleep(1 / PER_SECOND)
        async with asyncio.timeout(10):
            await over.wait()
        await broker.stop()
    return seconds
