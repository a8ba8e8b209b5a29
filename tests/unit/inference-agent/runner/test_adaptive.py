"""The limit on requests in flight, against model servers in simulated time."""

from __future__ import annotations

import pytest

from vhb_inference_agent.engine_metrics import EngineMetrics
from vhb_inference_agent.runner.adaptive import FIRST, AdaptiveLimit, work_of

from .simulated import RateLimit, Server, Simulation

SEEDS = range(4)
METRICS = pytest.mark.parametrize("metrics_every_s", [None, 1.0], ids=["blind", "metrics"])


def same(running: int) -> float:
    return 1.0


def fixed(places: int, seed: int, seconds: float = 1.0) -> Server:
    """A server with so many workers and a queue before them."""
    return Server(same, seconds, places=places, spread=0.3, seed=seed)


def batching(seed: int, half: float = 24, places: int = 10_000) -> Server:
    """An engine: every request slows all others, the throughput saturates; half of the most at `half` requests."""
    return Server(lambda running: 1 / (1 + running / half), 1.0, places=places, spread=0.3, seed=seed)


def thrashing(knee: int, seed: int) -> Server:
    """An engine whose memory holds so many: beyond, it computes again what it threw out."""
    return Server(
        lambda running: 1.0 if running <= knee else (knee / running) ** 2, 1.0, spread=0.3, cache=knee, seed=seed
    )


@METRICS
@pytest.mark.parametrize("places", [3, 24, 200])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_fixed_capacity_is_used_and_its_queue_stays_short(
    places: int, seed: int, metrics_every_s: float | None
) -> None:
    seen = Simulation(fixed(places, seed), metrics_every_s=metrics_every_s).run(150)
    assert seen.rate(60, 150) > 0.9 * places
    assert seen.mean_waiting(60, 150) <= max(16, 2 * places)
    if metrics_every_s:
        assert seen.mean_waiting(60, 150) <= max(4, 0.3 * places)


@METRICS
@pytest.mark.parametrize("seed", SEEDS)
def test_an_engine_that_saturates_slowly_is_filled_although_answers_grow_slower(
    seed: int, metrics_every_s: float | None
) -> None:
    seen = Simulation(batching(seed), metrics_every_s=metrics_every_s).run(200)
    best = 24 * 256 / (24 + 256)
    assert seen.rate(100, 200) > 0.9 * best


@METRICS
@pytest.mark.parametrize("seed", SEEDS)
def test_an_engine_with_a_largest_batch(seed: int, metrics_every_s: float | None) -> None:
    seen = Simulation(batching(seed, half=50, places=64), metrics_every_s=metrics_every_s).run(150)
    assert seen.rate(60, 150) > 0.9 * 50 * 64 / (50 + 64)
    assert seen.mean_waiting(60, 150) < 64


@METRICS
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("knee", [40, 100])
def test_beyond_its_knee_an_engine_is_not_pushed(knee: int, seed: int, metrics_every_s: float | None) -> None:
    seen = Simulation(thrashing(knee, seed), metrics_every_s=metrics_every_s).run(150)
    assert seen.rate(60, 150) > 0.85 * knee


@pytest.mark.parametrize(("per_s", "seconds"), [(100, 0.3), (20, 0.5), (10, 2.0)])
def test_a_rate_limited_api_gets_what_it_allows_with_few_refusals(per_s: float, seconds: float) -> None:
    simulation = Simulation(Server(same, seconds, spread=0.3), rate_limit=RateLimit(per_s, burst=per_s))
    seen = simulation.run(120)
    assert seen.rate(60, 120) > 0.9 * per_s
    assert simulation.rate_limit is not None
    assert simulation.rate_limit.refusals < 0.05 * len(seen.finished_at)


def test_start_is_fast_and_a_linear_server_is_given_all() -> None:
    seen = Simulation(Server(same, 1.0), most=64).run(20)
    assert seen.limit_at(6.5) == 64  # 8, 16, 32, 64: a round each
    assert set(seen.limits_between(7, 20)) == {64}
    told = Simulation(Server(same, 10.0), most=64, metrics_every_s=1.0).run(8)
    assert told.limit_at(8) == 64  # before the first answer


def test_it_does_not_swing_wildly() -> None:
    seen = Simulation(fixed(24, 1)).run(300)
    limits = seen.limits_between(100, 300)
    assert len(limits) < 40
    assert max(limits) <= 4 * 24 and min(limits) >= 12


def test_capacity_that_is_lost_and_comes_back_is_followed() -> None:
    server = fixed(64, 1)
    simulation = Simulation(server)

    def shrink() -> None:
        server.places = 8

    def grow() -> None:
        server.places = 64

    simulation.events = [(60, shrink), (160, grow)]
    seen = simulation.run(400)
    assert seen.mean_waiting(120, 160) < 32
    assert seen.rate(300, 400) > 0.9 * 64


@pytest.mark.parametrize("most", [1, 2, 4])
def test_a_small_cap_is_exact_and_stays(most: int) -> None:
    seen = Simulation(Server(same, 1.0, spread=0.3), most=most, metrics_every_s=1.0).run(120)
    assert {limit for _, limit in seen.limits} == {most}


def test_one_in_flight_stays_one_whatever_happens() -> None:
    control = AdaptiveLimit(1, clock=lambda: 0.0)
    control.refused(1.0)
    control.failed()
    control.failed()
    control.restarted()
    control.engine(EngineMetrics(engine="vllm", running=0, waiting=50), 1)
    for _ in range(100):
        control.completed(0.01, 1.0, in_flight=0, wanted=True)
    assert control.limit == 1


class Told:
    """A control with a clock of the test's own."""

    def __init__(self, most: int = 64) -> None:
        self.now = 100.0
        self.control = AdaptiveLimit(most, clock=lambda: self.now)

    def round(self, latency_s: float = 1.0, wanted: bool = True) -> None:
        """As many requests as are allowed, all at once."""
        self.now += latency_s
        for _ in range(self.control.limit):
            self.control.completed(latency_s, 1.0, in_flight=self.control.limit - 1, wanted=wanted)


def test_retry_after_pauses_everybody_only_when_it_is_said_twice() -> None:
    told = Told()
    told.control.refused(3.0)
    assert told.control.wait_s() <= 0 and told.control.limit < FIRST
    told.now += 1
    limit = told.control.limit
    told.control.refused(3.0)
    assert told.control.wait_s() == 3.0
    assert told.control.limit == limit, "one step down for what was sent together"


def test_one_poisonous_request_does_not_slow_the_others() -> None:
    told = Told()
    for _ in range(4):
        told.round()
    limit = told.control.limit
    told.control.failed()
    assert told.control.limit == limit
    for _ in range(limit):
        told.control.failed()
    assert told.control.limit == limit // 2


def test_work_that_runs_out_says_nothing_about_the_backend() -> None:
    told = Told()
    for _ in range(10):
        told.round(wanted=False)
    assert told.control.limit == FIRST


def test_a_break_without_work_is_not_taken_for_slowness() -> None:
    told = Told()
    told.round()
    told.now += 1
    told.control.completed(1.0, 1.0, in_flight=0, wanted=False)
    told.now += 3600
    told.control.started(0)
    for _ in range(4):
        told.round()
    assert told.control.limit == 64 and told.control.rate > 10


def test_a_backend_that_slows_down_is_seen_before_its_round_ends() -> None:
    told = Told(most=8)
    for _ in range(6):
        told.round(0.5)
    assert told.control.rate > 10
    told.now += 20
    assert told.control.rate < 1


def test_after_a_restart_it_starts_small_and_returns_to_where_it_was() -> None:
    told = Told(most=32)
    for _ in range(6):
        told.round()
    assert told.control.limit == 32
    told.control.restarted()
    told.control.restarted()  # every request that broke off says so
    assert told.control.limit == FIRST
    for _ in range(6):
        told.round()
    assert told.control.limit == 32


def test_preemptions_take_it_down() -> None:
    told = Told()
    for _ in range(4):
        told.round()
    limit = told.control.limit
    told.control.engine(EngineMetrics(engine="vllm", running=limit, waiting=0, preemptions=0), limit)
    told.control.engine(EngineMetrics(engine="vllm", running=limit, waiting=0, preemptions=5), limit)
    assert told.control.limit < limit


def test_work_is_what_the_endpoint_counts() -> None:
    assert work_of(None, None) == 1
    assert work_of(160, 10) == 20
    assert work_of(None, 0) == 1


def test_memory_that_is_nearly_used_up_takes_the_limit_down_once_at_a_time() -> None:
    now = 0.0
    control = AdaptiveLimit(64, first=40, clock=lambda: now)
    control.pressed()
    assert control.limit == 30
    control.pressed()
    assert control.limit == 30, "what was taken away has not taken effect yet"
    now += 10
    control.pressed()
    assert control.limit == 22
    alone = AdaptiveLimit(1, clock=lambda: now)
    alone.pressed()
    assert alone.limit == 1
