"""Answers shards of one backend: the domain of the inference agent."""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from vhb_inference_agent.endpoint import RunningBackend
from vhb_inference_agent.runner.adaptive import AdaptiveLimit
from vhb_inference_agent.runner.backlog import Backlog, ShardBacklog
from vhb_inference_agent.runner.checkpoint import Checkpoint
from vhb_inference_agent.runner.checkpoint_log import Entry, remove_logs, shards_of
from vhb_inference_agent.runner.engine_watch import watch_engine
from vhb_inference_agent.runner.in_flight import InFlight, Owner
from vhb_inference_agent.runner.media import ImageEncoder
from vhb_inference_agent.runner.parts import completed, decode_part, encode_part
from vhb_inference_agent.runner.pause import Emit, Pause
from vhb_inference_agent.runner.prefetch import Prefetch
from vhb_inference_agent.runner.progress import Progress
from vhb_inference_agent.runner.requester import Requester
from vhb_inference_agent.runner.reuse import KnownAnswers
from vhb_inference_agent.runner.slots import Slots
from vhb_inference_agent.runner.workers import Workers
from vhb_shared.asking.questions import Question, run_files, shard_questions
from vhb_shared.contracts.commands import InferShard
from vhb_shared.contracts.events import RunShardCompleted
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.results import Answer
from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.base import LocalCopies, ObjectStore

STOP_POLL_S = 0.2


class ShardRunner:
    """Serves one backend session; any number of shards may be answered at once and share its cap on requests, so that
    the engine stays busy from one shard to the next.

    Args:
        store: object storage.
        copies: local copies of objects.
        images: encodes images; None: an encoder of its own.
        backend: the backend that answers.
        checkpoints: folder of local checkpoints; outlives this process, and is shared by the agents of a host.
        agent_id: who we are, in events.
        emit: publishes live messages.
        concurrency: requests in flight at most, over all shards; how many there are is found by measuring.
        known: finds answers that earlier runs got; None: everything is asked.
    """

    def __init__(
        self,
        *,
        store: ObjectStore,
        copies: LocalCopies,
        images: ImageEncoder | None = None,
        backend: RunningBackend,
        checkpoints: Path,
        agent_id: str,
        emit: Emit,
        concurrency: int,
        known: KnownAnswers | None = None,
    ) -> None:
        self._store = store
        self._copies = copies
        self._backend = backend
        self._checkpoints = checkpoints
        self._agent_id = agent_id
        self._known = known
        self._pause = Pause(emit, agent_id)
        self._images = images or ImageEncoder(copies)
        self._prefetch = Prefetch(copies)
        self.in_flight = InFlight()
        """What is being asked just now; for telemetry."""
        self._requester = Requester(backend, concurrency, self.in_flight)
        self._control = AdaptiveLimit(concurrency)
        self._slots = Slots(self._control, self._pause)
        self._backlog = Backlog(self._slots)
        self._most = concurrency
        self._watch: asyncio.Task[None] | None = None
        # Two: the log goes on being written while it is synchronised.
        self._log_threads = ThreadPoolExecutor(2, thread_name_prefix="checkpoint")

    @property
    def slots(self) -> int:
        """Requests in flight allowed now."""
        return self._control.limit

    def relieve(self) -> bool:
        """Memory is nearly used up: allows fewer requests from now on. False when that was not possible."""
        before = self._control.limit
        self._control.pressed()
        return self._control.limit < before

    async def __aenter__(self) -> "ShardRunner":
        if self._most > 1:
            self._watch = asyncio.create_task(watch_engine(self._backend, self._slots))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self._requester.aclose()
        self._log_threads.shutdown(wait=False)

    @property
    def shards_taken(self) -> int:
        """Shards that came in hand until now, those that were answered since included."""
        return self._backlog.taken

    async def until_taken(self, count: int) -> None:
        """Returns when so many shards have come in hand."""
        await self._backlog.until_taken(count)

    async def until_hungry(self) -> None:
        """Returns when the questions in hand will be asked sooner than another shard could be had."""
        await self._backlog.until_hungry()

    async def answer(
        self, run: RunSpec, work: InferShard, should_stop: Callable[[], bool], *, round: int = 0
    ) -> RunShardCompleted | None:
        """Answers a shard and stores the part. What an earlier attempt left in a checkpoint is not asked again.

        Args:
            run: the resolved run.
            work: which shard of it, and what to keep of an earlier part.
            should_stop: asked a few times a second; true when the run is cancelled.
            round: counts retries of the job.

        Returns:
            The event to publish, or None when stopped; then the checkpoint stays for a later attempt.

        Raises:
            BackendLost: the backend cannot be brought back; the checkpoint stays.
            NotFound: the data set is not in storage.
        """
        with self._backlog.shard(min(run.shard_size, run.samples)) as backlog:
            answering = asyncio.create_task(self._answer(run, work, round, backlog))
            try:
                while not answering.done():
                    if should_stop():
                        return None
                    await asyncio.wait({answering}, timeout=STOP_POLL_S)
                return answering.result()
            finally:
                answering.cancel()
                await asyncio.wait({answering})

    async def kept(self) -> set[tuple[str, int]]:
        """(run id, shard) of everything that has a checkpoint on this host."""
        return await asyncio.to_thread(shards_of, self._checkpoints)

    async def forget(self, run_id: str, shard: int) -> None:
        """Drops what is kept of a shard; called once it is committed and not before: until then a kill, of this agent
        and of the scheduler at once, may bring the shard back, and its answers must be found again.

        Raises:
            Unavailable: storage does not answer.
        """
        async for info in self._store.list(layout.checkpoint_shard_prefix(run_id, shard)):
            await self._store.delete(info.key)
        await asyncio.to_thread(remove_logs, self._checkpoints, run_id, shard)

    def _checkpoint(self, work: InferShard, round: int) -> Checkpoint:
        return Checkpoint(self._checkpoints, self._agent_id, self._store, self._pause, self._log_threads, work, round)

    async def _answer(self, run: RunSpec, work: InferShard, round: int, backlog: ShardBacklog) -> RunShardCompleted:
        started = time.monotonic()
        line = self._slots.line(Owner(work.job_id, work.run_id))
        files = await self._pause.until_done(
            work.job_id, "reading the data set from storage", lambda: run_files(run, self._copies)
        )
        questions = await asyncio.to_thread(shard_questions, files, run, work.shard)
        answers = await self._kept(work, questions)
        async with self._checkpoint(work, round) as checkpoint:
            answers |= _resumed(await checkpoint.load(), questions, answers, round)
            answers |= await self._reused(run, round, [each for each in questions if each.index not in answers])
            progress = Progress(self._pause, work, self._agent_id, len(questions), lambda: self.slots)
            workers = Workers(
                run=run,
                job_id=work.job_id,
                backend=self._backend,
                requester=self._requester,
                line=line,
                backlog=backlog,
                images=self._images,
                pause=self._pause,
                checkpoint=checkpoint,
                answers=answers,
            )
            missing = [question for question in questions if question.index not in answers]
            backlog.unasked = len(missing)
            fetching = asyncio.create_task(
                self._prefetch.run(run.dataset.media_digest, missing, lambda: backlog.unasked)
            )
            try:
                async with progress.shown(answers):
                    await workers.answer_all(missing)
            finally:
                fetching.cancel()
                await asyncio.gather(fetching, return_exceptions=True)
            part = await asyncio.to_thread(encode_part, answers.values())
            key = layout.answers_part(work.run_id, work.shard, part.token)
            await self._pause.until_done(work.job_id, "writing answers", lambda: self._store.put(key, part.data))
        return completed(
            run, work, round, part, answers.values(), seconds=time.monotonic() - started, agent_id=self._agent_id
        )

    async def _reused(self, run: RunSpec, round: int, questions: list[Question]) -> dict[int, Answer]:
        """Answers that earlier runs got to these very requests, by index."""
        known = self._known
        if known is None:
            return {}
        return await self._pause.until_done(
            run.job_id, "reading answers of earlier runs", lambda: known.to(run, round, questions)
        )

    async def _kept(self, work: InferShard, questions: Iterable[Question]) -> dict[int, Answer]:
        """Good answers of an earlier part, by index."""
        token = work.keep
        if token is None:
            return {}
        key = layout.answers_part(work.run_id, work.shard, token)
        try:
            data = await self._pause.until_done(work.job_id, "reading answers", lambda: self._store.get(key))
        except NotFound:
            return {}
        asked_again = {"failed", "withdrawn"} if work.ask_withdrawn else {"failed"}
        ids = {question.index: question.id for question in questions}
        return {
            answer.index: answer
            for answer in await asyncio.to_thread(decode_part, data)
            if answer.outcome not in asked_again and ids.get(answer.index) == answer.id
        }


def _resumed(
    found: Iterable[Entry], questions: Iterable[Question], answers: dict[int, Answer], round: int
) -> dict[int, Answer]:
    """Answers of a checkpoint that answer these very questions; failures only of the same round."""
    wanted = {question.id: question for question in questions if question.index not in answers}
    resumed: dict[int, Answer] = {}
    for entry in found:
        answer, question = entry.answer, wanted.get(entry.answer.id)
        if question is None or question.fingerprint is None or answer.fingerprint != question.fingerprint:
            continue
        if answer.outcome == "failed" and (entry.round != round or question.index in resumed):
            continue
        resumed[question.index] = answer.model_copy(update={"index": question.index})
    return resumed
