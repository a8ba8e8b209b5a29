"""What metrics of a run ask models: put into storage to be asked, and fetched when it was."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from vhb_evaluator.asking.collecting import NotedQuestions, QuestionPass
from vhb_evaluator.asking.replies import GivenReplies
from vhb_evaluator.metrics.registry import BoundMetric
from vhb_evaluator.stored_answers import InferenceEnded, StoredAnswers
from vhb_evaluator.threads import threaded
from vhb_shared.contracts.events import Questions, RunQuestionsAsked
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.state import JobState, RunState
from vhb_shared.datasets.questions import store_questions
from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore


class QuestionRounds:
    """Idempotent: the same answers give the same questions under the same digest.

    Args:
        store: object storage.
        answers: reads the answers of runs.
        load_run_state: gives the state of a run by its id.
        load_job_state: gives the state of a job by its id.
    """

    def __init__(
        self,
        store: ObjectStore,
        answers: StoredAnswers,
        load_run_state: Callable[[str], Awaitable[RunState]],
        load_job_state: Callable[[str], Awaitable[JobState]],
    ) -> None:
        self._store = store
        self._answers = answers
        self._load_run_state = load_run_state
        self._load_job_state = load_job_state

    async def ask(
        self, event: InferenceEnded, run: RunSpec, metrics: tuple[BoundMetric, ...], folder: Path
    ) -> RunQuestionsAsked | None:
        """Stores what metrics ask about a run's answers.

        Args:
            event: says that the answers are complete.
            run: whose.
            metrics: those that ask models.
            folder: an empty one.

        Returns:
            What is to be asked; None where there is nothing to ask about.

        Raises:
            EvaluationFailed: answers cannot be read, or a metric failed.
            Unavailable: the storage does not answer.
        """
        samples = await self._answers.input(layout.dataset_samples(run.dataset.digest))
        models = {metric.label: len(metric.metric.context.models) for metric in metrics}
        noted = await threaded(NotedQuestions, folder, models)
        try:
            asking = tuple(metric.asking(noted) for metric in metrics)
            await self._answers.go_through(run, event, QuestionPass(run, asking, samples), told=False)
            asked = []
            for metric in metrics:
                table = noted.tables[metric.label]
                if not len(table):
                    continue
                digest, file = await threaded(table.finish, run.dataset.media_digest)
                await store_questions(digest, file, len(table), run, self._store)
                asked.append(Questions(metric=metric.place, dataset_digest=digest, samples=len(table)))
        finally:
            await threaded(noted.close)
        if not asked:
            return None
        return RunQuestionsAsked(
            job_id=event.job_id,
            run_id=event.run_id,
            name=event.name,
            round=event.round,
            announcement=event.announcement,
            questions=tuple(asked),
        )

    async def replies(self, metrics: tuple[BoundMetric, ...], jobs: Mapping[int, str], folder: Path) -> GivenReplies:
        """What models replied.

        Args:
            metrics: those that ask models.
            jobs: place of a metric -> the job in which its models were asked.
            folder: an existing one for files.

        Raises:
            EvaluationFailed: replies cannot be read.
            Unavailable: the storage does not answer.
        """
        given = await threaded(GivenReplies, folder / "replies.sqlite")
        for metric in metrics:
            job_id = jobs.get(metric.place)
            job = await self._load_job_state(job_id) if job_id is not None else None
            refused = "; ".join(job.problems) if job is not None and job.status == "rejected" else None
            # The job has a run for each model, in their order.
            for place in range(len(metric.metric.context.models)):
                run_id = job.run_ids[place] if job is not None and place < len(job.run_ids) else None
                file, failure = (None, refused) if run_id is None else await self._of_model(run_id, folder)
                await threaded(given.add, metric.label, file, failure)
        return given

    async def _of_model(self, run_id: str, folder: Path) -> tuple[Path | None, str | None]:
        state = await self._load_run_state(run_id)
        failure = state.failure.message if state.failure is not None else None
        file = folder / f"{run_id}.parquet"
        try:
            await self._store.get_file(layout.run_file(run_id, "answers.parquet"), file)
        except NotFound:
            return None, failure or "its answers are not in storage"
        return file, failure
