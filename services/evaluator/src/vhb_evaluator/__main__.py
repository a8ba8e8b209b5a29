"""`python -m vhb_evaluator`: the evaluator as a process."""

from vhb_evaluator.app import CONSUMERS, setup
from vhb_shared.bus.service import main

if __name__ == "__main__":
    main("evaluator", CONSUMERS, setup)
