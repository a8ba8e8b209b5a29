"""A story on a real bus, and the databases it is written to."""

import sys
import tempfile
import uuid
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).parent))

from interface import Interface, interface
from receiver import Receiver, receiver
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


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def hooks(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Interface]:
    """One service for all tests here; each tells jobs of its own."""
    folder = tmp_path_factory.mktemp("hooks")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("vhb_api.webhooks.dispatcher.POLL_S", 0.2)
        async with (
            story(folder) as told,
            interface(told, folder, patched, WEBHOOKS_PRIVATE="127.0.0.0/8", WEBHOOKS_TIMEOUT_S="2") as started,
        ):
            yield started


@pytest_asyncio.fixture(loop_scope="module")
async def there(hooks: Interface) -> AsyncIterator[Receiver]:
    async with receiver() as listening:
        yield listening
    for webhook in await hooks.get("/webhooks"):
        await hooks.ask("DELETE", f"/webhooks/{webhook['webhook_id']}")


@pytest_asyncio.fixture(loop_scope="module")
async def job(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Ids of this test's jobs."""
    number = zlib.crc32(request.node.name.encode())
    return lambda name: f"{name}-{number:x}"
