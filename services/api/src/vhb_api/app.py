"""What the service is made of."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vhb_api.db.database import Database
from vhb_api.db.migrate import migrate
from vhb_api.projection.projector import Projector
from vhb_api.projection.stored import StoredJobs
from vhb_api.settings import ApiSettings
from vhb_shared.bus.service import Service
from vhb_shared.contracts import topology

CONSUMERS = (topology.API_EVENTS,)


@asynccontextmanager
async def opened_database(settings: ApiSettings) -> AsyncIterator[Database]:
    """The database with the tables of this version.

    Raises:
        UserError: its address is wrong, or it is of a newer version.
        Unavailable: it does not answer.
    """
    database = Database(settings.database)
    try:
        await asyncio.to_thread(migrate, database)
        yield database
    finally:
        await asyncio.to_thread(database.close)


@asynccontextmanager
async def setup(service: Service) -> AsyncIterator[None]:
    """Projects the events into the database."""
    async with opened_database(ApiSettings()) as database:
        projector = Projector(service.bus, database, StoredJobs(service.bus, service.store))
        await projector.ensure_current()
        async with projector.pulling():
            yield
