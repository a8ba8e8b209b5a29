"""What the service is made of."""

import asyncio
import math
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog

from vhb_api.access.limits import RateLimit
from vhb_api.access.sessions import Sessions
from vhb_api.access.tokens import Tokens
from vhb_api.db.database import Database
from vhb_api.db.migrate import migrate
from vhb_api.live.hub import Hub
from vhb_api.live.metrics import LiveMetrics
from vhb_api.measures import Measures
from vhb_api.media.stored import StoredDatasets
from vhb_api.previewing.kept import Previews
from vhb_api.projection.projector import Projector
from vhb_api.projection.recorded import Recorded
from vhb_api.projection.stored import StoredJobs
from vhb_api.querying.asking import Queries
from vhb_api.rest.application import application
from vhb_api.rest.context import Context
from vhb_api.results.results import Results
from vhb_api.results.summary import Summaries
from vhb_api.serving import serving
from vhb_api.settings import ApiSettings
from vhb_api.submitting.submitter import Submitter
from vhb_api.submitting.tracked import Submissions
from vhb_api.uploads.bounds import Bounds
from vhb_api.uploads.staging import Uploads
from vhb_api.webhooks.deliveries import Deliveries
from vhb_api.webhooks.dispatcher import Dispatcher
from vhb_api.webhooks.settings import WebhookSettings
from vhb_api.webhooks.signing import read_key
from vhb_api.webhooks.subscriptions import Webhooks
from vhb_shared.bus.service import Service
from vhb_shared.bus.states import StateReader
from vhb_shared.contracts import topology
from vhb_shared.errors import Unavailable
from vhb_shared.settings import StoreSettings
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.cache import ObjectCache
from vhb_shared.store.open import open_store

log = structlog.get_logger(__name__)

PATIENCE_S = 120.0
"""How long a database that does not answer is waited for, before the supervisor starts the service anew."""
_PAUSE_S = 1.0
CONSUMERS = (topology.API_EVENTS,)


@asynccontextmanager
async def opened_database(settings: ApiSettings, patience_s: float = 0) -> AsyncIterator[Database]:
    """The database with the tables of this version.

    Args:
        settings: where it is.
        patience_s: how long it is waited for.

    Raises:
        UserError: its address is wrong, or it is of a newer version.
        Unavailable: it does not answer.
    """
    database = Database(settings.database, settings.database_password_file)
    try:
        await _until_available(lambda: asyncio.to_thread(migrate, database), patience_s)
        yield database
    finally:
        await asyncio.to_thread(database.close)


async def _until_available(work: Callable[[], Awaitable[None]], patience_s: float = math.inf) -> None:
    """Does something, again and again while what it depends on does not answer.

    Raises:
        Unavailable: for longer than that.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + patience_s
    while True:
        try:
            return await work()
        except Unavailable as error:
            if loop.time() > give_up:
                raise
            log.warning("waiting", reason=str(error))
        await asyncio.sleep(_PAUSE_S)


@asynccontextmanager
async def setup(service: Service) -> AsyncIterator[None]:
    """Projects the events into the database, and serves the interface over it."""
    settings = ApiSettings()
    settings.check()
    hooks = WebhookSettings()
    hooks.check()
    async with AsyncExitStack() as opened:
        database = await opened.enter_async_context(opened_database(settings, PATIENCE_S))
        tokens = Tokens(database)
        if settings.admin_token_file is not None:
            await asyncio.to_thread(tokens.take_from, settings.admin_token_file)
        public: ObjectStore | None = None
        if settings.s3_public_endpoint is not None:
            stored = StoreSettings().model_copy(update={"s3_endpoint": settings.s3_public_endpoint})
            public = await opened.enter_async_context(open_store(stored))
        key = await asyncio.to_thread(read_key, hooks.key_file, database.file)
        measures = Measures()
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="vhb-api-results-"))
        submitter = Submitter(
            service.bus, service.store, settings.data_dir, settings.sources, settings.submissions_at_once
        )
        submissions = Submissions(submitter)
        previews = Previews(settings.work_dir.absolute() / "previews", submitter, service.store)
        await previews.clear()
        uploads = Uploads(settings.work_dir.absolute() / "uploads", Bounds.of(settings))
        await uploads.sweep()
        where = StoreSettings()
        cache = ObjectCache(service.store, where.cache_directory(), where.cache_bytes())
        results = Results(service.store, cache, Path(folder), StateReader(service.bus), database)
        context = Context(
            settings=settings,
            bus=service.bus,
            store=service.store,
            public_store=public,
            database=database,
            submitter=submitter,
            tokens=tokens,
            sessions=Sessions(database),
            measures=measures,
            rate=RateLimit(settings.requests_per_minute),
            hub=Hub(service.bus, database),
            webhooks=Webhooks(database, hooks, key),
            deliveries=Deliveries(database),
            dispatcher=Dispatcher(database, hooks, key, measures.attempt),
            datasets=StoredDatasets(service.store, cache),
            live_metrics=LiveMetrics(database, service.store),
            queries=Queries(
                service.store,
                database,
                where.cache_directory() / "queries",
                max_bytes=where.cache_bytes(),
                at_once=settings.queries_at_once,
                memory_mib=settings.query_memory_mib,
            ),
            results=results,
            summaries=Summaries(service.store, results.runs),
            uploads=uploads,
            previews=previews,
            submissions=submissions,
        )
        await opened.enter_async_context(serving(application(context), settings))
        sweeping = asyncio.create_task(uploads.sweeping(), name="uploads")
        opened.callback(sweeping.cancel)
        jobs = StoredJobs(service.bus, service.store)

        def taken_in(batch: Sequence[Recorded]) -> None:
            measures.events.inc(len(batch))
            context.dispatcher.wake()

        projector = Projector(service.bus, database, jobs, taken_in)
        await _until_available(projector.ensure_current)
        # The hub ends before the server does, which waits for connections to end.
        async with submissions.running(), context.hub, context.dispatcher, projector.pulling():
            context.ready = True
            yield
