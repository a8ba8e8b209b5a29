"""The whole service in this process, over a story's bus, asked by real HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from story import Story

from vhb_api.access.roles import Role
from vhb_api.access.tokens import Tokens
from vhb_api.app import setup
from vhb_api.db.database import Database
from vhb_shared.bus.connection import make_broker
from vhb_shared.bus.service import Service


class Said(NamedTuple):
    """A response."""

    status: int
    headers: Any
    body: bytes
    json: Any


@dataclass
class Interface:
    """Asks the service."""

    address: str
    admin: str
    tokens: Tokens
    session: aiohttp.ClientSession
    told: Story
    database: Database

    def token(self, role: Role) -> str:
        """A token of a role, made anew."""
        return self.tokens.make(f"{role} {len(self.tokens.all())}", role)

    async def ask(
        self, method: str, path: str, *, token: str | None = "", headers: dict[str, str] | None = None, **options: Any
    ) -> Said:
        """A request below /api/v1 (or from the root with `//`), as the administrator unless a token is named."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token or self.admin}"
        url = self.address + (path[1:] if path.startswith("//") else f"/api/v1{path}")
        async with self.session.request(method, url, headers=sent, allow_redirects=False, **options) as response:
            body = await response.read()
            json = await response.json(content_type=None) if "json" in response.content_type and body else None
            return Said(response.status, response.headers, body, json)

    async def get(self, path: str, **options: Any) -> Any:
        """The JSON of a successful answer."""
        said = await self.ask("GET", path, **options)
        assert said.status == 200, said
        return said.json

    async def until(self, job_id: str, status: str) -> Any:
        """The job, as soon as the database says so of it."""
        import asyncio

        async with asyncio.timeout(20):
            while True:
                said = await self.ask("GET", f"/jobs/{job_id}")
                if said.status == 200 and said.json["status"] == status:
                    return said.json
                await asyncio.sleep(0.05)


@asynccontextmanager
async def interface(
    told: Story, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: str
) -> AsyncIterator[Interface]:
    """Started; stopped afterwards."""
    (folder / "data").mkdir(exist_ok=True)
    admin = "t" * 43
    (folder / "admin.token").write_text(admin)
    wanted = {
        "DATABASE": f"sqlite:///{folder}/api.db",
        "PORT": "0",
        "ADDRESS_FILE": str(folder / "api.address"),
        "ADMIN_TOKEN_FILE": str(folder / "admin.token"),
        "DATA_DIR": str(folder / "data"),
        "WORK_DIR": str(folder / "files"),
    } | settings
    for name, value in wanted.items():
        monkeypatch.setenv(f"VHB_API_{name}", value)
    broker = make_broker(told.server.settings, "api-broker", graceful_timeout_s=1)
    async with setup(Service("api", told.bus, broker, told.store)):
        address = (folder / "api.address").read_text()
        database = Database(wanted["DATABASE"])
        async with aiohttp.ClientSession() as session:
            yield Interface(address, admin, Tokens(database), session, told, database)
        database.close()
