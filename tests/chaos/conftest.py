"""One data set, one endpoint, one stack and one undisturbed reference for all tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import DELAY_MS, SAMPLES, Results, Stack, running, write_documents, write_job

from vhb_shared.testing.endpoint_process import EndpointProcess


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "documents"
    write_documents(folder, SAMPLES)
    return folder


@pytest.fixture(scope="session")
def endpoint() -> Iterator[EndpointProcess]:
    with EndpointProcess(f"--delay-ms={DELAY_MS}") as process:
        yield process


@pytest.fixture
def unhurried(endpoint: EndpointProcess) -> Iterator[EndpointProcess]:
    """The endpoint, answering so slowly that what is broken on a busy machine is broken in the middle of a run."""
    endpoint.control(delay_ms=5 * DELAY_MS)
    yield endpoint
    endpoint.control(delay_ms=DELAY_MS)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("stack") / "work") as started:
        yield started


@pytest.fixture(scope="session")
def job(tmp_path_factory: pytest.TempPathFactory, endpoint: EndpointProcess, documents: Path) -> Path:
    return write_job(tmp_path_factory.mktemp("job") / "job.json", endpoint.base_url, documents, model="stand-in")


@pytest.fixture(scope="session")
def undisturbed(stack: Stack, job: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    results = stack.finished(stack.submit(job), tmp_path_factory.mktemp("reference") / "out")
    assert len(results.answers) == SAMPLES
    assert {outcome for _, _, outcome in results.answers} == {"answered"}
    return results
