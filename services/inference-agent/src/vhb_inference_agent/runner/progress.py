"""How far a shard is, said about once a second while it takes that long."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from vhb_inference_agent.runner.pause import Pause
from vhb_shared.contracts.commands import InferShard
from vhb_shared.contracts.live import ShardProgress
from vhb_shared.contracts.results import Answer, OutcomeCounts

PROGRESS_EVERY_S = 1.0


class Progress:
    """Publishes the progress of one shard.

    Args:
        live: publishes live messages.
        work: which shard.
        agent_id: who answers it.
        samples: in the shard.
        concurrency: requests in flight that the backend is allowed at a moment.
    """

    def __init__(
        self, live: Pause, work: InferShard, agent_id: str, samples: int, concurrency: Callable[[], int]
    ) -> None:
        self._live = live
        self._work = work
        self._agent_id = agent_id
        self._samples = samples
        self._concurrency = concurrency

    @asynccontextmanager
    async def shown(self, answers: Mapping[int, Answer]) -> AsyncIterator[None]:
        """Publishes while the block runs; `answers` grows meanwhile."""
        task = asyncio.create_task(self._publish(answers))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _publish(self, answers: Mapping[int, Answer]) -> None:
        said = -1
        while True:
            await asyncio.sleep(PROGRESS_EVERY_S)
            if len(answers) == said:
                continue
            said = len(answers)
            await self._live.publish(
                ShardProgress(
                    job_id=self._work.job_id,
                    run_id=self._work.run_id,
                    shard=self._work.shard,
                    attempt=self._work.attempt,
                    done=said,
                    samples=self._samples,
                    counts=OutcomeCounts.of(answer.outcome for answer in list(answers.values())),
                    agent_id=self._agent_id,
                    concurrency=self._concurrency(),
                )
            )
