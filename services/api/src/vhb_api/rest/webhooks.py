"""Webhooks: for administrators, as their addresses may be secrets themselves."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from vhb_api.db import queries
from vhb_api.rest.context import Admin, Ctx
from vhb_api.rest.pages import Cursor, Limit, Page, place_of, written
from vhb_api.rest.problems import Failed, documented
from vhb_api.webhooks.subscriptions import url_of
from vhb_shared.contracts.events import EVENTS

router = APIRouter(prefix="/webhooks", tags=["webhooks"], responses=documented())

KINDS = tuple(event.what for event in EVENTS)
State = Literal["waiting", "delivered", "failed"]
WebhookId = Annotated[str, Path(max_length=40)]
DeliveryId = Annotated[str, Path(max_length=60)]


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of event; docs/events.md lists them")
    return kind


Name = Annotated[str, Field(min_length=1, max_length=100)]
Url = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(url_of)]
Kinds = Annotated[
    list[Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(KINDS)})]],
    Field(min_length=1, max_length=len(KINDS)),
]
JobName = Annotated[str | None, Field(min_length=1, max_length=200, description="A part of the job's name.")]
Model = Annotated[str | None, Field(min_length=1, max_length=200)]


class NewWebhook(BaseModel):
    """Who is to be told of what."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    url: Url
    kinds: Kinds
    job_name: JobName = None
    model: Model = None
    judges: bool = False
    """Whether jobs that metrics ask are of interest too."""
    enabled: bool = True


class ChangedWebhook(BaseModel):
    """What is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    url: Url | None = None
    kinds: Kinds | None = None
    job_name: JobName = None
    model: Model = None
    judges: bool | None = None
    enabled: bool | None = None

    @model_validator(mode="after")
    def _complete(self) -> "ChangedWebhook":
        for name in self.model_fields_set - {"job_name", "model"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null; leave it out where it should stay")
        return self


class WebhookEntry(BaseModel):
    """A webhook, without its secret."""

    model_config = ConfigDict(from_attributes=True)

    webhook_id: str
    name: str
    url: str
    kinds: list[str]
    job_name: str | None
    model: str | None
    judges: bool
    enabled: bool
    disabled_reason: str | None
    """Where the service itself disabled it."""
    created_at: datetime
    failing_since: datetime | None
    """The first failure after the last success."""
    last_success_at: datetime | None
    former_until: datetime | None
    """Until when the secret before signs too."""


class MadeWebhook(WebhookEntry):
    """A webhook with its secret, shown this once."""

    secret: str


class DeliveryEntry(BaseModel):
    """An event on its way."""

    model_config = ConfigDict(from_attributes=True)

    delivery_id: str
    """The `webhook-id`."""
    event_id: str
    what: str
    job_id: str | None
    created_at: datetime
    state: State
    due_at: datetime
    """When it is sent next, while it waits."""
    attempts: int
    attempted_at: datetime | None
    status: int | None
    """Of the latest response."""
    error: str | None
    seconds: float | None


class DeliveryDetails(DeliveryEntry):
    """With what was sent and how the response begins."""

    body: str
    response: str | None


class Since(BaseModel):
    """From when on."""

    since: AwareDatetime


class Replayed(BaseModel):
    """How many deliveries are sent again."""

    count: int


@router.get("")
async def list_webhooks(context: Ctx, who: Admin) -> list[WebhookEntry]:
    """All of them; there are 50 at most."""
    return [WebhookEntry.model_validate(row) for row in await asyncio.to_thread(context.webhooks.all)]


@router.post("", status_code=201, responses=documented(409))
async def make_webhook(asked: NewWebhook, context: Ctx, who: Admin) -> MadeWebhook:
    """Make one; its secret is in this answer and in no other."""
    row, secret = await asyncio.to_thread(context.webhooks.make, asked.model_dump())
    return _made(row, secret)


@router.get("/{webhook_id}")
async def show_webhook(webhook_id: WebhookId, context: Ctx, who: Admin) -> WebhookEntry:
    """One of them."""
    return WebhookEntry.model_validate(await asyncio.to_thread(context.webhooks.one, webhook_id))


@router.patch("/{webhook_id}", responses=documented(409))
async def change_webhook(webhook_id: WebhookId, asked: ChangedWebhook, context: Ctx, who: Admin) -> WebhookEntry:
    """Change what is named."""
    values = asked.model_dump(exclude_unset=True)
    row = await asyncio.to_thread(context.webhooks.change, webhook_id, values)
    context.dispatcher.wake()
    return WebhookEntry.model_validate(row)


@router.delete("/{webhook_id}", status_code=204, response_class=Response)
async def remove_webhook(webhook_id: WebhookId, context: Ctx, who: Admin) -> None:
    """End it, with its deliveries."""
    await asyncio.to_thread(context.webhooks.remove, webhook_id)


@router.post("/{webhook_id}/secret", responses=documented(409))
async def renew_secret(webhook_id: WebhookId, context: Ctx, who: Admin) -> MadeWebhook:
    """Make a new secret; the one before signs beside it for a day."""
    row, secret = await asyncio.to_thread(context.webhooks.renew_secret, webhook_id)
    return _made(row, secret)


@router.post("/{webhook_id}/ping", status_code=202)
async def ping(webhook_id: WebhookId, context: Ctx, who: Admin) -> DeliveryEntry:
    """Send a test; look at the delivery for what came of it."""
    row = await asyncio.to_thread(context.deliveries.ping, webhook_id)
    context.dispatcher.wake()
    return DeliveryEntry.model_validate(row)


@router.post("/{webhook_id}/replay")
async def replay_failed(webhook_id: WebhookId, asked: Since, context: Ctx, who: Admin) -> Replayed:
    """Send all again that could not be delivered since a time."""
    count = await asyncio.to_thread(context.deliveries.replay_failed, webhook_id, asked.since)
    context.dispatcher.wake()
    return Replayed(count=count)


@router.get("/{webhook_id}/deliveries")
async def list_deliveries(
    webhook_id: WebhookId,
    context: Ctx,
    who: Admin,
    state: Annotated[list[State] | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[DeliveryEntry]:
    """Its deliveries, the latest first; settled ones are kept for 30 days."""
    place = place_of(cursor, str, str)
    try:
        below = (queries.moment(place[0]), str(place[1])) if place is not None else None
    except (ValueError, OverflowError):
        raise Failed(400, "This cursor is none that was given out: leave it away to begin anew.") from None
    rows = await asyncio.to_thread(context.deliveries.page, webhook_id, state or (), below, limit + 1)
    more = None
    if len(rows) > limit:
        more = written(rows[limit - 1].created_at.isoformat(), rows[limit - 1].delivery_id)
    items = [DeliveryEntry.model_validate(row) for row in rows[:limit]]
    return Page[DeliveryEntry](items=items, next=more)


@router.get("/{webhook_id}/deliveries/{delivery_id}")
async def show_delivery(webhook_id: WebhookId, delivery_id: DeliveryId, context: Ctx, who: Admin) -> DeliveryDetails:
    """One of them, with what was sent and how the response begins."""
    return DeliveryDetails.model_validate(await asyncio.to_thread(context.deliveries.one, webhook_id, delivery_id))


@router.post("/{webhook_id}/deliveries/{delivery_id}/replay", responses=documented(409))
async def replay(webhook_id: WebhookId, delivery_id: DeliveryId, context: Ctx, who: Admin) -> DeliveryEntry:
    """Send one again, under its id."""
    row = await asyncio.to_thread(context.deliveries.replay, webhook_id, delivery_id)
    context.dispatcher.wake()
    return DeliveryEntry.model_validate(row)


def _made(row: Any, secret: str) -> MadeWebhook:
    return MadeWebhook.model_validate({**WebhookEntry.model_validate(row).model_dump(), "secret": secret})
