"""What a job or a registry entry says of a data set: where it is, how it is read, what is done to its images."""

from typing import Any, Literal

from pydantic import Field

from vhb_shared.contracts.base import UserModel

ColumnName = Literal[
    "id", "images", "question", "references", "choices", "doc_class", "question_type", "split", "document",
    "answer_bbox", "data_index",
]  # fmt: skip
BoxFormat = Literal["xyxy", "xywh", "yxyx", "cxcywh"]


class DatasetSource(UserModel):
    """A data set: where it is, and how its columns are to be understood."""

    source: str = Field(min_length=1)
    """Folder, file or address (`hf://org/name`, `s3://bucket/prefix`, `https://host/file`)."""
    reader: str | None = None
    """Which reader reads it; None: the one that knows this kind of file."""
    config: str | None = None
    """Of a data set on the hub: one of its configurations, or `*` for all of them."""
    split: str | None = None
    """Only this part of it."""
    revision: str | None = None
    """Of a data set on the hub: commit, tag or branch."""
    files: tuple[str, ...] = ()
    """Of a data set on the hub or in a bucket: only files whose path matches one of these patterns."""
    columns: dict[ColumnName, str | tuple[str, ...] | None] = Field(default_factory=dict)
    """Our column: the data set's, or several of them put together. `a.b` is the key `b` of what is in column `a`, JSON
    text included. None: not used."""
    fields: tuple[str, ...] | None = None
    """Which of the other columns are kept; None: all of them."""
    empty: tuple[str, ...] = ()
    """Texts that stand for an empty cell, such as `nan`."""
    box_format: BoxFormat | None = None
    """What the four numbers of a box mean; None: unknown. Boxes are kept as given."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What only its reader knows, such as `dpi` for PDF."""


CorruptionKind = Literal["blur", "noise", "brightness", "gray", "rotation", "spatter", "jpeg"]


class Corruption(UserModel):
    """Images made worse on purpose, always in the same way."""

    kind: CorruptionKind
    severity: int = Field(3, ge=1, le=5)
    seed: int = Field(0, ge=0, lt=2**32)
    """Of what is random in it: grains of noise, the direction of a rotation, where drops fall."""

    @property
    def label(self) -> str:
        """`blur-3`; with a seed other than 0 `blur-3-s1`."""
        return f"{self.kind}-{self.severity}" + (f"-s{self.seed}" if self.seed else "")


class Variant(UserModel):
    """What sets a task apart from the one that it was made of."""

    of: str
    """The name of that task, whose images are as they were."""
    corruption: Corruption
