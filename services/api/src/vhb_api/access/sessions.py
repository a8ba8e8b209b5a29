"""Sessions of browsers: a cookie in place of a token, which the page then need not keep. Blocking.

A login code is a session that cannot be used, only changed for one, once: a page can be opened with it, while what it
is opened by (a command line, a history) may be seen by others later.
"""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from sqlalchemy import Select, delete, select

from vhb_api.access.tokens import Bearer
from vhb_api.db.database import Database
from vhb_api.db.tables import SessionRow, TokenRow

LASTS = timedelta(days=7)
CODE_LASTS = timedelta(minutes=10)


class Sessions:
    """The sessions of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, token_id: str) -> str:
        """A new session of a token's owner: the cookie's value, known by its hash only from then on."""
        return self._add(token_id, LASTS, code=False)

    def code(self, token_id: str) -> str:
        """A login code: good once, for ten minutes."""
        return self._add(token_id, CODE_LASTS, code=True)

    def redeem(self, code: str) -> Bearer | None:
        """Whose login code it is, which ends it; None where it is nobody's, or was used."""
        with self._database.writing() as session:
            found = session.execute(_live(code, code=True)).one_or_none()
            if found is None:
                return None
            session.delete(found[0])
            session.flush()
            return _bearer(found[1])

    def known(self, secret: str) -> Bearer | None:
        """Whose session it is; None where it ended, or its token was revoked."""
        with self._database.reading() as session:
            found = session.execute(_live(secret, code=False)).one_or_none()
            return _bearer(found[1]) if found is not None else None

    def close(self, secret: str) -> None:
        """Ends a session; nothing where there is none."""
        with self._database.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.hash == _hash(secret)))
            session.flush()

    def _add(self, token_id: str, lasts: timedelta, *, code: bool) -> str:
        secret = secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        with self._database.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.expires_at < now))
            session.add(
                SessionRow(hash=_hash(secret), token_id=token_id, created_at=now, expires_at=now + lasts, code=code)
            )
            session.flush()
        return secret


def _live(secret: str, *, code: bool) -> Select[SessionRow, TokenRow]:
    return (
        select(SessionRow, TokenRow)
        .join(TokenRow, TokenRow.token_id == SessionRow.token_id)
        .where(
            SessionRow.hash == _hash(secret),
            SessionRow.code.is_(code),
            SessionRow.expires_at > datetime.now(UTC),
            TokenRow.revoked_at.is_(None),
        )
    )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _bearer(row: TokenRow) -> Bearer:
    return Bearer(row.token_id, row.name, row.role)
