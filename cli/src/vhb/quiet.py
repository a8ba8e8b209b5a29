"""The log of the command itself."""

import os
from typing import IO, cast


def log_warnings_only() -> None:
    """Routes the command's own log to standard error, warnings and worse unless VHB_LOG_LEVEL says otherwise: what
    goes well is shown by the command's display."""
    import logging

    from vhb.screen import CurrentStderr
    from vhb_shared.logging import configure_logging
    from vhb_shared.settings import LogSettings

    asked = bool(os.environ.get("VHB_LOG_LEVEL"))
    settings = LogSettings() if asked else LogSettings(log_level="WARNING")
    configure_logging(settings, service="vhb", stream=cast(IO[str], CurrentStderr()))
    if not asked:
        # Every try to reconnect would be a line; that the server is away is said once, by the display.
        logging.getLogger("vhb_shared.bus").setLevel(logging.ERROR)
        logging.getLogger("nats").setLevel(logging.CRITICAL)
