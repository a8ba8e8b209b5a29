"""How many requests may be in flight: found by measuring, changed while the work goes on.

Throughput is measured in rounds of completed requests. First the limit doubles from round to round for as long as that
pays (slow start), then it stays where nearly all throughput is had, and now and then tries a step up, or a step down
where answers have grown slow, and keeps what proved better. Refusals (429), errors, preemptions and a queue in the
engine take it down at once. Why so and not by latency alone: docs/decisions/0070-adaptive-concurrency.md.
"""

import math
import time
from collections.abc import Callable
from typing import Literal

from vhb_inference_agent.engine_metrics import EngineMetrics
from vhb_inference_agent.runner.rounds import Round, Rounds

FIRST = 8
"""Requests in flight at the start."""
DOUBLING_PAYS = 1.07
"""Slow start goes on while twice the requests bring at least so much more."""
NEARLY_ALL = 0.95
"""Of the best throughput seen: the smallest limit that reached it is taken."""
STEP_UP, STEP_DOWN = 1.25, 0.8
UP_PAYS, UP_PAYS_FULLY = 0.15, 0.7
"""Share of a proportional gain that a step up must bring to be kept, and to be followed by doubling again."""
DOWN_COSTS = 0.15
"""Share of a proportional loss that a step down may cost."""
SLOWED = 1.3
"""A step down is tried when answers take so many times the shortest time seen."""
FAR_SLOWED = 2.0
"""The step is half the limit then."""
COLLAPSED, LOST = 1.5, 0.7
"""Answers that take so many times what they took, at that share of the throughput: the backend lost capacity."""
LONGEST_BREAK_ROUNDS = 16
REFUSED, PREEMPTED, OVERRUN = 0.75, 0.9, 0.5
"""What is left of the limit after refusals, after preemptions, and after many failures at once."""
FIRST_HOLD_S, LONGEST_HOLD_S = 10.0, 120.0
"""How long a limit that was refused is not tried again; doubled each time."""
QUEUE_HOLD_S = 5.0
"""The same after a queue in the engine: it is seen again soon enough."""
LONGEST_PAUSE_S = 60.0
IDLE_S = 0.5
"""A break this long, and longer than an answer takes, is a lack of work."""

Phase = Literal["start", "steady", "settle", "probe"]


class AdaptiveLimit:
    """The limit on requests in flight to one backend. Pure: told what happened, asked for `limit` and `not_before`.

    Args:
        most: never more than this; with 1 nothing ever changes.
        first: at the start.
        clock: seconds, monotonic.
    """

    def __init__(self, most: int, first: int = FIRST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self.clock = clock
        self.limit = min(first, most)
        self.not_before = -math.inf
        """When the next request may start, on the clock."""
        self._first = self.limit
        self._phase: Phase = "start"
        self._growth = 2.0
        """Of the limit in a round of slow start."""
        self._peak = 0
        """Most in flight in this round: slow start waits for those it allowed."""
        self._goal = most
        """Slow start ends here at the latest; after a restart, where the limit was."""
        self._rounds = Rounds(clock, self.limit)
        self._base: Round | None = None
        self._quickest = math.inf
        """Shortest time per work of any round."""
        self._lowest = most
        """Lowest limit of any round."""
        self._then: Phase = "steady"
        """After settling."""
        self._came_from = self.limit
        self._next_up = True
        self._bold = True
        """Whether to try half the limit when answers are far slower than they might be."""
        self._break_rounds = 1
        self._rest = 1
        self._ceiling = math.inf
        self._ceiling_until = -math.inf
        self._hold_s = FIRST_HOLD_S
        self._deaf_until = -math.inf
        self._paced_until = -math.inf
        self._preemptions: float | None = None
        self._ended_at = math.inf
        """When a request was last answered."""

    @property
    def latency_s(self) -> float:
        """Of a request, on average; see `Rounds.latency_s`."""
        return self._rounds.latency_s

    @property
    def rate(self) -> float:
        """Requests completed per second; see `Rounds.rate`."""
        return self._rounds.rate

    def wait_s(self) -> float:
        """Seconds until the next request may start."""
        return self.not_before - self.clock()

    def started(self, in_flight: int) -> None:
        """A request starts. After a pause, places that are free at once are not taken at once: a burst would be refused
        like the one before it.

        Args:
            in_flight: requests besides it.
        """
        now = self.clock()
        if not in_flight and now - self._ended_at > max(IDLE_S, self._rounds.latency_s):
            self._rounds.begin(self.limit)  # time without work is nobody's slowness
        if now < self._paced_until:
            self.not_before = now + self._rounds.latency_s / self.limit

    def completed(self, latency_s: float, work: float, *, in_flight: int, wanted: bool) -> None:
        """A request was answered.

        Args:
            latency_s: from sending to the last byte.
            work: what it was worth (`work_of`).
            in_flight: requests besides it.
            wanted: whether more requests waited for a place; else the limit was not what held them back.
        """
        self._ended_at = self.clock()
        if in_flight > self.limit:
            self._rounds.begin(self.limit)  # a step down is still to take effect
            return
        self._peak = max(self._peak, in_flight + 1)
        self._rounds.add(latency_s, work, wanted)
        if self._phase == "start" and wanted:
            self._set(min(self.limit + 1, int(self._growth * self._rounds.limit), 2 * self._peak, self._goal))
        ended = self._rounds.end(long=self._phase in ("steady", "probe"))
        if ended is None:
            return
        if ended.wanted:  # what is held back by something else says nothing about the backend
            self._judge(ended)
        self._rounds.begin(self.limit)
        self._peak = in_flight

    def refused(self, retry_after_s: float | None) -> None:
        """The backend says that it is asked too much (429, 503).

        Args:
            retry_after_s: what it asked to wait; nobody is asked until then.
        """
        now = self.clock()
        wait_s = min(retry_after_s or 0.0, LONGEST_PAUSE_S)
        if now < self._deaf_until:
            # The second within the time that the first was told to wait: nobody would be served.
            self.not_before = max(self.not_before, now + wait_s)
            self._paced_until = self.not_before + self._rounds.latency_s
            return
        self._fall_to(int(self.limit * REFUSED), max(wait_s, self._rounds.latency_s), self._hold_s)
        self._hold_s = min(2 * self._hold_s, LONGEST_HOLD_S)

    def failed(self) -> None:
        """A request failed otherwise: an error of the server, a timeout, a broken connection. A single one may be its
        own fault; many at once are the backend's."""
        self._rounds.failures += 1
        many = self._rounds.failures >= max(2, self.limit / 8)
        if many and self.clock() >= self._deaf_until:
            self._rounds.failures = 0
            self._fall_to(int(self.limit * OVERRUN), max(1.0, self._rounds.latency_s), self._hold_s)
            self._hold_s = min(2 * self._hold_s, LONGEST_HOLD_S)

    def pressed(self) -> None:
        """Memory is nearly used up on the backend's side: fewer, and for long."""
        if self.clock() >= self._deaf_until:
            self._fall_to(int(self.limit * REFUSED), max(1.0, self._rounds.latency_s), LONGEST_HOLD_S)

    def restarted(self) -> None:
        """The backend died and is back: begin anew, to where the limit was."""
        if self._phase != "start":
            self._goal = max(self.limit, self._first)
        self._phase = "start"
        self._base, self._quickest, self._preemptions = None, math.inf, None
        self._set(self._first)
        self._rounds.forget(self.limit)

    def engine(self, metrics: EngineMetrics, in_flight: int) -> None:
        """Takes in what the engine says of its queue and cache.

        Args:
            metrics: a fresh reading.
            in_flight: our requests at that moment.
        """
        preempted, self._preemptions = self._preemptions, metrics.preemptions
        if preempted is not None and metrics.preemptions is not None and metrics.preemptions > preempted:
            if self.clock() >= self._deaf_until:
                self._fall_to(int(self.limit * PREEMPTED), max(1.0, self._rounds.latency_s), self._hold_s)
                self._hold_s = min(2 * self._hold_s, LONGEST_HOLD_S)
            return
        waiting, running = metrics.waiting or 0.0, metrics.running or 0.0
        queue = max(2.0, running / 8)  # enough that the engine never finds it empty
        if waiting > queue:
            # While more are in flight than may be, an earlier step back is still to take effect. By half at most: the
            # queue may be that of others too, who step back as well.
            if in_flight <= self.limit:
                self._fall_to(max(self.limit // 2, int(in_flight - waiting + queue)), 0.0, QUEUE_HOLD_S)
            return
        room = not waiting and running >= 0.8 * self.limit <= in_flight and (metrics.cache_usage or 0.0) * 1.5 < 0.9
        if room and self._phase == "start":  # it admitted everything: no need to wait for the first answers
            self._set(min(self.limit + self.limit // 2 + 1, self._goal))

    def _judge(self, now: Round) -> None:
        self._quickest = min(self._quickest, now.latency)
        self._lowest = min(self._lowest, now.limit)
        match self._phase:
            case "start":
                self._after_start_round(now)
            case "settle":
                self._phase = self._then  # its answers belong to requests from before the step
            case "probe":
                self._after_probe(now)
            case "steady":
                self._after_steady_round(now)

    def _after_start_round(self, now: Round) -> None:
        before = self._rounds.latest
        self._rounds.keep(now)
        self._growth = 1.5 if self._slowed(now) else 2.0
        if before is not None and now.limit > before.limit:
            pays = DOUBLING_PAYS ** math.log2(now.limit / before.limit)
            # While it grows, what is counted lags behind what is in flight, and so does latency: it lies between.
            if math.sqrt(now.throughput / before.throughput * now.flow / before.flow) < pays:
                # Longer answers for no more of them: all that was added only queues.
                queues = now.flow <= before.flow
                self._set(before.limit if queues else self._rounds.smallest(NEARLY_ALL))
                self._steady()
                return
        if before is not None and now.limit >= self._goal:
            self._steady()

    def _after_steady_round(self, now: Round) -> None:
        if self._base is not None and self._collapsed(self._base, now):
            self._set(max(1, math.ceil(now.throughput * self._base.latency)))
            self._steady()
            return
        self._rest -= 1
        self._base = now
        if self._rest <= 0:
            self._step(now)

    def _step(self, now: Round) -> None:
        """Tries a step up or down from what was measured."""
        self._base = now
        up = min(self._most, self._allowed(), max(self.limit + 1, int(self.limit * STEP_UP)))
        far = self._bold and now.latency > FAR_SLOWED * self._quickest
        down = min(self.limit - 1, math.ceil(self.limit * (0.5 if far else STEP_DOWN)))
        if up > self.limit and (self._next_up or not self._slowed(now)):
            self._try(int(up))
        elif down >= 1 and self._slowed(now):
            self._try(down)
        else:
            self._phase, self._rest = "steady", 2

    def _after_probe(self, now: Round) -> None:
        base = self._base or now
        ratio = self.limit / self._came_from
        wanted = 1 + (UP_PAYS if ratio > 1 else DOWN_COSTS) * (ratio - 1)
        if now.flow < base.flow * wanted:
            self._set(self._came_from)
            self._next_up = ratio < 1
            self._bold = self._bold and ratio > 1
            self._break_rounds = min(2 * self._break_rounds, LONGEST_BREAK_ROUNDS)
            self._steady(self._break_rounds)
            return
        self._break_rounds, self._bold = 1, True
        if now.flow >= base.flow * (1 + UP_PAYS_FULLY * (ratio - 1)) and ratio > 1:
            self._phase, self._goal = "start", int(min(self._most, max(self._allowed(), self.limit)))
            self._rounds.forget(self.limit)
            self._rounds.keep(now)
        else:
            self._step(now)

    def _try(self, limit: int) -> None:
        self._came_from = self.limit
        self._set(limit)
        self._phase, self._then = "settle", "probe"

    def _steady(self, rest: int = 2) -> None:
        """Stays at the limit for so many rounds."""
        self._phase, self._then = "settle", "steady"
        self._base = None
        self._rest = rest

    def _fall_to(self, limit: int, deaf_s: float, hold_s: float) -> None:
        """Takes the limit down, and keeps it below what it was for a while."""
        now = self.clock()
        self._ceiling = max(1.0, self.limit * 0.95)
        self._ceiling_until = now + hold_s
        self._deaf_until = now + deaf_s
        self._set(max(1, limit))
        self._steady()
        self._rounds.begin(self.limit)

    def _allowed(self) -> float:
        return self._ceiling if self.clock() < self._ceiling_until else math.inf

    def _slowed(self, now: Round) -> bool:
        """Whether answers take longer than they might. Nobody knows as long as no lower limit was tried."""
        unknown = self._lowest >= self.limit < self._most
        return unknown or now.latency > SLOWED * self._quickest

    def _collapsed(self, base: Round, now: Round) -> bool:
        return now.latency > COLLAPSED * base.latency and now.throughput < base.throughput * LOST

    def _set(self, limit: int) -> None:
        self.limit = max(1, min(limit, self._most))


def work_of(prompt_tokens: int | None, completion_tokens: int | None) -> float:
    """What a request is worth when throughput is measured, so that a stretch of long answers is not taken for a slow
    backend: generated tokens, with sixteen of the prompt's for one; 1 where the endpoint does not count."""
    if completion_tokens is None:
        return 1.0
    return max(1.0, completion_tokens + (prompt_tokens or 0) / 16)
