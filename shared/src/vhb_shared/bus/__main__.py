"""`python -m vhb_shared.bus`: provisions the NATS server named by VHB_NATS_URL; idempotent."""

from vhb_shared.bus.connection import connect
from vhb_shared.bus.process import run_process
from vhb_shared.bus.provision import provision
from vhb_shared.settings import BusSettings


async def _main() -> None:
    nc = await connect(BusSettings(), "provisioner", timeout_s=30)
    try:
        await provision(nc.jetstream())
    finally:
        await nc.close()


run_process("provision", _main())
