"""The database made anew from the stream and from object storage."""

from vhb_api.app import opened_database
from vhb_api.projection.projector import Projector
from vhb_api.projection.stored import StoredJobs
from vhb_api.settings import ApiSettings
from vhb_shared.bus.client import Bus
from vhb_shared.bus.connection import connect
from vhb_shared.bus.process import run_process
from vhb_shared.settings import BusSettings, StoreSettings
from vhb_shared.store.open import open_store


async def rebuild(bus_settings: BusSettings, store_settings: StoreSettings, settings: ApiSettings) -> int:
    """Makes all rows of the projection anew; the service may run meanwhile. Returns how many events were read.

    Raises:
        UserError: the settings are wrong.
        Unavailable: bus, storage or database do not answer; nothing has changed then.
    """
    nc = await connect(bus_settings, "api-rebuild")
    try:
        bus = Bus(nc, source="/vlmhyperbench/api")
        async with open_store(store_settings) as store, opened_database(settings) as database:
            return await Projector(bus, database, StoredJobs(bus, store)).rebuild()
    finally:
        await nc.close()


async def _rebuild_and_say() -> None:
    count = await rebuild(BusSettings(), StoreSettings(), ApiSettings())
    print(f"The database was made anew from {count} events.")


def rebuild_main() -> None:
    """`python -m vhb_api rebuild`."""
    run_process("api", _rebuild_and_say())
