"""What every process of ours that talks to the bus says when it cannot."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

from vhb_shared.bus.connection import Unreachable
from vhb_shared.errors import UserError


def run_process(name: str, work: Coroutine[Any, Any, None]) -> None:
    """Runs a process's work in a new event loop. A user's mistake is one sentence and exit code 2, a server that
    cannot be reached one sentence and exit code 3.

    Args:
        name: starts the sentence.
        work: all that the process does.
    """
    try:
        asyncio.run(work)
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2)
    except Unreachable as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(3)
