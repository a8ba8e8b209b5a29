"""Writes down what has to be delivered, in the transaction that takes the events in. Blocking.

An event is delivered when it first comes into the database. What comes again is known there already, so it makes no
second delivery; what a rebuild reads is compared with what was known before it.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, MetaData, Table, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from vhb_api.db.database import dialect_name
from vhb_api.db.tables import EventRow
from vhb_api.db.types import CleanText
from vhb_api.db.webhook_tables import DeliveryRow, WebhookRow
from vhb_api.projection.recorded import Recorded
from vhb_api.webhooks.matching import Matcher
from vhb_shared.contracts.events import Event

MOST_WAITING = 20_000
"""Deliveries that may wait for one receiver."""
_CHUNK = 200
_KNOWN = Table("webhooks_known", MetaData(), Column("id", CleanText(), primary_key=True), prefixes=["TEMPORARY"])


class Outbox:
    """Of one transaction: asked before its events are taken in, and told afterwards.

    Args:
        session: a writer's transaction.
        known: where ids of events are that were known before; None: the events of the database.
    """

    def __init__(self, session: Session, known: Table | None = None) -> None:
        self._session = session
        self._known = known
        enabled = select(WebhookRow).where(WebhookRow.enabled).order_by(WebhookRow.webhook_id)
        self._webhooks = list(session.scalars(enabled))
        for row in self._webhooks:
            session.expunge(row)  # else each batch would read them anew

    @classmethod
    def of_rebuild(cls, session: Session) -> "Outbox":
        """For a rebuild, before the events are emptied: it delivers only what had never been taken in."""
        _KNOWN.create(session.connection())
        session.execute(insert(_KNOWN).from_select(["id"], select(EventRow.id)))
        return cls(session, _KNOWN)

    def close(self) -> None:
        """Ends a rebuild that went well; one that did not takes back what was made for it."""
        if self._known is not None:
            self._known.drop(self._session.connection())

    def fresh(self, batch: Sequence[Recorded]) -> list[Recorded]:
        """Events of a batch that come for the first time, as far as anybody may want them."""
        kinds = {kind for row in self._webhooks for kind in row.kinds}
        firsts: dict[str, Recorded] = {}
        for one in sorted(batch, key=lambda one: one.seq):
            if one.event.what in kinds:
                firsts.setdefault(one.event.id, one)
        there = self._there(tuple(firsts))
        return [one for id_, one in firsts.items() if id_ not in there]

    def write(self, fresh: Sequence[Recorded]) -> None:
        """Makes a delivery of each for everybody who wants it, as soon as the rows of their jobs are written."""
        if not fresh:
            return
        matcher = Matcher(self._session, self._webhooks)
        now = datetime.now(UTC)
        rows = [
            delivery(row, one, now) for one in fresh for row in matcher.wanting(one.event) if self._is_for(row, one)
        ]
        if not rows:
            return
        dialect: Any = postgresql if dialect_name(self._session) == "postgresql" else sqlite
        self._session.execute(dialect.insert(DeliveryRow.__table__).on_conflict_do_nothing(), rows)
        self._bound({row["webhook_id"] for row in rows})

    def _is_for(self, row: WebhookRow, one: Recorded) -> bool:
        # A rebuild, also that of another bus, brings everything that is stored.
        return self._known is None or one.time > row.created_at

    def _there(self, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for start in range(0, len(ids), _CHUNK):
            part = ids[start : start + _CHUNK]
            found.update(self._session.scalars(select(EventRow.id).where(EventRow.id.in_(part))))
            if self._known is not None:
                found.update(self._session.scalars(select(self._known.c.id).where(self._known.c.id.in_(part))))
        return found

    def _bound(self, webhook_ids: Collection[str]) -> None:
        waiting = (
            select(DeliveryRow.webhook_id, func.count())
            .where(DeliveryRow.state == "waiting", DeliveryRow.webhook_id.in_(webhook_ids))
            .group_by(DeliveryRow.webhook_id)
        )
        for webhook_id, count in self._session.execute(waiting).all():
            if count > MOST_WAITING:
                row = self._session.get_one(WebhookRow, webhook_id)
                row.enabled = False
                row.disabled_reason = f"More than {MOST_WAITING:,} deliveries wait: it takes fewer than there are."
        self._session.flush()


def delivery(webhook: WebhookRow, one: Recorded, now: datetime) -> dict[str, Any]:
    """The row of an event on its way."""
    event = one.event
    return waiting(
        webhook.webhook_id, event.id, event.what, body(event, one.source, one.time.isoformat()), now,
        job_id=event.job_id, place=one.seq,
    )  # fmt: skip


def waiting(
    webhook_id: str, event_id: str, what: str, body: str, now: datetime, job_id: str | None = None, place: int = 0
) -> dict[str, Any]:
    """A row that is due now."""
    digest = hashlib.sha256(f"{webhook_id}\0{event_id}".encode()).hexdigest()
    return {
        "delivery_id": f"msg_{digest[:32]}",
        "webhook_id": webhook_id,
        "event_id": event_id,
        "what": what,
        "job_id": job_id,
        "place": place,
        "body": body,
        "created_at": now,
        "state": "waiting",
        "due_at": now,
        "attempts": 0,
    }


def body(event: Event, source: str, time: str) -> str:
    """The CloudEvent in JSON, as `vhb events --json` shows it."""
    return cloud_event(event.id, event.type, source, time, event.key or event.job_id, event.model_dump(mode="json"))


def cloud_event(id_: str, type_: str, source: str, time: str, subject: str, data: dict[str, Any]) -> str:
    """CloudEvents 1.0, structured mode."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": id_,
            "source": source,
            "type": type_,
            "time": time,
            "subject": subject,
            "datacontenttype": "application/json",
            "data": data,
        }
    )
