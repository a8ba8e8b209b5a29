"""Model servers in simulated time, and a client that keeps them as busy as a limit allows."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count, pairwise

from vhb_inference_agent.engine_metrics import EngineMetrics
from vhb_inference_agent.runner.adaptive import AdaptiveLimit


class Server:
    """Requests share its speed: `speed(n)` is how fast each of `n` goes on; `places` limits how many do."""

    def __init__(
        self,
        speed: Callable[[int], float],
        seconds: float = 1.0,
        places: int = 10_000,
        spread: float = 0.0,
        cache: float = 1e9,
        seed: int = 1,
    ) -> None:
        self.speed, self.seconds, self.places, self.spread = speed, seconds, places, spread
        self.cache = cache
        """Requests that its memory holds; more are thrown out and computed again."""
        self.preemptions = 0
        self.random = random.Random(seed)
        self.done = 0.0
        self.running: list[tuple[float, int]] = []
        self.waiting: list[int] = []

    def put(self, request: int) -> None:
        self.waiting.append(request)
        self._admit()

    def _admit(self) -> None:
        while self.waiting and len(self.running) < self.places:
            demand = self.seconds * self.random.uniform(1 - self.spread, 1 + self.spread)
            heapq.heappush(self.running, (self.done + demand, self.waiting.pop(0)))
            self.preemptions += len(self.running) > self.cache

    def next_in(self) -> float:
        if not self.running:
            return float("inf")
        return (self.running[0][0] - self.done) / self.speed(len(self.running))

    def advance(self, seconds: float) -> None:
        if self.running:
            self.done += seconds * self.speed(len(self.running))

    def pop(self) -> int | None:
        if self.running and self.running[0][0] <= self.done + 1e-9:
            request = heapq.heappop(self.running)[1]
            self._admit()
            return request
        return None


@dataclass
class RateLimit:
    """A bucket of tokens: a request without one is refused."""

    per_s: float
    burst: float
    at: float = 0.0
    refusals: int = 0

    def __post_init__(self) -> None:
        self.tokens = self.burst

    def accept(self, now: float) -> bool:
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.per_s)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return True
        self.refusals += 1
        return False


@dataclass
class Seen:
    """What happened in a simulation."""

    finished_at: list[float] = field(default_factory=list)
    limits: list[tuple[float, int]] = field(default_factory=list)
    queue: list[tuple[float, int]] = field(default_factory=list)

    def rate(self, since: float, until: float) -> float:
        return sum(since <= at < until for at in self.finished_at) / (until - since)

    def limit_at(self, time: float) -> int:
        return [limit for at, limit in self.limits if at <= time][-1]

    def limits_between(self, since: float, until: float) -> list[int]:
        return [self.limit_at(since)] + [limit for at, limit in self.limits if since < at < until]

    def mean_waiting(self, since: float, until: float) -> float:
        """Over time: what was noted holds until the next note."""
        notes = [note for note in self.queue if since <= note[0] < until]
        spans = pairwise(notes)
        return sum(waiting * (later - at) for (at, waiting), (later, _) in spans) / (until - since)


class Simulation:
    """A client with work without end. `events` are called at their times: (seconds, what to do)."""

    def __init__(
        self,
        server: Server,
        most: int = 256,
        *,
        fixed: int | None = None,
        metrics_every_s: float | None = None,
        rate_limit: RateLimit | None = None,
        retry_after_s: float | None = 1.0,
    ) -> None:
        self.now = 0.0
        self.server = server
        self.control = AdaptiveLimit(most, clock=lambda: self.now)
        self.fixed = fixed
        self.metrics_every_s = metrics_every_s
        self.rate_limit = rate_limit
        self.retry_after_s = retry_after_s
        self.seen = Seen()
        self.events: list[tuple[float, Callable[[], None]]] = []
        self._started: dict[int, float] = {}
        self._numbers = count()
        self._retries: list[float] = []

    def run(self, seconds: float) -> Seen:
        read_at = self.metrics_every_s or float("inf")
        self.events.sort(key=lambda event: event[0])
        while self.now < seconds:
            self._start()
            times = [self.now + self.server.next_in(), read_at, seconds]
            times += [event[0] for event in self.events[:1]] + self._retries[:1]
            if self.control.not_before > self.now:
                times.append(self.control.not_before)
            until = min(times)
            self.server.advance(until - self.now)
            self.now = until
            while self._retries and self._retries[0] <= self.now:
                heapq.heappop(self._retries)
            while (request := self.server.pop()) is not None:
                self._finish(request)
            if self.now >= read_at:
                read_at += self.metrics_every_s or 0
                self.control.engine(
                    EngineMetrics(
                        engine="vllm",
                        running=len(self.server.running),
                        waiting=len(self.server.waiting),
                        cache_usage=min(1, len(self.server.running) / self.server.cache),
                        preemptions=self.server.preemptions,
                    ),
                    len(self._started),
                )
            while self.events and self.events[0][0] <= self.now:
                self.events.pop(0)[1]()
            self._note()
        return self.seen

    def _start(self) -> None:
        limit = self.fixed or self.control.limit
        while len(self._started) < limit and self.now >= self.control.not_before:
            if self.rate_limit is not None and not self.rate_limit.accept(self.now):
                heapq.heappush(self._retries, self.now + (self.retry_after_s or 0.5))
                self.control.refused(self.retry_after_s)
                if self.fixed or self.retry_after_s is None:
                    break
                continue
            request = next(self._numbers)
            self.control.started(len(self._started))
            self._started[request] = self.now
            self.server.put(request)

    def _finish(self, request: int) -> None:
        self.seen.finished_at.append(self.now)
        took_s = self.now - self._started.pop(request)
        self.control.completed(took_s, 1.0, in_flight=len(self._started), wanted=True)

    def _note(self) -> None:
        if not self.seen.limits or self.seen.limits[-1][1] != self.control.limit:
            self.seen.limits.append((self.now, self.control.limit))
        self.seen.queue.append((self.now, len(self.server.waiting)))
