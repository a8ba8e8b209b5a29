"""The contract of a data set reader: a stream of typed samples and of bad rows, never a silent gap."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where the bytes of one image are: a file, or memory. Nothing has been read or checked yet."""

    path: Path | None = None
    data: bytes | None = None
    label: str = ""
    """As the user wrote it; for messages."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row came from; for messages."""

    file: str
    line: int | None = None
    """Physical line the row starts on (1-based); None where there are no lines."""
    image_column: str | None = None
    """The column that named the images."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of a data set. Fields as in `contracts.results.SAMPLE_COLUMNS`."""

    index: int
    """0-based row in the whole data set, before any filter; bad rows count too."""
    id: str
    origin: Origin
    images: tuple[ImageSource, ...] = ()
    split: str | None = None
    question: str | None = None
    references: tuple[str, ...] = ()
    doc_class: str | None = None
    question_type: str | None = None
    answer_bbox: str | None = None
    data_index: str | None = None
    choices: tuple[str, ...] = ()
    document: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, and what was expected in its place."""

    file: str
    line: int | None
    column: str | None
    expected: str

    def __str__(self) -> str:
        where = self.file
        if self.line is not None:
            where += f", line {self.line}"
        if self.column is not None:
            where += f", column {self.column}"
        # File names need not be text; messages must be.
        return f"{where}: {self.expected}".encode("utf-8", "replace").decode("utf-8")


class DatasetReader(ABC):
    """Reads one format. Synchronous: callers run it in a thread. Holds a bounded number of rows."""

    name: ClassVar[str]
    describe: ClassVar[str]
    """What a user may write to be read by it; for messages and listings."""

    @abstractmethod
    def accepts(self, source: str, path: Path | None) -> bool:
        """Whether this reader is meant.

        Args:
            source: as the user wrote it.
            path: the existing file or folder it names; None when it names none (a URL).
        """

    @abstractmethod
    def read(self, source: str, path: Path | None) -> Iterator[Sample | BadRow]:
        """Yields every row once, in order, as a sample or as a bad row.

        Raises:
            UserError: the data set as a whole cannot be read (no header, not text, column missing).
        """
