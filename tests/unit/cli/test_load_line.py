"""What `vhb watch` says of the backends of a job."""

from typing import Any

import pytest

from vhb import watching
from vhb.display import load_line
from vhb.watching import JobView
from vhb_shared.contracts.live import BackendTelemetry

GIB = 1 << 30


def said(session: str = "a", **more: Any) -> BackendTelemetry:
    known = {"backend_id": "b", "model": "m", "agent_id": "x", "replica": 0, "in_flight": 4, "requests_per_s": 1.0}
    return BackendTelemetry(job_id="j", session=session, **(known | more))


def test_only_what_is_known_is_said() -> None:
    assert load_line([]) == ""
    assert load_line([said()]) == "4 in flight"


def test_sessions_are_added_up() -> None:
    one = said("a", device_use=0.5, device_memory_used=10 * GIB, device_memory_total=24 * GIB, tokens_per_s=100.0)
    other = said("b", device_use=1.0, device_memory_used=20 * GIB, device_memory_total=80 * GIB, engine_waiting=3.0)
    assert load_line([one, other]) == ("8 in flight (3 in the engine's queue), 100 tokens/s, GPU 75 %, 30.0 of 104 GiB")


def test_sessions_that_fell_silent_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(watching.time, "monotonic", lambda: now)
    view = JobView()
    view.measured(said("a"))
    now += watching.TELEMETRY_S / 2
    view.measured(said("b"))
    view.measured(said("b", in_flight=9))
    assert [each.in_flight for each in view.telemetry] == [4, 9]
    now += watching.TELEMETRY_S * 3 / 4
    assert [each.session for each in view.telemetry] == ["b"]
