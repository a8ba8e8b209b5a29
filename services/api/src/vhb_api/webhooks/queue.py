"""What is due, who sends it, and what came of it. Blocking.

A process takes deliveries for a time (a lease) and sends them; nobody else does meanwhile. Where it dies, the time
passes and another one, or the same started again, sends them under the same id.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from vhb_api.db.database import Database
from vhb_api.db.webhook_tables import DeliveryRow, WebhookRow
from vhb_api.webhooks.schedule import GIVE_UP_S, delay_s
from vhb_api.webhooks.sender import Answer

log = structlog.get_logger(__name__)

AT_ONCE = 4
"""Deliveries on their way to one receiver, over all processes: a slow one takes no more than that from the others."""
PING = "ping"


@dataclass(frozen=True)
class Taken:
    """A delivery that this process sends."""

    delivery_id: str
    webhook_id: str
    url: str
    body: str
    key_name: str
    rounds: tuple[int, ...]
    """Of the secrets that sign it."""


class Queue:
    """The deliveries of one database, as one process sees them.

    Args:
        database: it.
        owner: the process.
        lease_s: longer than an attempt takes.
    """

    def __init__(self, database: Database, owner: str, lease_s: float) -> None:
        self._database = database
        self._owner = owner
        self._lease = timedelta(seconds=lease_s)
        self._chance = random.Random()  # noqa: S311 - spreads, keeps no secret

    def is_due(self) -> bool:
        """Whether there may be something to send; waits for no writer."""
        query = (
            select(DeliveryRow.delivery_id)
            .join(WebhookRow, WebhookRow.webhook_id == DeliveryRow.webhook_id)
            .where(_due(datetime.now(UTC)), or_(WebhookRow.enabled, DeliveryRow.what == PING))
        )
        with self._database.reading() as session:
            return session.scalar(query.limit(1)) is not None

    def turn(self, answers: Sequence[tuple[Taken, Answer]], busy: Collection[str], take: bool) -> list[Taken]:
        """Writes down what came of attempts, and takes what is due; in one transaction.

        Args:
            answers: of this process's attempts.
            busy: ids that this process is at.
            take: whether to.
        """
        now = datetime.now(UTC)
        with self._database.writing() as session:
            for taken, answer in answers:
                self._settle(session, taken, answer, now)
            session.flush()
            return self._take(session, busy, now) if take else []

    def release(self) -> None:
        """Gives back what this process has taken and not sent."""
        mine = update(DeliveryRow).where(DeliveryRow.state == "waiting", DeliveryRow.leased_by == self._owner)
        with self._database.writing() as session:
            session.execute(mine.values(leased_by=None, leased_until=None))

    def _take(self, session: Session, busy: Collection[str], now: datetime) -> list[Taken]:
        waiting = DeliveryRow.state == "waiting"
        leased = dict(
            session.execute(
                select(DeliveryRow.webhook_id, func.count())
                .where(waiting, DeliveryRow.leased_until > now)
                .group_by(DeliveryRow.webhook_id)
            ).all()
        )
        taken: list[Taken] = []
        for webhook in session.scalars(select(WebhookRow).order_by(WebhookRow.webhook_id)):
            room = AT_ONCE - leased.get(webhook.webhook_id, 0)
            if room <= 0:
                continue
            wanted = select(DeliveryRow).where(DeliveryRow.webhook_id == webhook.webhook_id, _due(now))
            if not webhook.enabled:
                wanted = wanted.where(DeliveryRow.what == PING)
            ordered = wanted.order_by(DeliveryRow.due_at, DeliveryRow.place, DeliveryRow.delivery_id)
            for row in session.scalars(ordered.limit(room + len(busy))):
                if row.delivery_id in busy or room <= 0:
                    continue
                room -= 1
                row.leased_by, row.leased_until = self._owner, now + self._lease
                taken.append(_taken(webhook, row, now))
        session.flush()
        return taken

    def _settle(self, session: Session, taken: Taken, answer: Answer, now: datetime) -> None:
        row = session.get(DeliveryRow, taken.delivery_id)
        if row is None or row.leased_by != self._owner:
            return  # removed meanwhile; or it took so long that it is another one's
        row.leased_by = row.leased_until = None
        row.attempts += 1
        row.attempted_at = now
        row.status, row.error, row.response, row.seconds = answer.status, answer.error, answer.response, answer.seconds
        webhook = session.get(WebhookRow, row.webhook_id)
        if answer.ok:
            row.state = "delivered"
            if webhook is not None:
                webhook.failing_since, webhook.last_success_at = None, now
            return
        delay = None if row.what == PING else delay_s(row.attempts, answer.retry_after_s, self._chance)
        row.state = "failed" if delay is None else "waiting"
        row.due_at = now + timedelta(seconds=delay or 0)
        if webhook is not None and row.what != PING:
            _note_failure(webhook, answer, now)


def _note_failure(webhook: WebhookRow, answer: Answer, now: datetime) -> None:
    webhook.failing_since = webhook.failing_since or now
    if not webhook.enabled:
        return
    if answer.status == 410:
        webhook.disabled_reason = "It answered 410 (Gone): it wants no more."
    elif (now - webhook.failing_since).total_seconds() > GIVE_UP_S:
        webhook.disabled_reason = f"Nothing was taken for {GIVE_UP_S // 86400} days; the last time: {answer.error}"
    else:
        return
    webhook.enabled = False
    log.error("webhook_disabled", webhook_id=webhook.webhook_id, name=webhook.name, reason=webhook.disabled_reason)


def _due(now: datetime) -> ColumnElement[bool]:
    free = or_(DeliveryRow.leased_until.is_(None), DeliveryRow.leased_until <= now)
    return (DeliveryRow.state == "waiting") & (DeliveryRow.due_at <= now) & free


def _taken(webhook: WebhookRow, row: DeliveryRow, now: datetime) -> Taken:
    former = webhook.former_until is not None and webhook.former_until > now
    rounds = (webhook.secret_round, webhook.secret_round - 1) if former else (webhook.secret_round,)
    return Taken(row.delivery_id, webhook.webhook_id, webhook.url, row.body, webhook.key_name, rounds)
