"""A story on a real bus, and the databases it is written to."""

import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).parent))

from interface import Interface, interface
from story import Story, story

from vhb_api.db.database import Database
from vhb_api.db.migrate import migrate
from vhb_shared.testing.postgres_server import NoPostgres, postgres_server


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Story]:
    async with story(tmp_path) as started:
        yield started


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    try:
        with tempfile.TemporaryDirectory(prefix="vhb-pg-") as folder, postgres_server(Path(folder)) as address:
            yield address
    except NoPostgres as reason:
        pytest.skip(str(reason))


@pytest.fixture
def fresh_postgres(postgres: str) -> str:
    """A database of its own on the server."""
    name = f"t{uuid.uuid4().hex}"
    server = Database(postgres)
    with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    server.close()
    return postgres.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path}/db/vhb.db")
    else:
        made = Database(request.getfixturevalue("fresh_postgres"))
    migrate(made)
    yield made
    made.close()


@pytest.fixture
async def api(told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Interface]:
    async with interface(told, tmp_path, monkeypatch) as started:
        yield started
