"""An agent on another host joins with the files of its bundle, one command, and outgoing connections only.

The other host is a network namespace: it reaches the deployment over one address, and a firewall drops whatever would
come in from there.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from bus_server import role_server

from vhb.deployment.layout import Layout
from vhb.deployment.write import Wishes, write_deployment
from vhb_shared.contracts.state import AgentInfo

_OURS, _THEIRS = "10.213.77.1", "10.213.77.2"
_NAMESPACE = f"vhb-test-{os.getpid()}"
_LINK = f"vhbt{os.getpid() % 100_000}"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


@contextmanager
def _other_host() -> Iterator[tuple[str, ...]]:
    """The start of commands that run there."""
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("iptables"):
        pytest.skip("network namespaces need root, iproute2 and iptables")
    inside = ("ip", "netns", "exec", _NAMESPACE)
    try:
        _ip("netns", "add", _NAMESPACE)
        _ip("link", "add", _LINK, "type", "veth", "peer", "name", "eth0", "netns", _NAMESPACE)
        _ip("addr", "add", f"{_OURS}/30", "dev", _LINK)
        _ip("link", "set", _LINK, "up")
        _ip("-n", _NAMESPACE, "addr", "add", f"{_THEIRS}/30", "dev", "eth0")
        _ip("-n", _NAMESPACE, "link", "set", "eth0", "up")
        _ip("-n", _NAMESPACE, "link", "set", "lo", "up")
        rule = ("-i", "eth0", "-m", "conntrack", "--ctstate", "NEW", "-j", "DROP")
        subprocess.run([*inside, "iptables", "-A", "INPUT", *rule], check=True, capture_output=True, timeout=30)
        yield inside
    finally:
        for undo in (("netns", "del", _NAMESPACE), ("link", "del", _LINK)):
            with suppress(subprocess.CalledProcessError):
                _ip(*undo)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_an_agent_joins_from_another_host_with_its_bundle_alone(tmp_path: Path) -> None:
    with _other_host() as inside:
        wishes = Wishes(agent="gpu-2", nats_url="nats://0.0.0.0:1", s3_endpoint=f"http://{_OURS}:9000")
        write_deployment(tmp_path / "deployment", wishes)
        async with role_server(tmp_path, host=_OURS) as server:
            # The address is known only now: the port is a free one.
            bundle = Layout(tmp_path / "deployment").bundle("gpu-2")
            variables = (bundle / "agent.env").read_text().replace("nats://0.0.0.0:1", server.url)
            there = tmp_path / "there"
            shutil.copytree(bundle, there)
            (there / "agent.env").write_text(variables)
            env = {
                "PATH": os.environ["PATH"],
                "PYTHON": sys.executable,
                "HOME": str(tmp_path / "home"),
                "VHB_AGENT_HOME": str(tmp_path / "home" / "agent"),
            }
            with (tmp_path / "agent.log").open("wb") as log:
                agent = subprocess.Popen(  # noqa: ASYNC220
                    [*inside, "sh", str(there / "join.sh")], env=env, stdout=log, stderr=log, cwd=tmp_path
                )
            try:
                async with server.bus("cli") as bus:
                    known: list[AgentInfo] = []
                    deadline = time.monotonic() + 150
                    while not known and time.monotonic() < deadline and agent.poll() is None:
                        known = await bus.agents.values(AgentInfo)
                        await asyncio.sleep(0.2)
                said = (tmp_path / "agent.log").read_text()
                assert [info.agent_id for info in known] == ["gpu-2"], said
                assert "nats_denied" not in said
            finally:
                agent.send_signal(signal.SIGTERM)
                try:
                    agent.wait(30)
                except subprocess.TimeoutExpired:
                    agent.kill()
                    agent.wait()
