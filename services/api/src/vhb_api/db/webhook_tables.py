"""Tables of the webhooks. Not of the projection: a rebuild leaves them."""

from datetime import datetime

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from vhb_api.db.tables import Base


class WebhookRow(Base):
    """Who wants to be told of what."""

    __tablename__ = "webhooks"

    webhook_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    url: Mapped[str]
    kinds: Mapped[list[str]]
    job_name: Mapped[str | None]
    """A part of it."""
    model: Mapped[str | None]
    judges: Mapped[bool]
    """Whether jobs that metrics ask are of interest."""
    enabled: Mapped[bool]
    disabled_reason: Mapped[str | None]
    """Where the service itself disabled it."""
    created_at: Mapped[datetime]
    key_name: Mapped[str]
    """Of the service's key that the secret was made from."""
    secret_round: Mapped[int]
    """Counts its secrets; none of them is kept."""
    former_until: Mapped[datetime | None]
    """Until when the secret before signs too."""
    failing_since: Mapped[datetime | None]
    """The first failure after the last success."""
    last_success_at: Mapped[datetime | None]


class DeliveryRow(Base):
    """An event on its way to one of them; written before it is sent."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("deliveries_due", "state", "due_at"),
        Index("deliveries_by_webhook_state", "webhook_id", "state", "due_at"),
        Index("deliveries_by_webhook", "webhook_id", "created_at", "delivery_id"),
    )

    delivery_id: Mapped[str] = mapped_column(primary_key=True)
    """The `webhook-id`: follows from the receiver and the event, so that neither repeats nor a restored database make
    another one."""
    webhook_id: Mapped[str]
    event_id: Mapped[str]
    what: Mapped[str]
    job_id: Mapped[str | None]
    place: Mapped[int] = mapped_column(BigInteger)
    """Of the event in the stream: what is due at the same time is sent in this order."""
    body: Mapped[str]
    created_at: Mapped[datetime]
    state: Mapped[str]
    """waiting, delivered or failed."""
    due_at: Mapped[datetime]
    attempts: Mapped[int]
    leased_by: Mapped[str | None]
    """The process that sends it just now."""
    leased_until: Mapped[datetime | None]
    attempted_at: Mapped[datetime | None]
    status: Mapped[int | None]
    """Of the latest response."""
    error: Mapped[str | None]
    response: Mapped[str | None]
    """How it begins."""
    seconds: Mapped[float | None]
