"""A run that can be compared."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class FoundRun:
    """A run with scores."""

    argument: str
    """What named it, without the run's name."""
    job_id: str
    run_id: str
    name: str
    model: str
    task: str
    dataset: str
    dataset_digest: str
    scores: Path
    replicates: Path
    """What composite metrics are compared by; may be missing."""
    stored: bool
    """In the storage of the stack; False: in a folder."""


class Metrics(Protocol):
    """What is known of metrics, by whoever asks for a comparison."""

    def composite(self, label: str) -> bool:
        """Whether its values of samples do not add up to its value of a run (macro F1, BLEU)."""
        ...

    def higher_is_better(self, label: str) -> bool | None:
        """None: not known."""
        ...
