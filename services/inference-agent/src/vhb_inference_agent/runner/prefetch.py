"""Fetches the images of a shard ahead of its requests, a few at once."""

import asyncio
from collections.abc import Callable, Sequence

from vhb_shared.asking.questions import Question
from vhb_shared.errors import VhbError
from vhb_shared.store import layout
from vhb_shared.store.base import LocalCopies

AT_ONCE = 8
"""Downloads at once, over all shards of a backend."""
AHEAD = 256
"""Questions ahead of the one that is asked: what was fetched too early may have gone before it is needed."""
_LOOK_S = 0.05


class Prefetch:
    """Shared by the shards of a backend.

    Args:
        copies: fetches; a request that needs an image under way waits for the same download.
    """

    def __init__(self, copies: LocalCopies) -> None:
        self._copies = copies
        self._places = asyncio.Semaphore(AT_ONCE)

    async def run(self, digest: str, questions: Sequence[Question], unasked: Callable[[], int]) -> None:
        """Fetches until all images were here once. What cannot be fetched is left to its request to report.

        Args:
            digest: of the data set.
            questions: in the order in which they are asked.
            unasked: how many of them are not asked yet.
        """
        rest = iter(list(enumerate(questions)))

        async def fetch() -> None:
            for number, question in rest:
                while number > len(questions) - unasked() + AHEAD:  # noqa: ASYNC110 - they go on one by one
                    await asyncio.sleep(_LOOK_S)
                for name in question.images:
                    async with self._places:
                        try:
                            await self._copies.path(layout.dataset_media(digest, name))
                        except (VhbError, OSError):
                            continue

        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(questions))):
                group.create_task(fetch())
