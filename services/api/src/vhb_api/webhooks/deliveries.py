"""The log of deliveries: looked at, sent again, forgotten in time. Blocking."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from vhb_api.db.database import Database
from vhb_api.db.webhook_tables import DeliveryRow, WebhookRow
from vhb_api.webhooks import outbox
from vhb_api.webhooks.queue import PING
from vhb_shared.errors import Conflict, NotFound

KEPT = timedelta(days=30)
_PIECE = 2000
"""Rows removed in one transaction."""


class Deliveries:
    """The deliveries of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, webhook_id: str, states: Sequence[str], below: tuple[datetime, str] | None, limit: int
    ) -> list[DeliveryRow]:
        """Of one receiver, the latest first.

        Raises:
            NotFound: there is no such receiver.
        """
        query = select(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id)
        if states:
            query = query.where(DeliveryRow.state.in_(states))
        if below is not None:
            at, delivery_id = below
            older = DeliveryRow.created_at < at
            query = query.where(older | ((DeliveryRow.created_at == at) & (DeliveryRow.delivery_id < delivery_id)))
        query = query.order_by(DeliveryRow.created_at.desc(), DeliveryRow.delivery_id.desc())
        with self._database.reading() as session:
            _existing(session, webhook_id)
            return list(session.scalars(query.limit(limit)))

    def one(self, webhook_id: str, delivery_id: str) -> DeliveryRow:
        """One of them.

        Raises:
            NotFound: there is none.
        """
        with self._database.reading() as session:
            return _delivery(session, webhook_id, delivery_id)

    def ping(self, webhook_id: str) -> DeliveryRow:
        """A delivery that says nothing but that it is one; sent once, also where the receiver is disabled.

        Raises:
            NotFound: there is no such receiver.
        """
        now = datetime.now(UTC)
        with self._database.writing() as session:
            row = _existing(session, webhook_id)
            event_id = f"ping:{secrets.token_hex(8)}"
            data = {"webhook_id": webhook_id, "name": row.name}
            kind = f"org.vlmhyperbench.{PING}.v1"
            body = outbox.cloud_event(event_id, kind, "/vlmhyperbench/api", now.isoformat(), webhook_id, data)
            values = outbox.waiting(webhook_id, event_id, PING, body, now)
            session.execute(insert(DeliveryRow), [values])
            return session.get_one(DeliveryRow, values["delivery_id"])

    def replay(self, webhook_id: str, delivery_id: str) -> DeliveryRow:
        """Sends one again, under its id, whatever became of it.

        Raises:
            NotFound: there is none.
            Conflict: it is being sent just now.
        """
        now = datetime.now(UTC)
        with self._database.writing() as session:
            row = _delivery(session, webhook_id, delivery_id)
            if row.leased_until is not None and row.leased_until > now:
                raise Conflict("it is being sent just now")
            row.state, row.due_at, row.attempts = "waiting", now, 0
            session.flush()
            return row

    def replay_failed(self, webhook_id: str, since: datetime) -> int:
        """Sends all again that failed, of events that came since then; those that wait for another attempt go at once.

        Returns:
            How many.

        Raises:
            NotFound: there is no such receiver.
        """
        now = datetime.now(UTC)
        tried = (DeliveryRow.attempts > 0) & DeliveryRow.leased_until.is_(None)
        unsent = (DeliveryRow.state == "failed") | ((DeliveryRow.state == "waiting") & tried)
        wanted = (DeliveryRow.webhook_id == webhook_id) & (DeliveryRow.created_at >= since) & unsent
        with self._database.writing() as session:
            _existing(session, webhook_id)
            count = session.scalar(select(func.count()).select_from(DeliveryRow).where(wanted)) or 0
            session.execute(update(DeliveryRow).where(wanted).values(state="waiting", due_at=now, attempts=0))
            return count

    def waiting(self) -> int:
        """How many wait, to whomever."""
        query = select(func.count()).select_from(DeliveryRow).where(DeliveryRow.state == "waiting")
        with self._database.reading() as session:
            return session.scalar(query) or 0

    def prune(self) -> None:
        """Removes what has been settled for long, in pieces: others write in between."""
        old = (DeliveryRow.state != "waiting") & (DeliveryRow.due_at < datetime.now(UTC) - KEPT)
        ids: Sequence[str] = ("",)
        while ids:
            with self._database.writing() as session:
                ids = session.scalars(select(DeliveryRow.delivery_id).where(old).limit(_PIECE)).all()
                session.execute(delete(DeliveryRow).where(DeliveryRow.delivery_id.in_(ids)))


def _existing(session: Session, webhook_id: str) -> WebhookRow:
    row = session.get(WebhookRow, webhook_id)
    if row is None:
        raise NotFound(f"webhook {webhook_id}")
    return row


def _delivery(session: Session, webhook_id: str, delivery_id: str) -> DeliveryRow:
    row = session.get(DeliveryRow, delivery_id)
    if row is None or row.webhook_id != webhook_id:
        raise NotFound(f"delivery {delivery_id} of webhook {webhook_id}")
    return row
