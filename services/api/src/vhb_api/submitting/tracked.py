"""Jobs that are handed in while nobody waits: what they are at, and what came of them."""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import structlog

from vhb_api.submitting.problems import Problem, Refused
from vhb_api.submitting.submitter import Busy, Handed, Submitted, Submitter, Wishes
from vhb_shared.errors import NotFound, Unavailable, UserError

log = structlog.get_logger(__name__)

MOST_KEPT = 300
MOST_WAITING = 20
MOST_LINES = 30
_PAUSE_S = 0.5

State = Literal["waiting", "reading", "handed_in", "refused", "failed"]


@dataclass
class Submission:
    """One job on its way in."""

    submission_id: str
    owner: str
    state: State = "waiting"
    """waiting (for others' data to be read), reading, handed_in, refused (its problems say why), failed."""
    lines: list[str] = field(default_factory=list)
    """What is done, the latest last."""
    problems: list[Problem] = field(default_factory=list)
    submitted: Submitted | None = None
    changed_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state not in ("waiting", "reading")

    def say(self, line: str) -> None:
        """Adds a line; counts of the same thing take one another's place."""
        if self.lines and self.lines[-1].partition(":")[0] == line.partition(":")[0]:
            self.lines[-1] = line
        else:
            self.lines = [*self.lines, line][-MOST_LINES:]
        self.changed_at = datetime.now(UTC)


class Submissions:
    """Hands jobs in, in the background. What is remembered of them goes with the process.

    Args:
        submitter: does it.
    """

    def __init__(self, submitter: Submitter) -> None:
        self._submitter = submitter
        self._kept: OrderedDict[str, Submission] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Until the block ends; what is under way is then given up: nothing of it was published."""
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def same(self, owner: str, key: str | None) -> Submission | None:
        """What the same key has begun before, unless it failed."""
        known = self._kept.get(_name(key)) if key is not None else None
        return known if known is not None and known.owner == owner and known.state in _GOING else None

    def start(self, handed: Handed, wishes: Wishes, key: str | None, owner: str, held: AsyncExitStack) -> Submission:
        """Begins to hand a job in.

        Args:
            handed: the job.
            wishes: what is asked for beside it.
            key: see `Submitter.submit`.
            owner: the token that does it.
            held: closed at the end.

        Raises:
            Busy: too many wait already.
        """
        if sum(not each.ended for each in self._kept.values()) >= MOST_WAITING:
            raise Busy
        submission = Submission(_name(key) if key is not None else secrets.token_hex(16), owner)
        self._kept[submission.submission_id] = submission
        self._kept.move_to_end(submission.submission_id)
        while len(self._kept) > MOST_KEPT:
            oldest = next((each for each in self._kept.values() if each.ended), None)
            if oldest is None:
                break
            del self._kept[oldest.submission_id]
        task = asyncio.create_task(self._hand_in(submission, handed, wishes, key, held), name="submission")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return submission

    def find(self, submission_id: str, owner: str) -> Submission:
        """One's own.

        Raises:
            NotFound: there is none, or it is another's.
        """
        found = self._kept.get(submission_id)
        if found is None or found.owner != owner:
            raise NotFound(
                f"submission {submission_id} any more: the service was started again; hand the job in again, with the "
                "same Idempotency-Key nothing happens twice"
            )
        return found

    async def _hand_in(
        self, submission: Submission, handed: Handed, wishes: Wishes, key: str | None, held: AsyncExitStack
    ) -> None:
        async with held:
            try:
                submission.submitted = await self._when_there_is_room(submission, handed, wishes, key)
                submission.state = "handed_in"
            except Refused as refused:
                submission.problems, submission.state = refused.problems, "refused"
            except UserError as error:
                submission.problems, submission.state = [Problem(message=line) for line in error.lines], "refused"
            except Unavailable as error:
                log.warning("submission_failed", reason=str(error))
                why = "The bus or the storage does not answer: hand the job in again."
                submission.problems, submission.state = [Problem(message=why)], "failed"
            except Exception:
                log.exception("submission_failed")
                why = "Something is wrong in the service; its log says what."
                submission.problems, submission.state = [Problem(message=why)], "failed"
            submission.changed_at = datetime.now(UTC)

    async def _when_there_is_room(
        self, submission: Submission, handed: Handed, wishes: Wishes, key: str | None
    ) -> Submitted:
        def reading(line: str) -> None:
            submission.state = "reading"
            submission.say(line)

        while True:
            try:
                return await self._submitter.submit(handed, wishes, key, reading)
            except Busy:
                submission.state = "waiting"
                submission.say("waiting: the data of other jobs are being read")
                await asyncio.sleep(_PAUSE_S)


_GOING = ("waiting", "reading", "handed_in")


def _name(key: str) -> str:
    return hashlib.sha256(f"submission:{key}".encode()).hexdigest()[:32]
