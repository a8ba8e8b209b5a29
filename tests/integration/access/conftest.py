"""One server with all roles for each file of tests."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bus_server import RoleServer, role_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RoleServer]:
    async with role_server(tmp_path) as started:
        yield started
