"""`python -m vhb_inference_agent`: an inference agent as a process."""

from vhb_inference_agent.app import CONSUMERS, setup
from vhb_shared.bus.service import main

if __name__ == "__main__":
    main("inference-agent", CONSUMERS, setup)
