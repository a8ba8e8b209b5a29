"""The pool as worker threads see it: they wait while the event loop works."""

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.isolation.pool import WorkerPool
from vhb_evaluator.threads import in_loop
from vhb_shared.contracts.metric_entry import MetricEntry

T = TypeVar("T")
_KEYS = ("row", "numerator", "denominator", "unparsable", "detail", "not_scored")


class PooledWorkers:
    """`metrics.context.Workers` over a pool.

    Args:
        pool: asked in its own event loop.
        loop: that loop.
    """

    def __init__(self, pool: WorkerPool, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = pool
        self._loop = loop

    def score(
        self, entry: MetricEntry, options: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """See `Workers.score`."""
        body = json.dumps({"samples": samples}).encode("ascii")
        reply = self._waited(self._pool.score(entry, options, body))
        content = reply.content()
        if reply.status != 200:
            raise EvaluationFailed(f"metric {entry.name!r} failed: {reply.error()}")
        scores = content.get("scores")
        if not isinstance(scores, list) or not all(isinstance(each, dict) for each in scores):
            raise EvaluationFailed(f"the worker of metric {entry.name!r} gave a reply that is not one")
        return [{key: each.get(key) for key in _KEYS} for each in scores]

    def installed(self, entry: MetricEntry) -> dict[str, Any]:
        """See `Workers.installed`."""
        return self._waited(self._pool.installed(entry))

    def _waited(self, work: Coroutine[Any, Any, T]) -> T:
        return in_loop(work, self._loop)
