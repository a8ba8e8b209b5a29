"""Tokens: made, known, revoked. Blocking."""

import hashlib
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select

from vhb_api.access.roles import Role
from vhb_api.db.database import Database
from vhb_api.db.tables import TokenRow
from vhb_shared.errors import Conflict, NotFound, UserError

PREFIX = "vhb_"
"""So that scanners find a token that was committed by mistake."""
FIRST = "first-admin"
_SHORTEST = 32
_OF_FILE = "file-"


class Bearer(NamedTuple):
    """Who makes a request."""

    token_id: str
    name: str
    role: Role


class Tokens:
    """The tokens of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(self, name: str, role: Role) -> str:
        """A new token: shown now, and known by its hash only from then on.

        Raises:
            Conflict: there is one of that name.
        """
        token = PREFIX + secrets.token_urlsafe(32)
        self._add(name, role, token)
        return token

    def first(self) -> str | None:
        """An administrator's token, where there is none of any kind yet; None where there is."""
        with self._database.reading() as session:
            if session.scalar(select(TokenRow.token_id).limit(1)) is not None:
                return None
        try:
            return self.make(FIRST, "admin")
        except Conflict:
            return None  # another process was quicker

    def owner(self) -> str | None:
        """Id of the first administrator's token, as long as it is good."""
        with self._database.reading() as session:
            wanted = select(TokenRow.token_id).where(TokenRow.name == FIRST, TokenRow.revoked_at.is_(None))
            return session.scalar(wanted)

    def take_from(self, file: Path) -> None:
        """Makes the token in a file an administrator's, and ends those that were in such a file before.

        Raises:
            UserError: the file cannot be read, or holds too little.
        """
        try:
            token = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"VHB_API_ADMIN_TOKEN_FILE: {file} cannot be read as a token ({error}).") from None
        if len(token) < _SHORTEST:
            raise UserError(f"VHB_API_ADMIN_TOKEN_FILE: {file} should hold {_SHORTEST} random characters at least.")
        if self.known(token) is None:
            name = f"{_OF_FILE}{_hash(token)[:12]}"
            try:
                self._add(name, "admin", token)
            except Conflict:
                if self.known(token) is None:  # else another process was quicker
                    raise UserError(
                        f"VHB_API_ADMIN_TOKEN_FILE: the token in {file} was revoked; write another one there."
                    ) from None
        with self._database.writing() as session:
            former = TokenRow.name.startswith(_OF_FILE) & (TokenRow.hash != _hash(token))
            for row in session.scalars(select(TokenRow).where(former, TokenRow.revoked_at.is_(None))):
                row.revoked_at = datetime.now(UTC)
            session.flush()

    def known(self, token: str) -> Bearer | None:
        """Whose token it is; None where it is nobody's, or was revoked."""
        with self._database.reading() as session:
            row = session.scalar(select(TokenRow).where(TokenRow.hash == _hash(token), TokenRow.revoked_at.is_(None)))
            return _bearer(row) if row is not None else None

    def all(self) -> list[TokenRow]:
        """All of them, the revoked ones too, oldest first."""
        with self._database.reading() as session:
            return list(session.scalars(select(TokenRow).order_by(TokenRow.created_at, TokenRow.token_id)))

    def revoke(self, token_id: str) -> None:
        """Ends a token; its name stays taken, as the audit log names it.

        Raises:
            NotFound: there is none.
        """
        with self._database.writing() as session:
            row = session.get(TokenRow, token_id)
            if row is None:
                raise NotFound(f"token {token_id}")
            row.revoked_at = row.revoked_at or datetime.now(UTC)
            session.flush()

    def _add(self, name: str, role: Role, token: str) -> None:
        with self._database.writing() as session:
            if session.scalar(select(TokenRow.token_id).where(TokenRow.name == name)) is not None:
                raise Conflict(f"a token is named {name!r} already")
            token_id = secrets.token_hex(6)
            now = datetime.now(UTC)
            session.add(
                TokenRow(token_id=token_id, name=name, role=role, hash=_hash(token), created_at=now, revoked_at=None)
            )
            session.flush()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _bearer(row: TokenRow) -> Bearer:
    return Bearer(row.token_id, row.name, row.role)
