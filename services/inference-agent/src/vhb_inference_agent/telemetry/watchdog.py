"""Notices that a backend hangs: asks it how it is when it has been silent for long, and has it started again."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from vhb_inference_agent.runner.in_flight import InFlight
from vhb_inference_agent.telemetry.gauges import Gauges, Observed
from vhb_inference_agent.telemetry.hangs import IDLE, HangJudge, Signs

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
CHECK_TIMEOUT_S = 5.0
Tell = Callable[[str, str], Awaitable[None]]
"""(level, message)"""


class Watchdog:
    """Watches one backend that is ours to restart.

    Args:
        backend: the backend.
        in_flight: its requests.
        gauges: what its processes, its devices and itself say.
        after_s: see `hangs`; 0: nothing is watched.
        request_limit_s: what one attempt may take.
        tell: a notice to who watches.
    """

    def __init__(
        self,
        backend: Observed,
        in_flight: InFlight,
        gauges: Gauges,
        after_s: float,
        request_limit_s: float,
        tell: Tell,
    ) -> None:
        self._backend, self._in_flight, self._gauges, self._tell = backend, in_flight, gauges, tell
        self._after_s, self._request_limit_s = after_s, request_limit_s
        self._judge = HangJudge(after_s)
        self._counters: tuple[float | None, ...] = ()
        self._told = False
        self._silent_since = float("-inf")
        self._cpu: tuple[float, float] | None = None
        self._device_busy = False

    async def run(self) -> None:
        """Looks until cancelled."""
        while self._after_s:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._look()
            except Exception as error:  # a watchdog that dies watches nothing
                log.warning("watchdog_failed", error=repr(error))

    async def _look(self) -> None:
        if not self._backend.up:
            self._in_flight.forgive()  # it is being started again, or is not ours
            return
        self._listen()
        signs = self._signs()
        if not self._judge.wants_check(signs):
            if self._told:
                self._told = False
                await self._tell("info", "it answers again")
            return
        self._judge.checked(await self._answers())
        signs = self._signs()  # an answer may have come meanwhile
        if self._judge.suspicious and not self._told and signs.silence_s:
            self._told = True
            message = f"no sign of life for {signs.silence_s:.0f} s, and its health check fails"
            await self._tell("warning", message)
        reason = self._judge.verdict(signs)
        if reason is not None:
            await self._tell("warning", f"it hangs and is started again: {reason}")
            self._told = True
            self._backend.declare_hung(reason)
            self._in_flight.forgive()

    def _listen(self) -> None:
        """Tokens that the engine has generated or read since the last look are a sign of life too."""
        engine = self._gauges.engine
        if engine is None:
            return
        counters = (engine.generation_tokens, engine.prompt_tokens, engine.finished)
        if self._counters and counters != self._counters and self._in_flight.now:
            self._in_flight.progress()
        self._counters = counters

    def _signs(self) -> Signs:
        silence = self._in_flight.silence_s()
        return Signs(silence, self._in_flight.longest_silence_s, self._request_limit_s, self._busy(silence))

    def _busy(self, silence_s: float) -> bool | None:
        """Whether it has computed since the silence began. Too short a look says nothing."""
        since = self._in_flight.progress_at
        stats, at = self._gauges.stats, self._gauges.stats_at
        if not silence_s or since > self._silent_since:
            self._silent_since, self._cpu, self._device_busy = since, None, False
        # A device says how busy it was a moment ago: at first that is what came before the silence.
        settled = silence_s >= min(self._after_s, 10.0) / 2
        self._device_busy |= settled and any(reading.use for reading in self._gauges.readings)
        if self._device_busy:
            return True
        if stats is None:
            return None
        if self._cpu is None or self._cpu[0] < since:
            self._cpu = (at, stats.cpu_seconds) if at >= since else None
            return None
        seconds = at - self._cpu[0]
        if seconds < min(self._after_s, 10.0) / 2:
            return None
        return (stats.cpu_seconds - self._cpu[1]) / seconds > IDLE

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                return await self._backend.answers()
        except Exception as error:
            log.debug("health_check_failed", error=repr(error))
            return False
