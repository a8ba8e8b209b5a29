"""What whoever asks a query knows already, and brings along."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Known:
    """Which jobs there are, where that is known without looking through the storage."""

    jobs: Mapping[str, str | None]
    """Job id -> its stamp: another one as soon as its summary may be written anew; None: it may be at any time."""
    runs: Mapping[str, str | None]
    """Run id -> its stamp, in the same way for its results."""


@dataclass(frozen=True)
class Lines:
    """A further table: lines of JSON that somebody else writes."""

    columns: Mapping[str, str]
    path: Path


@dataclass(frozen=True)
class Offered:
    """What whoever asks brings along."""

    known: Known | None = None
    lines: Mapping[str, Lines] = field(default_factory=dict)
    """Further tables, by name."""
    scratch: Path | None = None
    """Where to lay the files: on the file system of those that are kept. None: the system's temporary folder."""
