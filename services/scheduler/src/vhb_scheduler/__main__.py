"""`python -m vhb_scheduler`: the scheduler as a process."""

from vhb_scheduler.app import CONSUMERS, setup
from vhb_shared.bus.service import main

if __name__ == "__main__":
    main("scheduler", CONSUMERS, setup)
