"""What a metric may know of the run it scores, beside the samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vhb_shared.contracts.job import TaskEntry


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

    @classmethod
    def of(
        cls, task: TaskEntry | None, judgements: Judgements | None = None, images: Images | None = None
    ) -> "MetricContext":
        """The context of a task's metrics."""
        if task is None:
            return cls(judgements=judgements, images=images)
        return cls(response_schema=task.response_schema, prompt=task.prompt, judgements=judgements, images=images)
