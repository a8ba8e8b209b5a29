"""What the evaluator does with a message. Idempotent: everything is written under deterministic keys."""

import asyncio
import tempfile
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import structlog

from vhb_evaluator.asking.rounds import QuestionRounds
from vhb_evaluator.collection import Missing, from_part
from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.evaluation import RunEvaluation, read_part, read_samples
from vhb_evaluator.isolation.pool import WorkerPool
from vhb_evaluator.isolation.threads import PooledWorkers
from vhb_evaluator.judgements import StoredJudgements
from vhb_evaluator.local_files import LocalFiles
from vhb_evaluator.metrics.context import MetricContext
from vhb_evaluator.metrics.declared import declared
from vhb_evaluator.metrics.registry import BoundMetric, bind_all
from vhb_evaluator.parts import as_part
from vhb_evaluator.reuse import note_answers
from vhb_evaluator.sample_images import SampleImages
from vhb_evaluator.scoring import score, score_bound
from vhb_evaluator.stored_answers import InferenceEnded, StoredAnswers
from vhb_evaluator.threads import threaded
from vhb_shared.contracts.events import RunEvaluationCompleted, RunQuestionsAsked, RunShardCompleted
from vhb_shared.contracts.job import MetricSpec
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.state import JobState, RunState
from vhb_shared.errors import NotFound
from vhb_shared.reuse.count import count_reused
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

__all__ = ["EvaluationFailed", "EvaluatorHandlers"]

log = structlog.get_logger()

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
        load_job_state: Callable[[str], Awaitable[JobState]],
        scratch: Path | None = None,
        pool: WorkerPool | None = None,
    ) -> None:
        """Args:
        store: where results are written.
        cache: where inputs are read from.
        load_run_state: gives the current state of a run by its id.
        load_job_state: gives the current state of a job by its id.
        scratch: an existing folder for temporary files; None for the system's.
        pool: runs metrics that have packages of their own; None where there are none.
        """
        self._store = store
        self._cache = cache
        self._load_run_state = load_run_state
        self._answers = StoredAnswers(store, cache, load_run_state)
        self._questions = QuestionRounds(store, self._answers, load_run_state, load_job_state)
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
            # A run's only shard is scored by `evaluate_run`, which its completion sets off at the same time. Where
            # metrics ask models, there are no replies yet.
            if not metrics or run.shards == 1 or any(metric.asks for metric in metrics):
                return
            if await self._store.exists(key):
                return
            part = await self._cache.path(layout.answers_part(event.run_id, event.shard, event.token))
            samples = await self._cache.path(layout.dataset_samples(run.dataset.digest))
            data = await threaded(_score_part, run, metrics, samples, part, event.shard)
            await self._store.put(key, data)
        except (EvaluationFailed, NotFound) as error:
            log.warning("part not scored ahead of time", run_id=event.run_id, shard=event.shard, error=str(error))

    async def evaluate_run(self, event: InferenceEnded) -> RunEvaluationCompleted | RunQuestionsAsked | None:
        """Collects the run's answers, scores what is not scored yet, aggregates, and writes the run's files.

        Returns:
            That it is done; or what its metrics ask models first; None while those are being asked.

        Raises:
            EvaluationFailed: it cannot be done; becomes `run.evaluation.failed`.
            Unavailable: the storage does not answer, or the disk is full: try again later.
        """
        run, metrics = await self._run(event.run_id)
        asking = tuple(metric for metric in metrics if metric.asks)
        with declared(metric.entry for metric in run.task.metrics):
            return await (self._asking(event, run, metrics, asking) if asking else self._evaluated(event, run, metrics))

    async def _asking(
        self, event: InferenceEnded, run: RunSpec, metrics: tuple[BoundMetric, ...], asking: tuple[BoundMetric, ...]
    ) -> RunEvaluationCompleted | RunQuestionsAsked | None:
        """`evaluate_run` where metrics ask models that agents serve."""
        state = await self._load_run_state(run.run_id)
        if state.asking:
            return None  # announced again when they have replied
        scratch = await threaded(tempfile.TemporaryDirectory, prefix="vhb-questions-", dir=self._scratch)
        try:
            folder = Path(scratch.name)
            if not state.asked:
                wanted = not state.cancel_requested
                asked = await self._questions.ask(event, run, asking, folder / "asked") if wanted else None
                return asked or await self._evaluated(event, run, metrics)
            replies = await self._questions.replies(asking, state.asked, folder)
            try:
                informed = tuple(metric.asking(replies) if metric.asks else metric for metric in metrics)
                return await self._evaluated(event, run, informed)
            finally:
                await threaded(replies.close)
        finally:
            await asyncio.to_thread(scratch.cleanup)

    async def _evaluated(
        self, event: InferenceEnded, run: RunSpec, metrics: tuple[BoundMetric, ...]
    ) -> RunEvaluationCompleted:
        samples = await self._answers.input(layout.dataset_samples(run.dataset.digest))
        scratch = await threaded(tempfile.TemporaryDirectory, prefix="vhb-evaluation-", dir=self._scratch)
        try:
            evaluation = await threaded(RunEvaluation, run, metrics, samples, Path(scratch.name))
            if run.answers_key is None:
                state = await self._load_run_state(run.run_id)
                await note_answers(run, {**state.keep, **state.committed}, self._answers.optional, self._store)
            await self._answers.go_through(run, event, evaluation, metrics=metrics)
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
        path = await self._answers.input(layout.run_spec(run_id))
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
    images = SampleImages(files, loop, run.dataset.media_digest)
    return run, bind_all(run.task.metrics, MetricContext.of(run.task, replace(services, images=images)))


def _score_part(run: RunSpec, metrics: tuple[BoundMetric, ...], samples: Path, part: Path, shard: int) -> bytes:
    wanted = read_samples(samples, run, *run.shard_range(shard))
    answers = from_part(wanted, read_part(part), Missing("failed", "no answer was stored"))
    return as_part(score_bound(wanted, answers, metrics), metrics)
