"""What is shown of one row of a run, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Sent = Literal["verified", "differs", "unknown", "not answered"]
"""Whether what is shown is what was sent: its hash is the one stored with the answer; it is another; the answer has
none (it was made elsewhere); there is no answer."""


@dataclass(frozen=True)
class ShownImage:
    """An image as it was sent."""

    name: str
    """In storage: `<sha256>.<ext>`."""
    sha256: str
    bytes: int | None
    """None: it is not in storage any more."""
    key: str
    """Where it lies."""


@dataclass(frozen=True)
class ShownTurn:
    """A solved example before the question."""

    sample: str
    user: str
    images: tuple[ShownImage, ...]
    assistant: str


@dataclass(frozen=True)
class ShownRow:
    """One row of one run."""

    run: str
    model: str
    id: str
    sample: str
    sent: Sent
    system_prompt: str | None
    turns: tuple[ShownTurn, ...]
    user_prompt: str
    images: tuple[ShownImage, ...]
    problem: str | None
    """Why it could not be asked."""
    parameters: Mapping[str, Any]
    """Of the request's body, beside messages and model."""
    response_schema: Mapping[str, Any] | None
    fingerprint: str | None
    """Of what is shown."""
    choices: tuple[str, ...]
    references: tuple[str, ...]
    answer: Mapping[str, Any] | None
    """A row of answers.parquet."""
    scores: tuple[Mapping[str, Any], ...]
    answer_bbox: str | None = None
    """Where the answer is on its image, as the data set says it."""

    @property
    def every_image(self) -> tuple[ShownImage, ...]:
        """Of the question and of its examples."""
        return (*self.images, *(image for turn in self.turns for image in turn.images))
