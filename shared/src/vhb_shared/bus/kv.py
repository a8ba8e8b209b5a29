"""Typed key-value state with compare-and-set."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import (
    BucketNotFoundError,
    InvalidKeyError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
    NotFoundError,
)
from nats.js.kv import KeyValue
from pydantic import BaseModel

from vhb_shared.bus.denials import denied
from vhb_shared.errors import Conflict, Unavailable, VhbError

T = TypeVar("T", bound=BaseModel)

READS_AT_ONCE = 64
_STREAM = "KV_{}"
_SUBJECT = "$KV.{}."
_TRANSIENT = (NatsError, asyncio.TimeoutError, OSError)


def _encoded(value: BaseModel) -> bytes:
    # A run's state lists its shards: without defaults it stays under a message's 64 KB.
    return value.model_dump_json(exclude_defaults=True).encode()


class Bucket:
    """One bucket. Every method may raise `Unavailable`."""

    def __init__(self, nc: Client, js: JetStreamContext, name: str) -> None:
        self._nc = nc
        self._js = js
        self._name = name
        self._kv: KeyValue | None = None

    async def _bucket(self) -> KeyValue:
        if self._kv is None:
            try:
                self._kv = await self._js.key_value(self._name)
            except (BucketNotFoundError, *_TRANSIENT) as error:
                raise self._unavailable("*", error) from error
        return self._kv

    def _unavailable(self, key: str, error: BaseException) -> VhbError:
        refused = (
            denied(self._nc, f"$KV.{self._name}.", f".KV_{self._name}") if isinstance(error, TimeoutError) else None
        )
        return refused or Unavailable(f"key-value bucket {self._name}, key {key}: {str(error) or type(error).__name__}")

    async def get(self, key: str, model: type[T]) -> tuple[T, int] | None:
        """The value and its revision; None when there is none."""
        kv = await self._bucket()
        try:
            entry = await kv.get(key)
        except (KeyNotFoundError, NotFoundError, InvalidKeyError):  # what cannot be a key holds nothing
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

    async def keys(self, prefix: str = "") -> list[str]:
        """All keys under a prefix that ends with a dot (all keys without one), sorted."""
        return [key for key, _ in await self._entries(prefix)]

    async def values(self, model: type[T], prefix: str = "") -> list[T]:
        """All values under a prefix that ends with a dot, in key order."""
        return [model.model_validate_json(value) for _, value in await self._entries(prefix)]

    async def on_change(self, heard: Callable[[], None]) -> Subscription:
        """Calls `heard` at each write from now on; a hint only, which an outage swallows."""

        async def callback(_: Msg) -> None:
            heard()

        try:
            return await self._nc.subscribe(f"{_SUBJECT.format(self._name)}>", cb=callback)
        except _TRANSIENT as error:
            raise self._unavailable("*", error) from error

    async def _entries(self, prefix: str) -> list[tuple[str, bytes]]:
        """Keys with values, in key order. Not through a watch, which needs a consumer: whoever may make consumers may
        have the server deliver anywhere."""
        kv = await self._bucket()
        root = _SUBJECT.format(self._name)
        gate = asyncio.Semaphore(READS_AT_ONCE)

        async def read(key: str) -> tuple[str, bytes] | None:
            async with gate:
                try:
                    return key, (await kv.get(key)).value or b""
                except (KeyNotFoundError, NotFoundError):
                    return None  # deleted

        try:
            info = await self._js.stream_info(_STREAM.format(self._name), subjects_filter=f"{root}{prefix}>")
            keys = sorted(subject.removeprefix(root) for subject in info.state.subjects or {})
            found = await asyncio.gather(*(read(key) for key in keys))
        except _TRANSIENT as error:
            raise self._unavailable(prefix or "*", error) from error
        return [entry for entry in found if entry is not None]
