"""A runner whose shards are measured: their telemetry is stored before they are announced."""

from collections.abc import Callable

from vhb_inference_agent.handlers import Runner
from vhb_inference_agent.telemetry.session import SessionTelemetry
from vhb_shared.contracts.commands import InferShard
from vhb_shared.contracts.events import RunShardCompleted
from vhb_shared.contracts.plan import RunSpec


class MeasuredRunner:
    """Passes everything on to a runner.

    Args:
        runner: what answers shards.
        telemetry: of its session.
    """

    def __init__(self, runner: Runner, telemetry: SessionTelemetry) -> None:
        self._runner, self._telemetry = runner, telemetry

    async def answer(
        self, run: RunSpec, work: InferShard, should_stop: Callable[[], bool], *, round: int = 0
    ) -> RunShardCompleted | None:
        """See `Runner.answer`."""
        event = await self._runner.answer(run, work, should_stop, round=round)
        if event is not None:
            await self._telemetry.written()
        return event

    async def kept(self) -> set[tuple[str, int]]:
        """See `Runner.kept`."""
        return await self._runner.kept()

    async def forget(self, run_id: str, shard: int) -> None:
        """See `Runner.forget`."""
        await self._runner.forget(run_id, shard)
