"""`python -m vhb_metric_worker --target module:Object --port-file FILE`."""

import argparse
import json
import os
import threading
from pathlib import Path

from vhb_metric_worker.errors import Problem
from vhb_metric_worker.loading import load
from vhb_metric_worker.server import Server

OPTIONS = "VHB_METRIC_OPTIONS"
"""The variable with the options, as JSON."""


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(prog="vhb_metric_worker", description="Serves a metric over HTTP.")
    parser.add_argument("--target", required=True, help="module:Object, a class with score(samples)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--port-file", type=Path, help="where the port is written")
    arguments = parser.parse_args()
    # What the metric prints belongs into the log, like its errors.
    os.dup2(2, 1)
    server = Server((arguments.host, arguments.port))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if arguments.port_file is not None:
        partial = arguments.port_file.with_name(arguments.port_file.name + ".tmp")
        partial.write_text(str(server.server_address[1]))
        partial.replace(arguments.port_file)
    try:
        # In the main thread: some libraries load nowhere else.
        server.metric = load(arguments.target, json.loads(os.environ.get(OPTIONS) or "{}"))
    except Problem as problem:
        print("\n".join(problem.lines) or problem, flush=True)
        server.failed = problem
    threading.Event().wait()


if __name__ == "__main__":
    main()
