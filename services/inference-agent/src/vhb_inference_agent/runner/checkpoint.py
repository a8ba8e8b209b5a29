"""What is already answered of a shard in flight, kept so that a kill or the loss of the host costs no answers twice."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from vhb_inference_agent.runner.checkpoint_log import CheckpointLog, Entry, entries, log_path, read_logs
from vhb_inference_agent.runner.pause import Pause
from vhb_shared.contracts.commands import InferShard
from vhb_shared.contracts.results import Answer
from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

T = TypeVar("T")
SYNC_EVERY_S = 0.01
UPLOAD_EVERY_S = 1.0


class Checkpoint:
    """A local log (survives a kill of the agent from the moment `add` returns, a loss of power some ten milliseconds
    later) and segments of it in storage about every second (survive the loss of the host).

    Args:
        folder: of local logs; the agents of one host share it, so that each finds what another one left.
        agent_id: names our log in it.
        store: where segments go.
        pause: waits out full disks and silent storage.
        executor: where the log is written and synchronised, apart from slower work in threads.
        work: which shard and attempt.
        round: of the job; recorded with each answer.
    """

    def __init__(
        self,
        folder: Path,
        agent_id: str,
        store: ObjectStore,
        pause: Pause,
        executor: Executor,
        work: InferShard,
        round: int,
    ) -> None:
        self._folder = folder
        self._log = CheckpointLog(log_path(folder, work.run_id, work.shard, agent_id))
        self._store = store
        self._pause = pause
        self._executor = executor
        self._work = work
        self._round = round
        self._unwritten: list[bytes] = []
        self._writing = asyncio.Lock()
        self._unsynced = asyncio.Event()
        self._to_upload: list[bytes] = []
        self._writer = uuid.uuid4().hex[:8]  # another process may hold the same attempt: keys are never shared
        self._background: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Checkpoint":
        self._background = [asyncio.create_task(self._sync_always()), asyncio.create_task(self._upload_always())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._blocking(self._log.close)

    async def load(self) -> list[Entry]:
        """What earlier attempts at this shard answered, here or on a host that is gone, the latest last."""
        prefix = layout.checkpoint_shard_prefix(self._work.run_id, self._work.shard)

        async def download() -> list[Entry]:
            found: list[Entry] = []
            async for info in self._store.list(prefix):
                with suppress(NotFound):
                    found.extend(entries(await self._store.get(info.key)))
            return found

        uploaded = await self._pause.until_done(self._work.job_id, "reading checkpoints from storage", download)
        return uploaded + await self._blocking(lambda: read_logs(self._folder, self._work.run_id, self._work.shard))

    async def add(self, answer: Answer) -> None:
        """Keeps an answer; returns when a kill cannot lose it. Answers that come together are written together."""
        line = Entry(round=self._round, answer=answer).line()
        self._unwritten.append(line)
        async with self._writing:
            if not self._unwritten:
                return  # whoever held the lock before wrote it
            batch, self._unwritten = self._unwritten, []
            data = b"".join(batch)
            await self._pause.until_done(
                self._work.job_id, "writing the checkpoint", lambda: self._blocking(lambda: self._log.append(data))
            )
            self._to_upload.append(data)
            self._unsynced.set()

    async def _sync_always(self) -> None:
        while True:
            await self._unsynced.wait()
            await asyncio.sleep(SYNC_EVERY_S)
            self._unsynced.clear()
            await self._pause.until_done(
                self._work.job_id, "writing the checkpoint", lambda: self._blocking(self._log.sync)
            )

    async def _upload_always(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(UPLOAD_EVERY_S)
            if not self._to_upload:
                continue
            batch, self._to_upload = self._to_upload, []
            key = layout.checkpoint_segment(
                self._work.run_id, self._work.shard, self._work.attempt, f"{number:06d}-{self._writer}"
            )
            number += 1
            await self._pause.until_done(
                self._work.job_id, "writing checkpoints to storage", _upload(self._store, key, b"".join(batch))
            )

    async def _blocking(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def _upload(store: ObjectStore, key: str, data: bytes) -> Callable[[], Awaitable[None]]:
    return lambda: store.put(key, data)
