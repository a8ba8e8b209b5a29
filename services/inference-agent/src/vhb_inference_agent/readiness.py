"""Waits until what was started answers, and shows the engine's own words meanwhile."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vhb_inference_agent.backends.base import BackendAdapter
from vhb_inference_agent.endpoint import BackendLost, Endpoint
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.environments.base import Environment, EnvironmentHandle, EnvironmentSpec, Exit, Progress

TAIL_LINES = 30
_FIRST_PAUSE_S = 0.03
_LONGEST_PAUSE_S = 0.5


@dataclass(frozen=True)
class Readiness:
    """Of one backend.

    Args:
        adapter: knows where it answers and when it is ready.
        model: the resolved entry.
        spec: what was started.
        environ: the agent's variables, for keys.
        progress: shown the engine's last line whenever it changes.
        clock: seconds.
    """

    adapter: BackendAdapter
    model: ModelEntry
    spec: EnvironmentSpec
    environ: Mapping[str, str]
    progress: Progress
    clock: Callable[[], float]

    async def wait(self, environment: Environment, handle: EnvironmentHandle) -> Endpoint | Exit:
        """Where it answers, or how it ended before it did.

        Raises:
            BackendLost: it does not answer in time, or waiting will not help.
            EnvironmentFailed: the place is out of reach.
        """
        deadline = self.clock() + self.spec.ready_timeout_s
        pause, shown = _FIRST_PAUSE_S, ""
        while True:
            if (ended := await environment.exit_state(handle)) is not None:
                return ended
            if (address := await environment.address(handle)) is not None:
                endpoint = self.adapter.endpoint(self.model, address, self.environ)
                if await self.adapter.check_ready(self.model, endpoint):
                    return endpoint
            tail = await environment.logs(handle, TAIL_LINES)
            if tail and tail[-1] != shown:
                shown = tail[-1]
                self.progress(shown)
            if self.clock() > deadline:
                message = (
                    f"The backend of {self.model.name} ({self.adapter.name}) did not answer within "
                    f"{self.spec.ready_timeout_s:g} s{f'; its last words: {shown}' if shown else ''}."
                )
                raise BackendLost(Failure(kind="backend_not_ready", message=message), tail)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await environment.wait_exit(handle)
            pause = min(_LONGEST_PAUSE_S, pause * 1.5)
