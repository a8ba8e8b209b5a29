"""The tasks that work through the questions of one shard."""

import asyncio
from collections.abc import Iterator, Sequence

from vhb_inference_agent.backends.registry import backend_adapter
from vhb_inference_agent.endpoint import BackendLost, RunningBackend
from vhb_inference_agent.runner.backlog import ShardBacklog
from vhb_inference_agent.runner.checkpoint import Checkpoint
from vhb_inference_agent.runner.failures import RequestFailed
from vhb_inference_agent.runner.media import ImageEncoder
from vhb_inference_agent.runner.outcomes import answer_to, unasked
from vhb_inference_agent.runner.pause import Pause
from vhb_inference_agent.runner.request_body import request_body
from vhb_inference_agent.runner.requester import Requester
from vhb_inference_agent.runner.slots import Line
from vhb_shared.asking.questions import (
    Question,
    request_parameters,
    response_schema,
    turns_digest,
)
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.results import Answer

MOST_WORKERS = 1024
"""Of one shard. Most wait for the right to render their question, and hold nothing until then."""


class Workers:
    """Answers questions concurrently. Each answer is in the checkpoint before the next question takes its place.

    Args:
        run: the resolved run.
        job_id: who is told when the work has to wait.
        backend: the backend that answers.
        requester: asks it.
        line: where requests queue for a place in flight.
        backlog: told of each question that is asked.
        images: encodes images.
        pause: waits out silent storage.
        checkpoint: keeps answers.
        answers: where answers go, by index.
    """

    def __init__(
        self,
        *,
        run: RunSpec,
        job_id: str,
        backend: RunningBackend,
        requester: Requester,
        line: Line,
        backlog: ShardBacklog,
        images: ImageEncoder,
        pause: Pause,
        checkpoint: Checkpoint,
        answers: dict[int, Answer],
    ) -> None:
        self._run = run
        self._job_id = job_id
        self._backend = backend
        self._requester = requester
        self._line = line
        self._backlog = backlog
        self._images = images
        self._pause = pause
        self._checkpoint = checkpoint
        self._answers = answers
        self._parameters = backend_adapter(run.model.backend).request_options(
            run.model, request_parameters(run.model, response_schema(run))
        )
        self._turns_digest = turns_digest(run)

    async def answer_all(self, questions: Sequence[Question]) -> None:
        """Returns when every question has its row.

        Raises:
            BackendLost: the backend cannot be brought back.
        """
        rest = iter(questions)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(len(questions), MOST_WORKERS)):
                    group.create_task(self._work_through(rest))
        except BaseExceptionGroup as errors:
            raise _first(errors) from None

    async def _work_through(self, questions: Iterator[Question]) -> None:
        for question in questions:
            self._answers[question.index] = await self._answer(question)

    async def _answer(self, question: Question) -> Answer:
        async with self._line.slot() as slot:
            try:
                if question.problem is not None:
                    raise RequestFailed("sample", question.problem)
                body = await self._body(question)
            except RequestFailed as failure:
                self._backlog.asked()
                return unasked(question, failure.detail, replica=self._backend.replica)
            await slot.take()
            self._backlog.asked()
            limits = self._run.model.retries
            asked = await self._requester.ask(body, limits, slot)
            answer = answer_to(
                question,
                asked,
                replica=self._backend.replica,
                timeout_s=limits.timeout_s,
                secret=self._backend.endpoint.api_key,
            )
            await self._checkpoint.add(answer)
        return answer

    async def _body(self, question: Question) -> bytes:
        turns, shows = self._turns_digest or "", self._run.dataset.media_digest
        shown = [(shows, question.images), *((turns, turn.images) for turn in question.turns)]

        async def encode() -> list[list[bytes]]:
            return [[await self._images.data_url(where, name) for name in names] for where, names in shown]

        images, *turn_images = await self._pause.until_done(self._job_id, "reading images from storage", encode)
        return request_body(self._backend.endpoint.model, self._parameters, question, images, turn_images)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to report of several that came together; the loss of the backend explains the others."""
    leaves: list[BaseException] = []
    rest: list[BaseException] = [errors]
    while rest:
        error = rest.pop()
        if isinstance(error, BaseExceptionGroup):
            rest.extend(error.exceptions)
        else:
            leaves.append(error)
    return next((error for error in leaves if isinstance(error, BackendLost)), leaves[-1])
