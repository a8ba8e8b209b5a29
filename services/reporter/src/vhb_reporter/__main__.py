"""`python -m vhb_reporter`: the reporter as a process."""

from vhb_reporter.app import CONSUMERS, setup
from vhb_shared.bus.service import main

if __name__ == "__main__":
    main("reporter", CONSUMERS, setup)
