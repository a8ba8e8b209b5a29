"""When a backend hangs, and when memory is nearly used up."""

import pytest

from vhb_inference_agent.telemetry.devices import DeviceReading
from vhb_inference_agent.telemetry.hangs import HangJudge, Signs
from vhb_inference_agent.telemetry.pressure import MemoryPressure


def verdict(silence_s: float, *, answers: bool, busy: bool | None, longest_s: float = 0, checks: int = 2) -> str | None:
    judge = HangJudge(after_s=20)
    signs = Signs(silence_s, longest_s, 300, busy)
    for _ in range(checks):
        if judge.wants_check(signs):
            judge.checked(answers)
    return judge.verdict(signs)


@pytest.mark.parametrize(
    ("silence_s", "answers", "busy", "longest_s", "hangs"),
    [
        (19, False, False, 0, False),
        (21, False, False, 0, True),  # frozen
        (21, False, True, 0, False),  # its event loop is blocked by a long prompt
        (21, False, None, 0, False),  # nobody knows whether it computes
        (899, False, True, 0, False),
        (901, False, True, 0, True),
        (901, False, None, 0, True),
        (60, False, False, 30, False),  # it has been silent for 30 s before and was well
        (91, False, False, 30, True),
        (21, True, False, 0, False),
        (301, True, False, 0, True),  # it has lost our requests
        (301, True, False, 40, False),
        (100_000, True, True, 0, False),  # slow, and alive
        (100_000, True, None, 0, False),
    ],
)
def test_verdicts(silence_s: float, answers: bool, busy: bool | None, longest_s: float, hangs: bool) -> None:
    said = verdict(silence_s, answers=answers, busy=busy, longest_s=longest_s)
    assert (said is not None) is hangs
    if said is not None:
        assert f"{silence_s:.0f} s" in said


def test_one_lost_health_check_is_not_enough() -> None:
    assert verdict(500, answers=False, busy=False, checks=1) is None


def test_a_sign_of_life_begins_it_anew() -> None:
    judge = HangJudge(after_s=20)
    silent, lively = Signs(25, 0, 300, False), Signs(1, 25, 300, False)
    assert judge.wants_check(silent)
    judge.checked(False)
    assert not judge.wants_check(lively)
    assert judge.wants_check(Signs(100, 25, 300, False))
    judge.checked(False)
    assert not judge.suspicious
    assert judge.verdict(Signs(100, 25, 300, False)) is None


def device(share: float) -> DeviceReading:
    return DeviceReading(uuid="GPU", memory_used=int(share * 1000), memory_total=1000)


def test_pressure_is_said_once_until_it_is_over() -> None:
    pressure = MemoryPressure()
    assert pressure.look(host=(94, 100), backend=None, devices=()) == frozenset()
    assert pressure.look(host=(95, 100), backend=(96, 100), devices=()) == {"host", "backend"}
    assert pressure.look(host=(93, 100), backend=(96, 100), devices=()) == frozenset()
    assert pressure.high == {"host", "backend"}, "it hovers"
    assert pressure.look(host=(91, 100), backend=(96, 100), devices=()) == frozenset()
    assert pressure.high == {"backend"}
    assert pressure.look(host=(95, 100), backend=None, devices=()) == {"host"}


def test_engines_that_take_nine_tenths_of_a_device_are_not_pressed() -> None:
    pressure = MemoryPressure()
    assert pressure.look(host=None, backend=None, devices=(device(0.95), device(0.2))) == frozenset()
    assert pressure.look(host=None, backend=None, devices=(device(0.2), device(0.99))) == {"device"}
    assert pressure.look(host=None, backend=None, devices=()) == frozenset()
    assert pressure.high == frozenset()
