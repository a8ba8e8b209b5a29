"""One worker: started, ready, asked, ended."""

import asyncio
import contextlib
import time

import structlog

from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.isolation.exchange import Reply, exchange
from vhb_shared.contracts.metric_entry import MetricEntry
from vhb_shared.environments.base import Environment, EnvironmentFailed, EnvironmentHandle, EnvironmentSpec, Exit

log = structlog.get_logger(__name__)
_HEALTH_S = 5.0
_LINES = 8


class WorkerDied(Exception):  # noqa: N818 - a condition; whoever asked starts another one
    """The process ended while it was asked."""

    def __init__(self, words: str, *, out_of_memory: bool = False) -> None:
        super().__init__(words)
        self.out_of_memory = out_of_memory


class Worker:
    """A process that has the metric loaded. Asked by one at a time."""

    def __init__(self, entry: MetricEntry, environment: Environment, handle: EnvironmentHandle) -> None:
        self._entry = entry
        self._environment = environment
        self._handle = handle
        self._address = ""
        self.used_at = time.monotonic()

    @classmethod
    async def start(cls, entry: MetricEntry, environment: Environment, spec: EnvironmentSpec) -> "Worker":
        """Starts what was prepared, and waits until the metric is loaded.

        Raises:
            EnvironmentFailed: it cannot be started.
            EvaluationFailed: the metric cannot be imported, or does not get ready.
            WorkerDied: the process ended.
        """
        worker = cls(entry, environment, await environment.start(spec))
        try:
            async with asyncio.timeout(spec.ready_timeout_s):
                await worker._ready()
        except TimeoutError:
            lines = await worker._last_lines()
            await worker.end()
            raise EvaluationFailed(
                f"metric {entry.name!r} was not loaded within {spec.ready_timeout_s:g} s: raise its "
                f"`ready_timeout_s`, or mend it{lines}"
            ) from None
        except BaseException:
            await asyncio.shield(worker.end())
            raise
        return worker

    async def _ready(self) -> None:
        pause = 0.02
        while True:
            if await self._environment.exit_state(self._handle) is not None:
                raise await self._death()
            self._address = await self._environment.address(self._handle) or ""
            reply = await self._health() if self._address else None
            if reply is not None and reply.status == 200:
                return
            if reply is not None and reply.status == 500:
                raise EvaluationFailed(f"metric {self._entry.name!r} cannot be loaded: {reply.error()}")
            await asyncio.sleep(pause)
            pause = min(0.5, pause * 1.5)

    async def _health(self) -> Reply | None:
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_HEALTH_S):
                return await exchange(self._address, "/health")
        return None

    async def alive(self) -> bool:
        """Whether the process runs."""
        return await self._environment.exit_state(self._handle) is None

    async def score(self, body: bytes) -> Reply:
        """Asks for the scores of a batch.

        Raises:
            TimeoutError: no answer within the entry's time.
            WorkerDied: the process ended; a second attempt with another one may work.
        """
        self.used_at = time.monotonic()
        try:
            async with asyncio.timeout(self._entry.timeout_s):
                return await exchange(self._address, "/score", body)
        except TimeoutError:
            raise
        except OSError as error:
            log.warning("metric_worker_lost", metric=self._entry.name, reason=str(error))
            raise await self._death() from error
        finally:
            self.used_at = time.monotonic()

    async def end(self) -> None:
        """Ends the process. Raises nothing."""
        with contextlib.suppress(EnvironmentFailed):
            await self._environment.stop(self._handle, grace_s=1.0)

    async def _death(self) -> WorkerDied:
        found = Exit()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HEALTH_S):
                found = await self._environment.wait_exit(self._handle)
        return WorkerDied(f"{found.words}{await self._last_lines()}", out_of_memory=found.out_of_memory)

    async def _last_lines(self) -> str:
        lines = [line.strip()[:300] for line in await self._environment.logs(self._handle, _LINES)]
        return f" (last lines: {' / '.join(lines)})" if lines else ""
