"""A real nats-server for each test."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from vhb_shared.bus.client import Bus
from vhb_shared.testing.nats_server import provisioned_bus, running_server


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    async with running_server(tmp_path / "nats") as server, provisioned_bus(server) as connected:
        yield connected
