"""Which port an embedded management plane gets."""

import socket
from contextlib import ExitStack

import pytest

from vhb.embedded import ports


@pytest.fixture(autouse=True)
def usual(monkeypatch: pytest.MonkeyPatch) -> int:
    """A usual port that nobody else uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    monkeypatch.setattr(ports, "USUAL_PORT", port)
    return port


def test_the_usual_port_is_for_one_stack_at_a_time(usual: int) -> None:
    with ExitStack() as first:
        assert ports.port_for(first) == usual
        with ExitStack() as second:  # the first one does not listen yet
            other = ports.port_for(second)
            assert other != usual and other > 0
    with ExitStack() as later:
        assert ports.port_for(later) == usual


def test_where_somebody_listens_it_is_another(usual: int) -> None:
    with socket.create_server(("127.0.0.1", usual)), ExitStack() as held:
        assert ports.port_for(held) not in (usual, 0)
