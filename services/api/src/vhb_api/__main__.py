"""`python -m vhb_api`: the service as a process. `python -m vhb_api rebuild`: its database anew, and ends."""

import sys

from vhb_api.app import CONSUMERS, setup
from vhb_api.rebuilding import rebuild_main
from vhb_shared.bus.service import main

if __name__ == "__main__":
    if sys.argv[1:] == ["rebuild"]:
        rebuild_main()
    elif sys.argv[1:]:
        sys.exit("Usage: python -m vhb_api [rebuild]")
    else:
        main("api", CONSUMERS, setup, live_logs=False)
