"""The contract of a data set reader: a stream of typed samples and of bad rows, never a silent gap."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.errors import UserError

Unit = Literal["line", "row", "page"]


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where the bytes of one image are: a file, a page of a PDF or TIFF file, or memory. Nothing is read yet."""

    path: Path | None = None
    data: bytes | None = None
    label: str = ""
    """As the user wrote it; for messages."""
    page: int | None = None
    """0-based page of a PDF or TIFF file; None for a file that is one image."""
    dpi: int = 0
    """At which a page of a PDF file is drawn."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row came from; for messages."""

    file: str
    line: int | None = None
    """Where the row starts, in `unit`s (1-based); None where there are none."""
    image_column: str | None = None
    """The column that named the images."""
    unit: Unit = "line"


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
    unit: Unit = "line"

    @classmethod
    def at(cls, origin: Origin, column: str | None, expected: str) -> "BadRow":
        """The row that came from there."""
        return cls(origin.file, origin.line, column, expected, origin.unit)

    def __str__(self) -> str:
        where = self.file
        if self.line is not None:
            where += f", {self.unit} {self.line}"
        if self.column is not None:
            where += f", column {self.column}"
        # File names need not be text; messages must be.
        return f"{where}: {self.expected}".encode("utf-8", "replace").decode("utf-8")


class ReaderOptions(BaseModel):
    """What a data set may set with `options:` of its reader; a reader with options of its own names a subclass."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageOptions(ReaderOptions):
    """Of readers that may meet PDF files."""

    dpi: int = Field(200, ge=36, le=1200)
    """Dots per inch at which pages are drawn."""


class DatasetReader(ABC):
    """Reads one format. Synchronous: callers run it in a thread. Holds a bounded number of rows."""

    name: ClassVar[str]
    describe: ClassVar[str]
    """What a user may write to be read by it; for messages and listings."""
    options_type: ClassVar[type[ReaderOptions]] = ReaderOptions
    """Which options there are, with their defaults and docstrings."""
    chooses_split: ClassVar[bool] = False
    """Whether `read` yields the wanted split only; otherwise the caller leaves out the others."""

    asked_only: ClassVar[bool] = False
    """Whether it reads only what names it as its `reader`."""

    def __init__(self, how: DatasetSource | None = None) -> None:
        """
        Args:
            how: columns, split and options that a registry entry or a job gives; None for what the format says.

        Raises:
            UserError: an option that this reader does not have.
        """
        self.how = how if how is not None else DatasetSource(source="-")
        self.options = self._checked(self.how.options)

    def _checked(self, options: Mapping[str, Any]) -> ReaderOptions:
        try:
            return self.options_type.model_validate(options)
        except ValidationError as error:
            problem = error.errors()[0]
            name = ".".join(str(part) for part in problem["loc"])
            known = ", ".join(self.options_type.model_fields) or "none"
            raise UserError(
                f"option {name!r} of the data set reader {self.name!r}: {problem['msg']}; options are: {known}"
            ) from None

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
