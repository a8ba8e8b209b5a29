"""A real nats-server for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vhb_shared.bus.client import Bus
from vhb_shared.testing.nats_server import NatsServer, provisioned_bus, running_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    async with running_server(tmp_path / "nats") as started:
        yield started


@pytest.fixture
async def bus(server: NatsServer) -> AsyncIterator[Bus]:
    async with provisioned_bus(server) as connected:
        yield connected
