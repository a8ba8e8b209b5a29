"""The contract of object storage."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple, Protocol


class ObjectInfo(NamedTuple):
    """One object of a listing."""

    key: str
    size: int
    """Bytes."""


class LocalCopies(Protocol):
    """Gives objects of the storage as local files."""

    async def path(self, key: str) -> Path:
        """The object's local file, fetched when it is not there yet.

        Raises:
            NotFound: no such key.
            Unavailable: the storage does not answer.
            Damaged: the content does not match the name.
        """
        ...


class ObjectStore(ABC):
    """Whole objects or none, under immutable keys: writing the same key twice writes the same content.

    Every method may raise `Unavailable` (server does not answer, disk full: wait and try again) and `UserError`
    (access denied, bucket missing). None blocks the event loop. Usable from many tasks at once.
    """

    async def __aenter__(self) -> "ObjectStore":
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    @abstractmethod
    async def check(self) -> None:
        """Raises unless the storage can be reached and written to."""

    @abstractmethod
    async def put(self, key: str, data: bytes) -> None:
        """Writes an object; a reader sees all of it or none."""

    @abstractmethod
    async def put_file(self, key: str, path: Path) -> None:
        """Writes a file's content as an object, without holding it in memory."""

    @abstractmethod
    async def get(self, key: str) -> bytes:
        """Reads an object whole.

        Raises:
            NotFound: no such key.
        """

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """Reads a part of an object: `length` bytes from `start`, fewer at its end.

        Raises:
            NotFound: no such key.
        """
        return (await self.get(key))[start : start + length]

    @abstractmethod
    async def get_file(self, key: str, path: Path) -> None:
        """Copies an object to a local file, which appears whole or not at all; parents are made.

        Raises:
            NotFound: no such key.
        """

    @abstractmethod
    async def exists(self, key: str) -> bool:
        """Whether the key holds an object."""

    @abstractmethod
    async def version(self, key: str) -> str:
        """Another text as soon as the object is written anew; for keys of results, which a retry replaces.

        Raises:
            NotFound: no such key.
        """

    @abstractmethod
    def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """Objects whose key starts with `prefix`, in key order, without holding them all in memory."""

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Removes an object; a missing one is no error."""

    def local_path(self, key: str) -> Path | None:
        """The object's file, when the storage is a directory of this host; None elsewhere. For reading only."""
        return None

    def presigned(self, key: str, seconds: int) -> str | None:
        """An address by which whoever has it may read the object for so long; None where there are none such."""
        return None
