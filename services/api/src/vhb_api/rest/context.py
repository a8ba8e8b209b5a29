"""What all routes work with, and who is asking."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from vhb_api.access.limits import RateLimit
from vhb_api.access.roles import Role, may
from vhb_api.access.sessions import Sessions
from vhb_api.access.tokens import Bearer, Tokens
from vhb_api.db.database import Database
from vhb_api.live.hub import Hub
from vhb_api.live.metrics import LiveMetrics
from vhb_api.measures import Measures
from vhb_api.media.stored import StoredDatasets
from vhb_api.media.thumbnails import Thumbnails
from vhb_api.previewing.kept import Previews
from vhb_api.querying.asking import Queries
from vhb_api.rest.cookies import given_session
from vhb_api.rest.problems import Failed
from vhb_api.results.results import Results
from vhb_api.results.summary import Summaries
from vhb_api.settings import ApiSettings
from vhb_api.submitting.submitter import Submitter
from vhb_api.submitting.tracked import Submissions
from vhb_api.uploads.staging import Uploads
from vhb_api.webhooks.deliveries import Deliveries
from vhb_api.webhooks.dispatcher import Dispatcher
from vhb_api.webhooks.subscriptions import Webhooks
from vhb_shared.bus.client import Bus
from vhb_shared.bus.states import StateReader
from vhb_shared.store.base import ObjectStore

GUESSES_PER_MINUTE = 30
"""Wrong tokens that one address may try."""
FILES = "files"
"""The tag of routes that a page asks once for each image or file: they have a bound of their own."""
FILES_TIMES = 20
"""How many times as often such routes may be asked."""


@dataclass
class Context:
    """Of one process."""

    settings: ApiSettings
    bus: Bus
    store: ObjectStore
    public_store: ObjectStore | None
    """The same storage, as clients reach it."""
    database: Database
    submitter: Submitter
    tokens: Tokens
    sessions: Sessions
    measures: Measures
    rate: RateLimit
    hub: Hub
    webhooks: Webhooks
    deliveries: Deliveries
    dispatcher: Dispatcher
    datasets: StoredDatasets
    live_metrics: LiveMetrics
    queries: Queries
    results: Results
    summaries: Summaries
    uploads: Uploads
    previews: Previews
    submissions: Submissions
    thumbnails: Thumbnails = field(default_factory=Thumbnails)
    clients: Counter[str] = field(default_factory=Counter)
    """Who watches: token -> connections."""
    file_rate: RateLimit = field(init=False)
    guesses: RateLimit = field(default_factory=lambda: RateLimit(GUESSES_PER_MINUTE))
    ready: bool = False
    """Whether the database has been brought up to date once."""

    def __post_init__(self) -> None:
        self.file_rate = RateLimit(self.settings.requests_per_minute * FILES_TIMES)

    @property
    def states(self) -> StateReader:
        """State of jobs and runs."""
        return StateReader(self.bus)


def context_of(request: Request) -> Context:
    """The context of the process."""
    context: Context = request.app.state.context
    return context


Ctx = Annotated[Context, Depends(context_of)]
JobId = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$", description="A job.")]
RUN_ID = r"^[a-z0-9][a-z0-9_-]{0,99}$"
RunId = Annotated[str, Path(pattern=RUN_ID, description="A run.")]
_scheme = HTTPBearer(auto_error=False, description="A token: `vhb api token create`.")


async def bearer(
    request: Request, context: Ctx, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)]
) -> Bearer:
    """Who is asking.

    Raises:
        Failed: nobody known (401), or too often (429).
    """
    session = given_session(request) if given is None else None
    known = None
    if given is not None:
        known = await asyncio.to_thread(context.tokens.known, given.credentials)
    elif session is not None:
        known = await asyncio.to_thread(context.sessions.known, session)
    if known is None:
        if given is not None:
            guessed_wrong(request, context)
        raise Failed(401, _stranger(given is not None, session is not None), headers={"WWW-Authenticate": "Bearer"})
    request.state.bearer = known
    of_files = FILES in getattr(request.scope.get("route"), "tags", ())
    wait = (context.file_rate if of_files else context.rate).wait(known.token_id)
    if wait:
        seconds = str(int(wait) + 1)
        raise Failed(429, f"Too many requests; the next one may come in {seconds} s.", headers={"Retry-After": seconds})
    return known


def _stranger(token: bool, session: bool) -> str:
    if session and not token:
        # No guess: every browser that was away for a week sends such a cookie, and has to be told to log in.
        return "This session has ended: log in again."
    what = "This token is not known, or was revoked." if token else "A token is needed."
    return f"{what} Send one as `Authorization: Bearer TOKEN`."


def guessed_wrong(request: Request, context: Context) -> None:
    """Counts a wrong token of an address. Whose token is known is let through, whatever others there do.

    Raises:
        Failed: it has tried too many (429).
    """
    address = request.client.host if request.client is not None else ""
    if context.guesses.wait(address):
        raise Failed(429, "Too many wrong tokens came from this address.", headers={"Retry-After": "60"})


Anyone = Annotated[Bearer, Depends(bearer)]


class _Needs:
    def __init__(self, role: Role) -> None:
        self._role = role

    async def __call__(self, known: Anyone) -> Bearer:
        if not may(known.role, self._role):
            raise Failed(403, f"This needs the role {self._role}; the token's role is {known.role}.")
        return known


Viewer = Annotated[Bearer, Depends(_Needs("viewer"))]
Submitting = Annotated[Bearer, Depends(_Needs("submitter"))]
Admin = Annotated[Bearer, Depends(_Needs("admin"))]
