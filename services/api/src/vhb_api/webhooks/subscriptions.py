"""Receivers: made, changed, ended; their secrets. Blocking."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from yarl import URL

from vhb_api.db.database import Database
from vhb_api.db.webhook_tables import DeliveryRow, WebhookRow
from vhb_api.submitting.problems import Problem, Refused
from vhb_api.webhooks.addresses import address_of, is_allowed
from vhb_api.webhooks.settings import WebhookSettings
from vhb_api.webhooks.signing import SigningKey
from vhb_shared.errors import Conflict, NotFound, UserError

MOST = 50
OVERLAP = timedelta(hours=24)
"""How long the secret before signs too, after a new one was made."""


class Webhooks:
    """The receivers of one database.

    Args:
        database: it.
        settings: where may be sent to.
        key: secrets are made from; None: there is none.
    """

    def __init__(self, database: Database, settings: WebhookSettings, key: SigningKey | None) -> None:
        self._database = database
        self._settings = settings
        self._key = key

    def all(self) -> list[WebhookRow]:
        """All of them, the oldest first."""
        with self._database.reading() as session:
            return list(session.scalars(select(WebhookRow).order_by(WebhookRow.created_at, WebhookRow.webhook_id)))

    def one(self, webhook_id: str) -> WebhookRow:
        """One of them.

        Raises:
            NotFound: there is none.
        """
        with self._database.reading() as session:
            return _existing(session, webhook_id)

    def make(self, values: Mapping[str, Any]) -> tuple[WebhookRow, str]:
        """A new one, and its secret, which is shown now and can be made anew only.

        Raises:
            Refused: nothing may be sent there.
            UserError: there is no key.
            Conflict: there are too many.
        """
        key = self._signing()
        url = self._checked(values["url"])
        row = WebhookRow(
            **{**values, "url": url},
            webhook_id=f"wh_{secrets.token_hex(8)}",
            created_at=datetime.now(UTC),
            key_name=key.name,
            secret_round=1,
            disabled_reason=None,
            former_until=None,
            failing_since=None,
            last_success_at=None,
        )
        with self._database.writing() as session:
            if (session.scalar(select(func.count()).select_from(WebhookRow)) or 0) >= MOST:
                raise Conflict(f"there are {MOST} webhooks already; remove one first")
            session.add(row)
            session.flush()
        return row, key.secret(row.webhook_id, row.secret_round)

    def change(self, webhook_id: str, values: Mapping[str, Any]) -> WebhookRow:
        """Changes what is named. Who is enabled again begins without a past.

        Raises:
            Refused: nothing may be sent there.
            NotFound: there is none.
        """
        wanted = dict(values)
        if "url" in wanted:
            wanted["url"] = self._checked(wanted["url"])
        with self._database.writing() as session:
            row = _existing(session, webhook_id)
            for name, value in wanted.items():
                setattr(row, name, value)
            if wanted.get("enabled"):
                row.disabled_reason = row.failing_since = None
            session.flush()
            return row

    def renew_secret(self, webhook_id: str) -> tuple[WebhookRow, str]:
        """A new secret; the one before signs beside it for a day.

        Raises:
            UserError: there is no key.
            NotFound: there is no such receiver.
        """
        key = self._signing()
        with self._database.writing() as session:
            row = _existing(session, webhook_id)
            row.former_until = datetime.now(UTC) + OVERLAP if row.key_name == key.name else None
            row.secret_round += 1
            row.key_name = key.name
            session.flush()
        return row, key.secret(row.webhook_id, row.secret_round)

    def remove(self, webhook_id: str) -> None:
        """Ends it, with its deliveries.

        Raises:
            NotFound: there is none.
        """
        with self._database.writing() as session:
            session.delete(_existing(session, webhook_id))
            session.execute(delete(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id))
            session.flush()

    def _signing(self) -> SigningKey:
        if self._key is None:
            raise UserError(
                "Secrets of webhooks are made from a key: name a file of 32 random characters at least in "
                "VHB_API_WEBHOOKS_KEY_FILE, the same for all processes of the service."
            )
        return self._key

    def _checked(self, text: str) -> str:
        url = URL(text)
        if url.scheme == "http" and self._settings.private is False:
            raise _refused(
                "https:// is needed. (http:// is for private networks, where VHB_API_WEBHOOKS_PRIVATE allows it.)"
            )
        try:
            address = address_of(url.host or "")
        except ValueError:
            return str(url)  # a name is looked at when it is sent to, each time
        if not is_allowed(address, self._settings.private):
            raise _refused(
                f"{address} is no public address; VHB_API_WEBHOOKS_PRIVATE names private networks that may be sent to."
            )
        return str(url)


def _refused(why: str) -> Refused:
    return Refused([Problem(message=why, field="url")])


def url_of(text: str) -> str:
    """Reads an address of a receiver.

    Raises:
        ValueError: it is none.
    """
    wrong = ValueError("expected an address like https://host/path, without user, password and #part")
    try:
        url = URL(text)
        fits = bool(url.host) and url.scheme in ("https", "http") and 0 < (url.port or 0) < 65536
    except ValueError:
        raise wrong from None
    if not fits or url.user is not None or url.password is not None or url.fragment:
        raise wrong
    return str(url)


def _existing(session: Session, webhook_id: str) -> WebhookRow:
    row = session.get(WebhookRow, webhook_id)
    if row is None:
        raise NotFound(f"webhook {webhook_id}")
    return row
