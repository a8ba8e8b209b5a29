"""Typed key-value state with compare-and-set."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import (
    BucketNotFoundError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
    NotFoundError,
)
from nats.js.kv import KeyValue
from pydantic import BaseModel

from vhb_shared.errors import Conflict, Unavailable

T = TypeVar("T", bound=BaseModel)

_TRANSIENT = (NatsError, asyncio.TimeoutError, OSError)


def _encoded(value: BaseModel) -> bytes:
    # A run's state lists its shards: without defaults it stays under a message's 64 KB.
    return value.model_dump_json(exclude_defaults=True).encode()


class Bucket:
    """One bucket. Every method may raise `Unavailable`."""

    def __init__(self, js: JetStreamContext, name: str) -> None:
        self._js = js
        self._name = name
        self._kv: KeyValue | None = None

    async def _bucket(self) -> KeyValue:
        if self._kv is None:
            try:
                self._kv = await self._js.key_value(self._name)
            except (BucketNotFoundError, *_TRANSIENT) as error:
                raise Unavailable(f"key-value bucket {self._name}: {error or type(error).__name__}") from error
        return self._kv

    def _unavailable(self, key: str, error: BaseException) -> Unavailable:
        return Unavailable(f"key-value bucket {self._name}, key {key}: {str(error) or type(error).__name__}")

    async def get(self, key: str, model: type[T]) -> tuple[T, int] | None:
        """The value and its revision; None when there is none."""
        kv = await self._bucket()
        try:
            entry = await kv.get(key)
        except (KeyNotFoundError, NotFoundError):
            return None
        except _TRANSIENT as error:
            raise self._unavailable(key, error) from error
        return model.model_validate_json(entry.value or b""), int(entry.revision or 0)

    async def create(self, key: str, value: BaseModel) -> int:
        """Writes a key that must not exist; returns its revision.

        Raises:
            Conflict: it exists.
        """
        kv = await self._bucket()
        try:
            return await kv.create(key, _encoded(value))
        except KeyWrongLastSequenceError as error:
            raise Conflict(f"{self._name}/{key} exists") from error
        except _TRANSIENT as error:
            raise self._unavailable(key, error) from error

    async def update(self, key: str, value: BaseModel, revision: int) -> int:
        """Writes a key that must still be at `revision`; returns the new one.

        Raises:
            Conflict: somebody else wrote it.
        """
        kv = await self._bucket()
        try:
            return await kv.update(key, _encoded(value), last=revision)
        except KeyWrongLastSequenceError as error:
            raise Conflict(f"{self._name}/{key} changed") from error
        except _TRANSIENT as error:
            raise self._unavailable(key, error) from error

    async def put(self, key: str, value: BaseModel) -> int:
        """Writes a key whatever it holds."""
        kv = await self._bucket()
        try:
            return await kv.put(key, _encoded(value))
        except _TRANSIENT as error:
            raise self._unavailable(key, error) from error

    async def change(self, key: str, model: type[T], step: Callable[[T], T | None]) -> T | None:
        """Applies a pure step by compare-and-set, again and again until it wins.

        Args:
            step: gets the current value, returns the new one, or None to leave it.

        Returns:
            The new value, or None when nothing was changed or the key is missing.
        """
        while True:
            found = await self.get(key, model)
            if found is None:
                return None
            current, revision = found
            wanted = step(current)
            if wanted is None or wanted == current:
                return None
            try:
                await self.update(key, wanted, revision)
            except Conflict:
                continue
            return wanted

    async def delete(self, key: str) -> None:
        """Removes a key; a missing one is no error."""
        kv = await self._bucket()
        try:
            await kv.purge(key)
        except (KeyNotFoundError, NotFoundError):
            return
        except _TRANSIENT as error:
            raise self._unavailable(key, error) from error

    async def _entries(self, prefix: str, *, keys_only: bool) -> AsyncIterator[KeyValue.Entry]:
        kv = await self._bucket()
        try:
            # Not `kv.keys(filters=...)`, which fetches every key and matches substrings: the server filters a watch.
            watcher = await kv.watch(f"{prefix}>", ignore_deletes=True, meta_only=keys_only)
            try:
                while (entry := await watcher.updates(timeout=5)) is not None:  # type: ignore[no-untyped-call]
                    yield entry
            finally:
                await watcher.stop()  # type: ignore[no-untyped-call]
        except _TRANSIENT as error:
            raise self._unavailable(prefix, error) from error

    async def keys(self, prefix: str = "") -> list[str]:
        """All keys under a prefix that ends with a dot (all keys without one), sorted."""
        return sorted({entry.key async for entry in self._entries(prefix, keys_only=True)})

    async def values(self, model: type[T], prefix: str = "") -> list[T]:
        """All values under a prefix that ends with a dot, in key order."""
        found = {entry.key: entry.value async for entry in self._entries(prefix, keys_only=False)}
        return [model.model_validate_json(found[key] or b"") for key in sorted(found)]
