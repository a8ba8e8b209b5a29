"""Tells whoever watches a job why nothing moves, when nothing has moved for a while."""

import time
from collections.abc import AsyncIterator
from contextlib import suppress

from nats.errors import Error as NatsError

from vhb.connect import Connection
from vhb.facts import gather
from vhb.watching import JobView
from vhb_shared.errors import Unavailable
from vhb_shared.placement.explaining import Explanation, explain_job

STILL_S = 6.0
"""Without progress for so long a hint is due; it is looked at again as often."""
CHARS = 300


async def hinted(connection: Connection, views: AsyncIterator[JobView]) -> AsyncIterator[JobView]:
    """The same views, with `hint` set while nothing moves."""
    progress: tuple[object, ...] = ()
    moved_at = looked_at = time.monotonic()
    async for view in views:
        now = time.monotonic()
        # The first requests are under way: no answer yet, but a backend that was waited for is there.
        started = sum(run.started for run in view.runs), any(each.in_flight for each in view.telemetry)
        if (view.stage, view.done, *started) != progress:
            progress, moved_at, view.hint = (view.stage, view.done, *started), now, None
        still = view.job is not None and not view.job.ended and now - moved_at >= STILL_S
        if still and now - looked_at >= STILL_S and view.job is not None:
            looked_at = now
            with suppress(Unavailable, NatsError, OSError):
                facts = await gather(connection, view.job.job_id, view.runs)
                # What a run waits for that asks models is what their runs wait for.
                runs = view.questions if view.stage == "questions" else view.runs
                view.hint = hint_of(explain_job(view.job, runs, facts))
        yield view


def hint_of(explained: list[Explanation]) -> str | None:
    """What to say of a job that does not move: about the first of its runs that waits."""
    stuck = [one for one in explained if one.what in ("waiting", "starting")]
    if not stuck:
        return None
    others = len(stuck) - 1
    more = f" (and {others} more run{'s wait' if others > 1 else ' waits'})" if others else ""
    return f"{stuck[0].name}: {stuck[0].words}"[:CHARS] + more
