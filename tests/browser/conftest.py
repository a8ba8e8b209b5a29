"""The page in Debian's Chromium, over a stack of its own that `vhb up` started; every test here is slow."""

import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
sys.path.insert(0, str(Path(__file__).parent))

from person import typed, write_folder
from visitors import Stack, Visitors

from vhb_shared.testing.chromium import chromium
from vhb_shared.testing.endpoint_process import EndpointProcess

HERE = Path(__file__).parent
TOP = HERE.parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def built() -> None:
    """The page as the sources are now."""
    done = subprocess.run(["make", "-s", "web"], cwd=TOP, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


@pytest.fixture(scope="module")
def stack(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with its page, for the tests of one file; `folder` holds a data set of 6 samples in `few`."""
    folder = tmp_path_factory.mktemp("page")
    write_folder(folder / "few", 6)
    with typed("up", "--no-browser", cwd=folder) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("ready")
        said = {}
        give_up = time.monotonic() + 200  # a busy machine takes a minute and more
        while "token" not in said and time.monotonic() < give_up:
            line = process.stderr.readline()
            if line.startswith("REST interface: "):
                said["address"] = line.removeprefix("REST interface: ").split()[0].removesuffix("/api/v1")
            elif line.startswith("Its administrator's token"):
                said["token"] = line.rpartition(" ")[2].strip()
        yield Stack(said["address"], said["token"], folder, process)


@pytest.fixture(scope="module")
def stand_in() -> Iterator[EndpointProcess]:
    with EndpointProcess() as process:
        yield process


@pytest.fixture
def endpoint(stand_in: EndpointProcess) -> EndpointProcess:
    """A model behind the OpenAI-compatible protocol, well-behaved and with no requests counted."""
    stand_in.control(reset=True, rules=[], delay_ms=0, api_key=None, echo=False)
    return stand_in


@pytest.fixture
async def visitors(stack: Stack) -> AsyncIterator[Visitors]:
    """Browsers on the stack's page; whatever a test does, none of them may have complained."""
    async with chromium() as browser:
        made = Visitors(browser, stack)
        yield made
        made.check()
