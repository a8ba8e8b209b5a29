"""Blocking work away from the event loop, and what its errors mean."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from functools import lru_cache, partial
from typing import Any, ParamSpec, TypeVar

import polars as pl

from vhb_evaluator.errors import EvaluationFailed
from vhb_shared.errors import Unavailable, UserError
from vhb_shared.store.local import disk_errors

P = ParamSpec("P")
T = TypeVar("T")

_LOOK_S = 1.0
"""Seconds between looks whether the loop still runs: a thread that waits for ever would keep the process alive."""
_DISK_FULL = ("os error 28", "os error 122")
"""ENOSPC and EDQUOT as Polars words them when it writes parquet."""


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    # Threads of its own: work in them may wait for the storage, whose work runs in the event loop's default threads.
    return ThreadPoolExecutor(thread_name_prefix="evaluation")


async def threaded(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs Polars and file work in a thread.

    Raises:
        Unavailable: the disk is full or does not answer, or a cached file was evicted before it was read.
        EvaluationFailed: a mistake of the user, such as a metric that is not installed here, or data that Polars
            cannot work with.
    """

    def guarded() -> T:
        with disk_errors("evaluating a run"):
            return work(*args, **kwargs)

    try:
        run = partial(contextvars.copy_context().run, guarded)
        return await asyncio.get_running_loop().run_in_executor(_pool(), run)
    except UserError as error:
        raise EvaluationFailed(str(error)) from error
    except (OSError, pl.exceptions.PolarsError) as error:
        if isinstance(error, OSError) or any(code in str(error) for code in _DISK_FULL):
            raise Unavailable(f"the evaluator cannot use its disk: {error}") from error
        raise EvaluationFailed(f"the results could not be computed: {error}") from error


def wait_for_loop(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """Has work done in an event loop, from one of the threads. Blocks.

    Raises:
        Unavailable: the loop stopped; or what the work raised.
    """
    future = asyncio.run_coroutine_threadsafe(work, loop)
    while True:
        try:
            return future.result(timeout=_LOOK_S)
        except FutureTimeout:
            if future.done():
                raise  # what the work itself raised
            if not loop.is_running():
                raise Unavailable("the evaluator is being stopped") from None
