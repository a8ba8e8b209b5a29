"""Secrets of receivers, and signatures with them (Standard Webhooks).

No secret is kept: each is made from the service's key file, when it is needed. Who reads the database cannot sign.
"""

import base64
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from standardwebhooks import Webhook

from vhb_shared.errors import UserError

PREFIX = "whsec_"
_SHORTEST = 32


@dataclass(frozen=True, repr=False)
class SigningKey:
    """The key of the service."""

    key: bytes

    @property
    def name(self) -> str:
        """Tells it from other keys, and says nothing of it."""
        return hashlib.sha256(b"name\0" + self.key).hexdigest()[:16]

    def secret(self, webhook_id: str, round_: int) -> str:
        """The secret of a receiver, in the form that libraries take: `whsec_...`.

        Args:
            webhook_id: whose.
            round_: counts the secrets it had.
        """
        made = hmac.new(self.key, f"webhook\0{webhook_id}\0{round_}".encode(), hashlib.sha256).digest()
        return PREFIX + base64.b64encode(made).decode()


def headers(delivery_id: str, body: str, secrets_: tuple[str, ...], now: datetime) -> dict[str, str]:
    """What a receiver verifies; one signature for each secret that is good.

    Args:
        delivery_id: the same however often it is sent.
        body: what is sent.
        secrets_: of the receiver.
        now: in UTC.
    """
    signatures = (Webhook(secret).sign(delivery_id, now, body) for secret in secrets_)
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def read_key(file: Path | None, database_file: Path | None) -> SigningKey | None:
    """The key of the service; None where nobody said where it is. Blocking.

    Args:
        file: named in the settings.
        database_file: of SQLite: the key then lies beside it, and is made where there is none.

    Raises:
        UserError: it cannot be read or made, or is too short.
    """
    if file is None and database_file is not None:
        file = database_file.with_name(f"{database_file.name}.webhooks-key")
        _make(file)
    if file is None:
        return None
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise UserError(f"VHB_API_WEBHOOKS_KEY_FILE: {file} cannot be read ({error.strerror}).") from None
    if len(key) < _SHORTEST:
        raise UserError(f"VHB_API_WEBHOOKS_KEY_FILE: {file} should hold {_SHORTEST} random characters at least.")
    return SigningKey(key)


def _make(file: Path) -> None:
    if file.exists():
        return
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as written:
            written.write(secrets.token_urlsafe(48))
        try:
            os.link(partial, file)  # whole, and never over another process's
        except FileExistsError:
            pass
        finally:
            partial.unlink()
    except OSError as error:
        raise UserError(f"VHB_API_WEBHOOKS_KEY_FILE: {file} cannot be written ({error.strerror}).") from None
