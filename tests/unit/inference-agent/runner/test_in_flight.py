"""What is in flight, counted with a clock of the test's own."""

from contextlib import ExitStack

import pytest

from vhb_inference_agent.runner.in_flight import InFlight, Owner

ONE, OTHER = Owner("job", "one"), Owner("job", "other")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_request_seconds_are_exact_and_split_by_run(clock: Clock) -> None:
    counted = InFlight(clock)
    with ExitStack() as first:
        first.enter_context(counted.request(ONE))
        clock.now += 2
        with counted.request(ONE), counted.request(OTHER):
            clock.now += 3
            assert counted.now == 3
        clock.now += 1
        taken = counted.take()
        assert taken[ONE] == (9.0, 2, 1)  # 6 s + 3 s; one of the two came back
        assert taken[OTHER] == (3.0, 1, 1)
        clock.now += 4
        assert counted.take() == {ONE: (4.0, 1, 0)}
    assert counted.take() == {ONE: (0.0, 1, 1)}
    assert counted.take() == {}


def test_an_attempt_that_breaks_off_is_in_flight_but_not_finished(clock: Clock) -> None:
    counted = InFlight(clock)
    with pytest.raises(OSError), counted.request(ONE):
        clock.now += 5
        raise OSError
    assert counted.take() == {ONE: (5.0, 1, 0)}
    assert counted.longest_silence_s == 0 and counted.now == 0


def test_silence_counts_from_the_last_sign_of_life_while_something_is_in_flight(clock: Clock) -> None:
    counted = InFlight(clock)
    clock.now += 1000
    assert counted.silence_s() == 0
    with counted.request(ONE):
        clock.now += 7
        counted.progress()
        clock.now += 4
        assert (counted.silence_s(), counted.longest_silence_s) == (4, 7)
        clock.now += 60
        counted.forgive()
        assert (counted.silence_s(), counted.longest_silence_s) == (0, 7)
    clock.now += 50
    assert counted.silence_s() == 0


def test_requests_that_time_out_one_after_the_other_are_one_silence(clock: Clock) -> None:
    counted = InFlight(clock)
    with pytest.raises(TimeoutError), counted.request(ONE):
        clock.now += 30
        raise TimeoutError
    clock.now += 1000  # nobody asks
    with counted.request(ONE):
        clock.now += 5
        assert counted.silence_s() == 35
    with counted.request(ONE):
        assert counted.silence_s() == 0
