"""What an engine says while it runs, told to those who watch its jobs; its last words are stored.

Read about once a second, in a task of its own: whatever happens here, the session goes on.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import structlog

from vhb_inference_agent.backends.warming import WarmupReader
from vhb_inference_agent.telemetry.rows import Names
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.contracts.live import BackendWarmup, Live, LogLine, LogLines
from vhb_shared.environments.base import Environment, EnvironmentHandle
from vhb_shared.log_text import clean_line, level_of, lines_of
from vhb_shared.logging import register_secret, without_secrets
from vhb_shared.redaction import is_secret_name
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

log = structlog.get_logger(__name__)

READ_EVERY_S = 1.0
MOST_LINES = 100
"""Told in a second; the last ones are told, those before them are counted."""
MOST_CHARACTERS = 24_000
"""Told in a second: a message stays below 64 KB whatever the characters are."""
KEPT_CHARACTERS = 256 << 10
"""Of the last words that are stored."""
STORE_EVERY_S = 10.0
"""So much of the log a kill -9 of the agent may cost."""
STORE_PATIENCE_S = 5.0
SAY_WARMUP_EVERY_S = 5.0
"""Also when nothing has changed: who watches sees that it goes on."""


class EngineVoice:
    """`async with` it around a session.

    Args:
        names: of the session.
        model: what it serves; values of its secrets are hidden.
        store: where its last words go.
        emit: publishes a live message.
        jobs: those that are told, just now.
    """

    def __init__(
        self,
        names: Names,
        model: ModelEntry,
        store: ObjectStore,
        emit: Callable[[Live], Awaitable[None]],
        jobs: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self.jobs = jobs
        self._names, self._store, self._emit = names, store, emit
        self._warmup = WarmupReader()
        self._ready = False
        self._began = time.monotonic()
        self._said: tuple[object, ...] = ()
        self._said_at = float("-inf")
        self._place = self._begun = ""
        self._program: tuple[Environment, EnvironmentHandle] | None = None
        self._kept: deque[str] = deque()
        self._kept_characters = 0
        self._unstored = False
        self._stored_at = time.monotonic()
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        for name in (*model.pass_env, *([model.api_key_env] if model.api_key_env else ())):
            register_secret(os.environ.get(name))
        for name, value in model.env.items():
            if is_secret_name(name):
                register_secret(value)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow(), name=f"voice of {self._names.model}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.store()

    def prepares(self, line: str) -> None:
        """Its place is made ready; a line for people."""
        self._warmup.preparing(_shown(line))

    def attach(self, environment: Environment, handle: EnvironmentHandle) -> None:
        """A program runs: it is listened to from its first line on."""
        self._program, self._place = (environment, handle), ""
        self._warmup.started()

    async def detach(self) -> None:
        """It is about to go: what it said last is read. Raises nothing."""
        with suppress(Exception):
            await self.listen()
            await self.listen()  # and what it began to write
        self._program = None

    def ready(self) -> None:
        """It answers; how it came to that is stored soon."""
        self._ready = True
        self._stored_at = float("-inf")

    async def listen(self) -> None:
        """Reads and tells what is new."""
        async with self._reading:
            if self._program is None:
                return
            environment, handle = self._program
            output = await environment.output(handle, self._place)
            self._place = output.place
            if output.left_out:
                self._begun = ""  # its end is among what was left out
            fresh = [_shown(line) for line in lines_of(self._whole(output.text))]
            if not fresh and not output.left_out:
                return
            self._keep(fresh, output.left_out)
            if not self._ready:
                self._warmup.see(fresh)
            await self._tell(fresh, output.left_out)

    async def store(self) -> None:
        """Stores the last words, as far as storage makes haste. Raises nothing."""
        if not self._unstored:
            return
        self._unstored, self._stored_at = False, time.monotonic()
        names = self._names
        key = layout.engine_log(names.backend_id, names.replica, names.session)
        try:
            async with asyncio.timeout(STORE_PATIENCE_S):
                await self._store.put(key, "".join(f"{line}\n" for line in self._kept).encode())
        except Exception as error:  # told live; the session does not wait for its log
            self._unstored = True
            log.debug("engine_log_not_stored", error=repr(error))

    async def _follow(self) -> None:
        while True:
            try:
                await self.listen()
                await self._say_warmup()
                if time.monotonic() - self._stored_at > STORE_EVERY_S:
                    await self.store()
            except Exception as error:  # listening must not end the session, nor itself
                log.debug("voice_failed", error=repr(error))
            await asyncio.sleep(READ_EVERY_S)

    def _whole(self, text: str) -> str:
        """Whole lines; what is begun only waits for its end, or for a look at which nothing was added."""
        begun = self._begun + text
        all_of_it = not text or len(self._begun) > MOST_CHARACTERS
        end = len(begun) if all_of_it else max(begun.rfind("\n"), begun.rfind("\r")) + 1
        self._begun = begun[end:]
        return begun[:end]

    def _keep(self, fresh: Sequence[str], left_out: int) -> None:
        self._unstored = True
        for line in (*([_gap(left_out)] if left_out else ()), *fresh):
            self._kept.append(line)
            self._kept_characters += len(line)
        while self._kept_characters > KEPT_CHARACTERS:
            self._kept_characters -= len(self._kept.popleft())

    async def _tell(self, fresh: Sequence[str], left_out: int) -> None:
        told: list[LogLine] = []
        room, now = MOST_CHARACTERS, time.time()
        for line in reversed(fresh[-MOST_LINES:]):
            room -= len(line)
            if room < 0:
                break
            told.insert(0, LogLine(at=round(now, 3), level=level_of(line), text=line))
        missed = left_out + len(fresh) - len(told)
        for job_id in self.jobs():
            await self._emit(
                LogLines(
                    job_id=job_id, source="engine", name=self._names.model, session=self._names.session,
                    lines=tuple(told), left_out=missed,
                )
            )  # fmt: skip

    async def _say_warmup(self) -> None:
        warmup, now = self._warmup, time.monotonic()
        said = (warmup.phase, warmup.fraction, warmup.detail)
        if self._ready or (said == self._said and now - self._said_at < SAY_WARMUP_EVERY_S):
            return
        self._said, self._said_at = said, now
        names = self._names
        for job_id in self.jobs():
            await self._emit(
                BackendWarmup(
                    job_id=job_id, backend_id=names.backend_id, model=names.model, agent_id=names.agent_id,
                    replica=names.replica, session=names.session, phase=warmup.phase, fraction=warmup.fraction,
                    seconds=round(now - self._began, 1), detail=warmup.detail,
                )
            )  # fmt: skip


def _shown(line: str) -> str:
    # Secrets first: one that is cut in two is not known any more.
    return clean_line(without_secrets(line[:8000]))


def _gap(lines: int) -> str:
    return f"... {lines} lines left out ..."
