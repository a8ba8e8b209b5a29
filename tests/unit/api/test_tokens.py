"""Tokens that come in a file."""

from pathlib import Path

import pytest

from vhb_api.access.tokens import Tokens
from vhb_api.db.database import Database
from vhb_api.db.migrate import migrate
from vhb_shared.errors import UserError

TOKEN = "t" * 43


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path}/api.db")
    migrate(made)
    return made


def test_two_services_that_start_at_once_take_the_same_file(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "admin.token"
    file.write_text(TOKEN)
    add = Tokens._add

    def after_another(self: Tokens, name: str, role: object, token: str) -> None:
        monkeypatch.setattr(Tokens, "_add", add)
        Tokens(database).take_from(file)
        add(self, name, role, token)  # type: ignore[arg-type]

    monkeypatch.setattr(Tokens, "_add", after_another)
    Tokens(database).take_from(file)
    known = Tokens(database).known(TOKEN)
    assert known is not None and known.role == "admin" and len(Tokens(database).all()) == 1


def test_a_token_that_was_revoked_is_not_taken_again(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "admin.token"
    file.write_text(TOKEN)
    tokens = Tokens(database)
    tokens.take_from(file)
    tokens.revoke(tokens.all()[0].token_id)
    with pytest.raises(UserError, match="was revoked; write another one there"):
        tokens.take_from(file)
