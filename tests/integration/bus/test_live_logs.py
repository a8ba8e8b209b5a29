"""Log records about a job reach those who watch it, and only these; logging never waits."""

import asyncio
import time
from pathlib import Path

import structlog

from vhb_shared.bus.live_logs import MOST_LINES, LiveLogs
from vhb_shared.contracts import subjects
from vhb_shared.contracts.live import LogLines
from vhb_shared.logging import configure_logging
from vhb_shared.settings import LogSettings
from vhb_shared.testing.nats_server import provisioned_bus, running_server


async def test_records_about_a_job_are_told_and_counted_where_they_are_too_many(tmp_path: Path) -> None:
    configure_logging(LogSettings(), "scheduler")
    log = structlog.stdlib.get_logger("test")
    heard: list[LogLines] = []

    async def note(message: object) -> None:
        heard.append(LogLines.model_validate_json(message.data))  # type: ignore[attr-defined]

    async with running_server(tmp_path / "nats") as server, provisioned_bus(server) as bus:
        await bus.nc.subscribe(subjects.ALL_LIVE, cb=note)
        await bus.nc.flush()
        async with LiveLogs(bus, "scheduler") as logs:
            logs.jobs_of = lambda backend_id: ("j2",) if backend_id == "b" else ()
            log.info("of nobody", agent="x")
            log.debug("too small", job_id="j1")
            log.warning("shards_requeued", run_id="j1-0", password="hidden word", shards=3)
            await asyncio.to_thread(log.info, "from a thread", backend_id="b", seconds=12.3456789, share=0.00012345)
            with structlog.contextvars.bound_contextvars(job="j3"):
                try:
                    raise ValueError("broken\nin two lines")
                except ValueError:
                    log.exception("handler_failed")
            async with asyncio.timeout(20):
                while {said.job_id for said in heard} < {"j1", "j2", "j3"}:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            told = {said.job_id: [(line.level, line.text) for line in said.lines] for said in heard}
            assert told["j1"][0][0] == "warning" and told["j1"][0][1].startswith("shards_requeued")
            assert "shards=3" in told["j1"][0][1] and "hidden word" not in told["j1"][0][1]
            assert told["j2"] == [("info", "from a thread backend_id=b seconds=12.346 share=0.000123")]
            assert told["j3"][0][0] == "error" and "ValueError: broken ⏎ in two lines" in told["j3"][0][1]
            assert set(told) == {"j1", "j2", "j3"} and {said.source for said in heard} == {"scheduler"}
            heard.clear()
            began = time.thread_time()
            for n in range(2000):
                log.info("flood", job_id="j4", n=n)
            assert (time.thread_time() - began) / 2000 < 0.002
            async with asyncio.timeout(20):
                while sum(len(said.lines) + said.left_out for said in heard) < 2000:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert sum(len(said.lines) + said.left_out for said in heard) == 2000
            assert max(len(said.lines) for said in heard) <= MOST_LINES
            assert heard[-1].lines[-1].text == "flood n=1999"
