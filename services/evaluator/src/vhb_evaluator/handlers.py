"""What the evaluator does with a message. Idempotent: everything is written under deterministic keys."""

import asyncio
import io
import tempfile
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import structlog

from vhb_evaluator.collection import ImportedAnswers, Missing, from_part
from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.evaluation import RunEvaluation, StoredShard, read_part, read_samples
from vhb_evaluator.isolation.pool import WorkerPool
from vhb_evaluator.isolation.threads import PooledWorkers
from vhb_evaluator.judgements import StoredJudgements
from vhb_evaluator.local_files import LocalFiles
from vhb_evaluator.metrics.context import MetricContext
from vhb_evaluator.metrics.declared import declared
from vhb_evaluator.metrics.registry import BoundMetric, bind_all
from vhb_evaluator.reuse import note_answers
from vhb_evaluator.sample_images import SampleImages
from vhb_evaluator.scoring import score, score_bound
from vhb_evaluator.threads import threaded
from vhb_shared.contracts.events import (
    RunEvaluationCompleted,
    RunInferenceCompleted,
    RunInferenceFailed,
    RunShardCompleted,
)
from vhb_shared.contracts.job import MetricSpec
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.state import RunState
from vhb_shared.errors import NotFound
from vhb_shared.reuse.count import count_reused
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.cache import Damaged

__all__ = ["EvaluationFailed", "EvaluatorHandlers"]

InferenceEnded = RunInferenceCompleted | RunInferenceFailed

log = structlog.get_logger()

_WINDOW_SAMPLES = 512
_WINDOW_SHARDS = 16
"""Shards fetched at once: hides the storage's latency and bounds what is held."""
_IMPORT_ROWS = 8192
_KEPT_RUNS = 16


class EvaluatorHandlers:
    """Scores committed parts as they come and evaluates runs when their answers are complete.

    Keeps nothing that a kill could lose; any number of evaluators may work at once. All Polars and rapidfuzz work
    runs in worker threads.
    """

    def __init__(
        self,
        store: ObjectStore,
        cache: LocalFiles,
        load_run_state: Callable[[str], Awaitable[RunState]],
        scratch: Path | None = None,
        pool: WorkerPool | None = None,
    ) -> None:
        """Args:
        store: where results are written.
        cache: where inputs are read from.
        load_run_state: gives the current state of a run by its id.
        scratch: an existing folder for temporary files; None for the system's.
        pool: runs metrics that have packages of their own; None where there are none.
        """
        self._store = store
        self._cache = cache
        self._load_run_state = load_run_state
        self._scratch = scratch
        self._pool = pool
        self._runs: OrderedDict[str, tuple[RunSpec, tuple[BoundMetric, ...]]] = OrderedDict()

    async def warm_up(self) -> None:
        """Imports our metrics and runs them once, so that the first shard does not wait for that."""
        await threaded(_score_nothing)

    async def on_shard_completed(self, event: RunShardCompleted) -> None:
        """Scores an answers part ahead of time; does nothing when the run is not to be scored, the part is done, or
        there is no time ahead.

        What goes wrong with the answers or a metric is only logged: `evaluate_run` meets it again and reports it.

        Raises:
            Unavailable: the storage does not answer.
        """
        key = layout.scores_part(event.run_id, event.shard, event.token)
        try:
            run, metrics = await self._run(event.run_id)
            # A run's only shard is scored by `evaluate_run`, which its completion sets off at the same time.
            if not metrics or run.shards == 1 or await self._store.exists(key):
                return
            part = await self._cache.path(layout.answers_part(event.run_id, event.shard, event.token))
            samples = await self._cache.path(layout.dataset_samples(run.dataset.digest))
            data = await threaded(_score_part, run, metrics, samples, part, event.shard)
            await self._store.put(key, data)
        except (EvaluationFailed, NotFound) as error:
            log.warning("part not scored ahead of time", run_id=event.run_id, shard=event.shard, error=str(error))

    async def evaluate_run(self, event: InferenceEnded) -> RunEvaluationCompleted:
        """Collects the run's answers, scores what is not scored yet, aggregates, and writes the run's files.

        Raises:
            EvaluationFailed: it cannot be done; becomes `run.evaluation.failed`.
            Unavailable: the storage does not answer, or the disk is full: try again later.
        """
        run, metrics = await self._run(event.run_id)
        with declared(metric.entry for metric in run.task.metrics):
            return await self._evaluated(event, run, metrics)

    async def _evaluated(
        self, event: InferenceEnded, run: RunSpec, metrics: tuple[BoundMetric, ...]
    ) -> RunEvaluationCompleted:
        samples = await self._input(layout.dataset_samples(run.dataset.digest))
        scratch = await threaded(tempfile.TemporaryDirectory, prefix="vhb-evaluation-", dir=self._scratch)
        try:
            evaluation = await threaded(RunEvaluation, run, metrics, samples, Path(scratch.name))
            if run.answers_key is not None:
                await self._take_imported(run, run.answers_key, evaluation)
            else:
                state = await self._load_run_state(run.run_id)
                await note_answers(run, {**state.keep, **state.committed}, self._optional, self._store)
                await self._take_shards(run, event, evaluation, scored=bool(metrics))
            telemetry = await self._telemetry(run, Path(scratch.name))
            files, headline = await threaded(evaluation.finish, telemetry)
            reused = await threaded(count_reused, pl.scan_parquet(files["answers.parquet"]))
            keys = {name: layout.run_file(run.run_id, name) for name in files}
            await asyncio.gather(*(self._store.put_file(keys[name], path) for name, path in files.items()))
        finally:
            await asyncio.to_thread(scratch.cleanup)
        return RunEvaluationCompleted(
            job_id=event.job_id,
            run_id=event.run_id,
            name=event.name,
            round=event.round,
            announcement=event.announcement,
            counts=evaluation.counts,
            reused=reused,
            metrics=headline,
            artefacts=keys,
        )

    async def _run(self, run_id: str) -> tuple[RunSpec, tuple[BoundMetric, ...]]:
        """The run and its metrics; none when evaluation is not among its stages."""
        if run_id in self._runs:
            self._runs.move_to_end(run_id)
            return self._runs[run_id]
        path = await self._input(layout.run_spec(run_id))
        loop = asyncio.get_running_loop()
        services = MetricContext(
            judgements=StoredJudgements(self._store, loop),
            workers=None if self._pool is None else PooledWorkers(self._pool, loop),
        )
        found = await threaded(_read_run, path, services, self._cache, loop)
        self._runs[run_id] = found
        if len(self._runs) > _KEPT_RUNS:
            self._runs.popitem(last=False)
        return found

    async def _input(self, key: str) -> Path:
        try:
            return await self._cache.path(key)
        except NotFound as error:
            raise EvaluationFailed(f"{key} is missing from the storage; run the job again: vhb retry") from error
        except Damaged as error:
            raise EvaluationFailed(str(error)) from error

    async def _optional(self, key: str) -> Path | None:
        try:
            return await self._cache.path(key)
        except NotFound:
            return None

    async def _take_imported(self, run: RunSpec, key: str, evaluation: RunEvaluation) -> None:
        imported = ImportedAnswers(await self._input(key))
        for offset in range(0, run.samples, _IMPORT_ROWS):
            count = min(_IMPORT_ROWS, run.samples - offset)
            await threaded(evaluation.add_imported, imported, offset, count)
        ignored = await threaded(imported.unmatched)
        if ignored:
            log.warning("imported answers of other samples were left out", run_id=run.run_id, rows=ignored)

    async def _take_shards(
        self,
        run: RunSpec,
        event: InferenceEnded,
        evaluation: RunEvaluation,
        *,
        scored: bool,
    ) -> None:
        state = await self._load_run_state(run.run_id)
        run_id = run.run_id
        # A retry that was given up leaves what the round before it had answered.
        tokens = {**state.keep, **state.committed}
        step = max(1, min(_WINDOW_SHARDS, _WINDOW_SAMPLES // run.shard_size))
        for first in range(0, run.shards, step):
            shards = range(first, min(first + step, run.shards))
            parts, scores = await asyncio.gather(
                asyncio.gather(*(self._part(run_id, shard, tokens.get(shard)) for shard in shards)),
                asyncio.gather(*(self._scores(run_id, shard, tokens.get(shard), scored) for shard in shards)),
            )
            reasons = [_missing(state, event, shard) for shard in shards]
            work = [StoredShard(*each) for each in zip(shards, parts, scores, reasons, strict=True)]
            computed = await threaded(_add_shards, evaluation, work)
            await asyncio.gather(
                *(
                    self._store.put(layout.scores_part(run.run_id, shard, tokens[shard]), data)
                    for shard, data in computed
                )
            )

    async def _telemetry(self, run: RunSpec, folder: Path) -> list[Path]:
        """The segments of a run, copied: an agent may still be writing the last one again."""
        prefix = layout.telemetry_prefix(run.run_id)
        keys = [item.key async for item in self._store.list(prefix)] if run.answers_key is None else []
        paths = []
        for key in keys:
            path = folder / "segments" / layout.file_name(key)
            try:
                await self._store.get_file(key, path)
            except NotFound:
                continue
            paths.append(path)
        return paths

    async def _part(self, run_id: str, shard: int, token: str | None) -> Path | None:
        return await self._input(layout.answers_part(run_id, shard, token)) if token is not None else None

    async def _scores(self, run_id: str, shard: int, token: str | None, scored: bool) -> Path | None:
        return await self._optional(layout.scores_part(run_id, shard, token)) if scored and token is not None else None


def _score_nothing() -> None:
    keys = {"index": [0], "id": ["0"]}
    samples = pl.DataFrame({**keys, "doc_class": [None], "question_type": [None], "references": [["a"]]})
    answers = pl.DataFrame({**keys, "model_answer": ["a"], "outcome": ["answered"]})
    score(samples, answers, tuple(MetricSpec(name=name) for name in ("exact_match", "cer", "wer", "anls")))


def _read_run(
    path: Path, services: MetricContext, files: LocalFiles, loop: asyncio.AbstractEventLoop
) -> tuple[RunSpec, tuple[BoundMetric, ...]]:
    run = RunSpec.model_validate_json(path.read_bytes())
    if "evaluation" not in run.stages:
        return run, ()
    images = SampleImages(files, loop, run.dataset.digest)
    return run, bind_all(run.task.metrics, MetricContext.of(run.task, replace(services, images=images)))


def _missing(state: RunState, event: InferenceEnded, shard: int) -> Missing:
    """Why a sample of the shard has no answer."""
    if shard in state.left_out:
        return Missing("withdrawn", "cancelled before it was asked, and left out of the retry")
    if state.cancel_requested or state.status == "cancelled":
        return Missing("withdrawn", "cancelled before it was answered")
    failure = event.failure if isinstance(event, RunInferenceFailed) else state.failure
    return Missing("failed", failure.message if failure is not None else "no answer was stored")


def _score_part(run: RunSpec, metrics: tuple[BoundMetric, ...], samples: Path, part: Path, shard: int) -> bytes:
    wanted = read_samples(samples, run, *run.shard_range(shard))
    answers = from_part(wanted, read_part(part), Missing("failed", "no answer was stored"))
    return _as_parquet(score_bound(wanted, answers, metrics))


def _add_shards(evaluation: RunEvaluation, work: list[StoredShard]) -> list[tuple[int, bytes]]:
    """Takes in shards; returns the scores that had to be computed, as parquet."""
    return [(shard, _as_parquet(table)) for shard, table in evaluation.add_shards(work)]


def _as_parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
