"""In CI a test that is skipped has failed: everything it needs is installed there. Fixtures that all tests share."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from vhb_shared.testing import docker_engine as engines
from vhb_shared.testing import real_vllm as vllm_engine
from vhb_shared.testing.real_vllm import RealVllm

WITH_ENGINE = (
    "tests/containers/",
    "tests/integration/containers/",
    "tests/integration/engines/",
    "tests/conformance/test_environments.py",
)


class ByFile(LoadFileScheduling):
    """Files to workers as `--dist loadfile` does it; all that needs a container engine or a real vLLM goes to one of
    them, first: the first such test starts the engine, and its worker ends it."""

    def _split_scope(self, nodeid: str) -> str:
        return "with engine" if nodeid.startswith(WITH_ENGINE) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def docker_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A container engine at the default socket: the one that runs, else one for this session."""
    try:
        with engines.docker_engine(tmp_path_factory.mktemp("docker") / "dockerd.log"):
            yield
    except engines.NoEngine as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def base_image(docker_engine: None) -> str:
    """An image with Debian, Python 3.11 and venv; made once per machine."""
    try:
        return engines.base_image(Path(__file__).parents[1] / "deploy" / "images" / "base.sh")
    except engines.NoEngine as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def real_vllm() -> RealVllm:
    """A real vLLM (CPU build), installed once per machine."""
    try:
        return vllm_engine.real_vllm()
    except vllm_engine.NoRealEngine as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def tiny_vlm(real_vllm: RealVllm) -> Path:
    """The folder of a tiny vision-language model with random weights."""
    return real_vllm.tiny_vlm()


@pytest.fixture(scope="session")
def vllm_image(real_vllm: RealVllm, base_image: str) -> str:
    """An image with that vLLM as `vllm`, made once per engine."""
    try:
        return real_vllm.image(base_image)
    except vllm_engine.NoRealEngine as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def docker_network(docker_engine: None) -> Iterator[str]:
    """The name of a network for this session's containers, and of the agent and the volume that tests use: what is in
    that network, what that agent builds, and that volume are removed at the end."""
    with engines.network() as name:
        yield name
