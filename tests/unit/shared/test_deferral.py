"""Deferred packages: loaded at the first touch, and then what they would have been."""

import subprocess
import sys

LOADED = """
import sys
from vhb_shared.deferral import defer

defer("aiohttp", "no_such_package")
import aiohttp
assert "aiohttp.client" not in sys.modules, "the import statement loaded it"
assert "no_such_package" not in sys.modules
{touch}
assert "aiohttp.client" in sys.modules
from aiohttp import ClientSession, web
import aiohttp.client
assert aiohttp.ClientSession is ClientSession is aiohttp.client.ClientSession
assert sys.modules["aiohttp"] is aiohttp
assert not hasattr(aiohttp, "nothing_of_that_name")
"""
NOT_NEEDED = """
import sys
import {module}
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_attribute_loads_it() -> None:
    run(LOADED.format(touch="aiohttp.ClientSession"))


def test_importing_a_part_of_it_loads_it() -> None:
    run(LOADED.format(touch="import aiohttp.client_reqrep"))


def test_from_import_loads_it() -> None:
    run(LOADED.format(touch="from aiohttp import web"))


def test_threads_touch_it_at_once() -> None:
    touch = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    found = [pool.submit(lambda: aiohttp.ClientSession) for _ in range(8)]\n"
        "assert len({each.result() for each in found}) == 1"
    )
    run(LOADED.format(touch=touch))


def test_the_command_line_connects_without_the_weight_of_services() -> None:
    loaded = run(NOT_NEEDED.format(module="vhb_shared.jobs.submission, vhb.embedded.stack")).split()
    assert "nats" in loaded
    assert not {"polars", "faststream", "openai", "PIL", "jinja2", "jsonschema", "minio"} & set(loaded)


def test_commands_are_listed_without_the_weight_of_any() -> None:
    loaded = run(NOT_NEEDED.format(module="vhb.main")).split()
    assert "typer" in loaded
    assert not {"pydantic", "structlog", "nats", "polars", "yaml"} & set(loaded)


def test_the_evaluator_starts_without_the_client_of_judges() -> None:
    loaded = run(NOT_NEEDED.format(module="vhb_evaluator.app")).split()
    assert "polars" in loaded
    assert not {"openai", "scipy", "sacrebleu", "nltk", "lxml"} & set(loaded)
