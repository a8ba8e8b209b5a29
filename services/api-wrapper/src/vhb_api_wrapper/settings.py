"""The command line."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vhb_api_wrapper.adapters.base import ConfigurationError


@dataclass(frozen=True)
class Limits:
    """What one request, and all of them together, may take."""

    max_body_bytes: int
    max_pixels: int
    max_pending: int


@dataclass(frozen=True)
class Settings:
    """Everything that a server is told at its start. `workers` None: what the adapter thinks best."""

    adapter: str
    served_model_name: str
    options: dict[str, str]
    host: str
    port: int
    port_file: Path | None
    workers: int | None
    limits: Limits


def parse_arguments(arguments: Sequence[str] | None = None) -> Settings:
    """Reads the command line; argparse ends the process with code 2 and a sentence where it does not fit.

    Raises:
        ConfigurationError: an `--option` that is not `key=value`, or given twice.
    """
    parser = argparse.ArgumentParser(
        prog="python -m vhb_api_wrapper",
        description="Serves a Python model behind the OpenAI-compatible protocol.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--adapter", required=True, help="which kind of model (an entry point vhb_api_wrapper.adapters)"
    )
    parser.add_argument("--served-model-name", help="the name requests use; the adapter's by default")
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="for the adapter; repeatable"
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen")
    parser.add_argument("--port", type=_port, default=0, help="0: a free port")
    parser.add_argument("--port-file", type=Path, help="the port is written to this file once the server listens")
    parser.add_argument(
        "--workers", type=_positive, help="requests at the model at once; the adapter chooses by default"
    )
    parser.add_argument(
        "--max-pending", type=_positive, default=256, help="requests in the server at once; more get a 429"
    )
    parser.add_argument(
        "--max-body-mib", type=_positive, default=64, help="longest request body; a longer one gets a 413"
    )
    parser.add_argument("--max-megapixels", type=_positive, default=64, help="largest image; a larger one gets a 400")
    given = parser.parse_args(arguments)
    return Settings(
        adapter=given.adapter,
        served_model_name=given.served_model_name or given.adapter,
        options=_options(given.option),
        host=given.host,
        port=given.port,
        port_file=given.port_file,
        workers=given.workers,
        limits=Limits(given.max_body_mib * 2**20, given.max_megapixels * 1_000_000, given.max_pending),
    )


def _options(pairs: Sequence[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigurationError(f"--option {pair!r} must read key=value.")
        if key in options:
            raise ConfigurationError(f"--option {key} is given twice; keep one.")
        options[key] = value
    return options


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")
    return int(text)
