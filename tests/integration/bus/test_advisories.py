"""Messages at their last delivery move to the dead letters, on a real server."""

import asyncio

from vhb_shared.bus.advisories import Advisory, DeadLetterMover
from vhb_shared.bus.client import Bus
from vhb_shared.bus.connection import make_broker
from vhb_shared.bus.handling import subscribe
from vhb_shared.bus.provision import ensure_consumer
from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.commands import InferShard
from vhb_shared.testing.nats_server import NatsServer


async def test_a_message_nobody_ever_acknowledged_is_moved(server: NatsServer, bus: Bus) -> None:
    consumer = topology.backend_consumer("b").model_copy(update={"max_deliver": 2, "ack_wait_s": 0.5})
    await ensure_consumer(bus.js, consumer)
    work = InferShard(job_id="j", run_id="j-0", backend_id="b", shard=3, attempt=0)
    await bus.command(subjects.inference("b", "j-0", 3), work, "shard:j-0:0:3:0")
    broker = make_broker(server.settings, "test", graceful_timeout_s=1)
    subscribe(broker, bus, topology.SCHEDULER_ADVISORIES, Advisory, DeadLetterMover(bus).move)
    await broker.start()
    try:
        pull = await bus.js.pull_subscribe_bind(durable=consumer.durable, stream=topology.WORK)
        for _ in range(2):  # delivered, and never acknowledged
            await pull.fetch(1, timeout=5)
        async with asyncio.timeout(20):
            while (await bus.js.stream_info(topology.DLQ)).state.messages == 0:
                # The server notices when it would deliver once more.
                await asyncio.wait_for(asyncio.gather(pull.fetch(1, timeout=0.5), return_exceptions=True), 5)
    finally:
        await broker.stop()
    letter = await bus.js.get_last_msg(topology.DLQ, subjects.dlq(topology.WORK, consumer.durable))
    assert InferShard.model_validate_json(letter.data or b"") == work
    assert letter.headers is not None
    assert "2 times" in letter.headers["vhb-reason"]
    assert letter.headers["vhb-subject"] == subjects.inference("b", "j-0", 3)
    assert (await bus.js.stream_info(topology.WORK)).state.messages == 0
