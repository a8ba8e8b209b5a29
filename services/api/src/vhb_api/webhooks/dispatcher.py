"""Sends what is due, until it is told to stop."""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from vhb_api.db.database import Database
from vhb_api.webhooks.deliveries import Deliveries
from vhb_api.webhooks.queue import Queue, Taken
from vhb_api.webhooks.sender import Answer, Sender
from vhb_api.webhooks.settings import WebhookSettings
from vhb_api.webhooks.signing import SigningKey, headers
from vhb_shared.errors import Unavailable

log = structlog.get_logger(__name__)

POLL_S = 1.0
"""How often it is looked whether something is due that nobody of this process knows of."""
GRACE_S = 3.0
"""How long attempts may go on when the service stops."""
_PRUNE_S = 3600.0


class Dispatcher:
    """`async with`: sends until the block ends.

    Args:
        database: with the deliveries.
        settings: of webhooks.
        key: secrets are made from; None: nothing can be signed.
        on_answer: told of each attempt.
    """

    def __init__(
        self,
        database: Database,
        settings: WebhookSettings,
        key: SigningKey | None,
        on_answer: Callable[[Answer], None] = lambda answer: None,
    ) -> None:
        owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._queue = Queue(database, owner, 2 * settings.timeout_s + 2)
        self._deliveries = Deliveries(database)
        self._sender = Sender(settings)
        self._key = key
        self._on_answer = on_answer
        self._woken = asyncio.Event()
        self._answers: list[tuple[Taken, Answer]] = []
        """Attempts that are not written down yet."""
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._pruned_at = 0.0

    def wake(self) -> None:
        """There may be something to send."""
        self._woken.set()

    async def __aenter__(self) -> "Dispatcher":
        await self._sender.__aenter__()
        self._task = asyncio.create_task(self._run(), name="webhooks")
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._sending:
            await asyncio.wait(self._sending.values(), timeout=GRACE_S)
        for task in tuple(self._sending.values()):
            task.cancel()
        await asyncio.gather(*self._sending.values(), return_exceptions=True)
        await self._sender.__aexit__(None, None, None)
        with suppress(Unavailable):
            await asyncio.to_thread(self._queue.turn, tuple(self._answers), (), take=False)
            await asyncio.to_thread(self._queue.release)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self._turn()
                await self._prune()
            except Unavailable as error:
                log.warning("waiting", reason=str(error))
            except Exception:
                log.exception("webhooks_failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._woken.wait()

    async def _turn(self) -> None:
        answers = tuple(self._answers)
        if not answers and not await asyncio.to_thread(self._queue.is_due):
            return
        busy = {*self._sending, *(taken.delivery_id for taken, _ in answers)}
        # Not interrupted between what is written and what is known here.
        found = await asyncio.shield(asyncio.to_thread(self._queue.turn, answers, busy, take=True))
        del self._answers[: len(answers)]
        for taken in found:
            self._sending[taken.delivery_id] = asyncio.create_task(
                self._send(taken), name=f"webhook {taken.webhook_id}"
            )

    async def _send(self, taken: Taken) -> None:
        try:
            answer = await self._attempt(taken)
            self._answers.append((taken, answer))
            self._on_answer(answer)
            log.info(
                "webhook_sent",
                webhook_id=taken.webhook_id,
                delivery_id=taken.delivery_id,
                status=answer.status,
                error=answer.error,
                seconds=round(answer.seconds, 3),
            )
        finally:
            del self._sending[taken.delivery_id]
            self.wake()

    async def _attempt(self, taken: Taken) -> Answer:
        if self._key is None or self._key.name != taken.key_name:
            return Answer(seconds=0, error="The service's key file is another one than before: make a new secret.")
        chosen = tuple(self._key.secret(taken.webhook_id, round_) for round_ in taken.rounds)
        signed = headers(taken.delivery_id, taken.body, chosen, datetime.now(UTC))
        try:
            return await self._sender.send(taken.url, taken.body, signed)
        except Exception as error:
            log.exception("attempt_failed", webhook_id=taken.webhook_id)
            return Answer(seconds=0, error=f"Something is wrong in the service ({type(error).__name__}).")

    async def _prune(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self._pruned_at or now - self._pruned_at > _PRUNE_S:
            await asyncio.to_thread(self._deliveries.prune)
            self._pruned_at = now
