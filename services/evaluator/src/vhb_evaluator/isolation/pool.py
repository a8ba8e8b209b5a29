"""The workers of an evaluator: one for each metric and its options, kept warm for a while."""

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.isolation.code import Files, MetricCode
from vhb_evaluator.isolation.exchange import Reply
from vhb_evaluator.isolation.places import Places
from vhb_evaluator.isolation.worker import Worker, WorkerDied
from vhb_evaluator.settings import EvaluatorSettings
from vhb_shared.contracts.metric_entry import MetricEntry
from vhb_shared.environments.base import Environment, EnvironmentFailed, EnvironmentSpec
from vhb_shared.errors import Unavailable

log = structlog.get_logger(__name__)

STARTS = 3
"""Workers that one batch is tried with: a death may be an accident once, not three times."""
_LATER = 10
"""Times that packages may be out of reach before a run fails."""
_REMEMBERED_S = 60.0
"""A failure is told again for this long without trying: many shards meet it."""


@dataclass
class _Slot:
    """A metric with its options."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    worker: Worker | None = None
    failed: str = ""
    failed_at: float = 0
    later: int = 0


class WorkerPool:
    """Starts workers when they are wanted and ends those that nobody wants; `async with`.

    Args:
        settings: of the evaluator.
        files: where the code of metrics is read.
    """

    def __init__(self, settings: EvaluatorSettings, files: Files) -> None:
        self._settings = settings
        self._places = Places(settings, MetricCode(files, settings.environments / "metric-code"))
        self._slots: dict[str, _Slot] = {}
        self._tidying: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "WorkerPool":
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._tidying is not None:
            self._tidying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._tidying
        workers = [slot.worker for slot in self._slots.values() if slot.worker is not None]
        await asyncio.gather(*(worker.end() for worker in workers))

    async def score(self, entry: MetricEntry, options: Mapping[str, Any], body: bytes) -> Reply:
        """The reply of the metric's worker to a batch.

        Raises:
            EvaluationFailed: the metric cannot be run, hung, or died again and again.
            Unavailable: its packages cannot be fetched now.
        """
        if self._tidying is None:
            self._tidying = asyncio.create_task(self._tidy(), name="tidy metric workers")
            await self._places.reap()
        slot = self._slots.setdefault(json.dumps([entry.digest, dict(options)], sort_keys=True), _Slot())
        async with slot.turn:
            if slot.failed and time.monotonic() - slot.failed_at < _REMEMBERED_S:
                raise EvaluationFailed(slot.failed)
            try:
                return await self._asked(slot, entry, options, body)
            except EvaluationFailed as error:
                slot.failed, slot.failed_at = str(error), time.monotonic()
                raise

    async def _asked(self, slot: _Slot, entry: MetricEntry, options: Mapping[str, Any], body: bytes) -> Reply:
        died = WorkerDied("")
        for _ in range(STARTS):
            try:
                worker = await self._worker(slot, entry, options)
                return await worker.score(body)
            except TimeoutError:
                await self._end(slot)
                raise EvaluationFailed(
                    f"metric {entry.name!r} gave no scores for a batch within {entry.timeout_s:g} s and was ended: "
                    "raise `timeout_s` of its entry, or mend it"
                ) from None
            except WorkerDied as error:
                died = error
                await self._end(slot)
                log.warning("metric_worker_died", metric=entry.name, how=str(error))
                if error.out_of_memory:
                    raise EvaluationFailed(
                        f"metric {entry.name!r} ran out of memory: raise `resources: memory_gib` of its entry"
                    ) from error
        raise EvaluationFailed(f"the process of metric {entry.name!r} died {STARTS} times, the last time it {died}")

    async def _worker(self, slot: _Slot, entry: MetricEntry, options: Mapping[str, Any]) -> Worker:
        if slot.worker is not None:
            if await slot.worker.alive():
                return slot.worker
            await self._end(slot)
        await self._make_room()
        environment, spec = await self._prepared(slot, entry, options)
        try:
            slot.worker = await Worker.start(entry, environment, spec)
        except EnvironmentFailed as error:
            raise self._passed_on(slot, entry, error) from error
        log.info("metric_worker_ready", metric=entry.name, version=entry.full_version)
        return slot.worker

    async def _prepared(
        self, slot: _Slot, entry: MetricEntry, options: Mapping[str, Any]
    ) -> tuple[Environment, EnvironmentSpec]:
        environment = self._places.get(entry.environment)
        spec = await self._places.spec(entry, options)
        problem = await environment.problem()
        if problem is not None:
            raise EvaluationFailed(f"metric {entry.name!r} cannot run here: {problem}")
        try:
            prepared = await environment.prepare(
                spec, lambda line: log.info("metric_environment", metric=entry.name, progress=line)
            )
        except EnvironmentFailed as error:
            raise self._passed_on(slot, entry, error) from error
        slot.later = 0
        return environment, prepared

    def _passed_on(self, slot: _Slot, entry: MetricEntry, error: EnvironmentFailed) -> Exception:
        slot.later += 1
        if error.failure.retryable and slot.later <= _LATER:
            return Unavailable(error.failure.message)
        slot.later = 0
        return EvaluationFailed(f"metric {entry.name!r} cannot run: {error.failure.message}")

    async def installed(self, entry: MetricEntry) -> dict[str, Any]:
        """What is really there for a metric, as JSON.

        Raises: as `score`.
        """
        environment, spec = await self._prepared(_Slot(later=_LATER), entry, entry.options)
        try:
            found = await environment.installed(spec)
        except EnvironmentFailed as error:
            raise EvaluationFailed(error.failure.message) from error
        about = {"version": entry.full_version, "entry": entry.digest, "environment": entry.environment}
        return about | found.model_dump(mode="json", exclude_none=True)

    async def _make_room(self) -> None:
        idle = [slot for slot in self._slots.values() if slot.worker is not None and not slot.turn.locked()]
        count = sum(slot.worker is not None for slot in self._slots.values())
        if idle and count >= self._settings.metric_workers:
            await self._end(min(idle, key=lambda slot: slot.worker.used_at if slot.worker is not None else 0))

    async def _end(self, slot: _Slot) -> None:
        worker, slot.worker = slot.worker, None
        if worker is not None:
            await asyncio.shield(worker.end())

    async def _tidy(self) -> None:
        keep = self._settings.metric_idle_s
        while True:
            await asyncio.sleep(max(1.0, keep / 4))
            for key, slot in list(self._slots.items()):
                used = slot.failed_at if slot.worker is None else slot.worker.used_at
                if not slot.turn.locked() and time.monotonic() - used > max(keep, 1.0):
                    del self._slots[key]
                    await self._end(slot)
