"""The service as a process: started, killed, started again; its database by command."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from story import Story


def environment(told: Story, folder: Path, **settings: str) -> dict[str, str]:
    """What the service is given."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("VHB_")}
    return inherited | {
        "VHB_NATS_URL": told.server.settings.nats_url,
        "VHB_NATS_CREDS": str(told.server.settings.nats_creds),
        "VHB_STORE_DIR": str(folder / "store"),
        "VHB_API_DATABASE": f"sqlite:///{folder}/api/vhb.db",
        "VHB_API_PORT": "0",
        **settings,
    }


@contextmanager
def service(told: Story, folder: Path, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Running; killed afterwards."""
    with (folder / "api.log").open("ab") as log:
        command = [sys.executable, "-m", "vhb_api"]
        process = subprocess.Popen(
            command, env=environment(told, folder, **settings), cwd=folder, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def statuses(folder: Path, wanted: int) -> list[str]:
    """Of the jobs in the database, as soon as there are so many that have ended."""
    give_up = time.monotonic() + 60
    while True:
        try:
            with closing(sqlite3.connect(folder / "api" / "vhb.db")) as database:
                found = [status for (status,) in database.execute("SELECT status FROM jobs ORDER BY job_id")]
        except sqlite3.OperationalError:
            found = []
        if len(found) >= wanted and "running" not in found:
            return found
        assert time.monotonic() < give_up, (found, (folder / "api.log").read_text())
        await asyncio.sleep(0.1)


async def test_a_killed_service_goes_on_where_it_was_and_a_lost_database_comes_back(
    told: Story, tmp_path: Path
) -> None:
    with service(told, tmp_path):
        await told.complete("one")
        assert await statuses(tmp_path, 1) == ["completed"]
    await told.complete("two")
    with service(told, tmp_path) as process:
        assert await statuses(tmp_path, 2) == ["completed", "completed"]
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) == 0
    assert (tmp_path / "api" / "vhb.db").stat().st_mode & 0o077 == 0
    for file in (tmp_path / "api").iterdir():
        file.unlink()
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "vhb", "api", "rebuild"],
        env=environment(told, tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"The database was made anew from {len(await told.stream())} events.\n"
    assert await statuses(tmp_path, 2) == ["completed", "completed"]


async def test_a_database_that_is_not_there_yet_is_waited_for(
    told: Story, fresh_postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server refuses one connection too many: to the service it is away."""
    from sqlalchemy import text

    from vhb_api.app import opened_database
    from vhb_api.db.database import Database
    from vhb_api.settings import ApiSettings
    from vhb_shared.errors import Unavailable

    name = fresh_postgres.partition("?")[0].rpartition("/")[2]
    server = Database(fresh_postgres.replace(f"/{name}?", "/postgres?"))

    def allow(connections: int) -> None:
        with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {bool(connections)}"))

    settings = ApiSettings(database=fresh_postgres)
    await asyncio.to_thread(allow, 0)
    with pytest.raises(Unavailable, match="does not answer"):
        async with opened_database(settings):
            pass
    opening = opened_database(settings, 30)
    task = asyncio.create_task(opening.__aenter__())
    await asyncio.sleep(0.5)
    assert not task.done()
    await asyncio.to_thread(allow, 1)
    async with asyncio.timeout(20):
        database = await task
    with database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM jobs")).scalar() == 0
    await opening.__aexit__(None, None, None)
    server.close()


async def test_an_address_of_no_database_is_a_sentence(told: Story, tmp_path: Path) -> None:
    env = environment(told, tmp_path) | {"VHB_API_DATABASE": "mysql://me:secret@host/name"}
    command = [sys.executable, "-m", "vhb_api"]
    done = await asyncio.to_thread(subprocess.run, command, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "VHB_API_DATABASE: expected sqlite:///FILE" in done.stderr and "secret" not in done.stderr
