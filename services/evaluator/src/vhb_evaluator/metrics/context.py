"""What a metric may know of the run it scores, beside the samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from vhb_shared.contracts.job import ModelEntry, TaskEntry
from vhb_shared.contracts.metric_entry import MetricEntry
from vhb_shared.datasets.questions import ModelQuestion


class Judgements(Protocol):
    """Keeps what judges said, by fingerprint of the request. Blocks; used from worker threads."""

    def find(self, fingerprints: Sequence[str]) -> dict[str, bytes]:
        """What is kept of them; a fingerprint that is missing was never answered.

        Raises:
            Unavailable: the storage does not answer.
        """
        ...

    def keep(self, judgements: Mapping[str, bytes]) -> None:
        """Keeps answers for good.

        Raises:
            Unavailable: the storage does not answer.
        """
        ...


class Workers(Protocol):
    """Runs metrics that have packages of their own. Blocks; used from worker threads."""

    def score(
        self, entry: MetricEntry, options: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """The scores of a batch: for each sample `row`, `numerator`, `denominator`, `unparsable`, `detail`,
        `not_scored`.

        Raises:
            EvaluationFailed: the metric failed, or cannot be run here.
            Unavailable: its packages cannot be fetched now.
        """
        ...

    def installed(self, entry: MetricEntry) -> dict[str, Any]:
        """What really runs it, as JSON: environment, python, packages with versions.

        Raises: as `score`.
        """
        ...


class NoImage(Exception):  # noqa: N818 - says why a sample cannot be shown
    """A sample's images cannot be had; the text says why."""


class Images(Protocol):
    """The images of the run's data set. Blocks; used from worker threads."""

    def data_urls(self, names: tuple[str, ...], max_bytes: int) -> tuple[str, ...]:
        """Images as data URLs.

        Args:
            names: `<sha256>.<ext>`, as in the column `images`.
            max_bytes: of the files together; more are not read.

        Raises:
            NoImage: one is missing, damaged or cannot be read, or they are larger.
            Unavailable: the storage does not answer.
        """
        ...


class ModelReply(NamedTuple):
    """What a model said to one question."""

    text: str | None
    """Its words."""
    failure: str | None = None
    """Why there are none; through no fault of the answer that is scored."""


class AskedModels(Protocol):
    """Puts questions to the models of a metric (`models:` of a job's metric), which agents serve. Blocks; used from
    worker threads.

    A run is scored twice: the first time questions are only noted, and what the metric makes of the replies is thrown
    away; then the models are asked, all questions at once; the second time their replies are there. So a metric must
    ask for the same things both times, and cannot let one question depend on another's reply.
    """

    def replies(self, metric: str, questions: Sequence[ModelQuestion]) -> list[tuple[ModelReply, ...]]:
        """One reply of each model, in the order of `MetricContext.models`, for each question.

        Args:
            metric: the metric's label.
            questions: what is asked.
        """
        ...


@dataclass(frozen=True)
class MetricContext:
    """Set by the registry on every metric it makes."""

    response_schema: str | dict[str, Any] | None = None
    """The task's; still the name of a file while a job is being validated."""
    prompt: str | None = None
    """The task's own prompt, where there is one."""
    judgements: Judgements | None = None
    """None where nothing can be kept (while a job is validated)."""
    images: Images | None = None
    """None where there are none to be had (while a job is validated)."""
    workers: Workers | None = None
    """None where no process may be started (while a job is validated)."""
    label: str = ""
    """The metric's own."""
    models: tuple[ModelEntry, ...] = ()
    """Those that this metric asks through `asked`."""
    asked: AskedModels | None = None
    """None where nobody is asked (while a job is validated, or after it was cancelled)."""

    @classmethod
    def of(cls, task: TaskEntry | None, services: "MetricContext | None" = None) -> "MetricContext":
        """The context of a task's metrics.

        Args:
            task: what it says of prompt and schema; None for a metric on its own.
            services: whose judgements, images and workers are used.
        """
        context = services or cls()
        if task is None:
            return context
        return replace(context, response_schema=task.response_schema, prompt=task.prompt)
