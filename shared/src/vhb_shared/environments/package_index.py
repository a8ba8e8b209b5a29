"""Where uv gets packages from: where its own settings say, else where pip's say."""

import ast
import asyncio
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

_UV_OF_PIP = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}
_SOURCES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX")
_COMMA_SEPARATED = ("UV_FIND_LINKS",)
_SAME_AS = {"UV_DEFAULT_INDEX": ("UV_INDEX_URL",), "UV_INDEX": ("UV_EXTRA_INDEX_URL",)}
# A build backend of a source package is foreign code: it gets what fetching and compiling need, nothing else.
_PASSED = re.compile(
    r"^(PATH|HOME|USER|LANG|LC_.*|TMPDIR|TEMP|TMP|NETRC|XDG_.*|SSL_.*|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|"
    r"(https?|all|no|HTTPS?|ALL|NO)_(proxy|PROXY)|UV_.*|PIP_.*|CC|CXX|CFLAGS|CXXFLAGS|LDFLAGS|LD_LIBRARY_PATH|CUDA_HOME)$"
)


async def uv_environment(
    environ: Mapping[str, str] | None = None, *, index: bool = True, wheels: Path | None = None
) -> dict[str, str]:
    """The variables uv is run with: the agent's own settings for packages, certificates and proxies.

    Args:
        environ: The agent's variables.
        index: Whether uv will ask an index at all; asking pip for its settings takes a moment.
        wheels: Folder (absolute) that all packages come from; then no index and no network is asked.

    pip's settings (files and variables) stand in where uv's are not set, so that a site which told pip about its
    mirror need not say it twice. Raises nothing: a pip that does not answer has no settings.
    """
    given = dict(os.environ if environ is None else environ)
    result = {name: value for name, value in given.items() if _PASSED.match(name)}
    result |= uv_settings(given, await _pip_config(given) if index and wheels is None else {})
    if wheels is not None:
        result = {name: value for name, value in result.items() if name not in _SOURCES}
        result |= {"UV_FIND_LINKS": str(wheels), "UV_NO_INDEX": "1", "UV_OFFLINE": "1"}
    result |= {"UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}
    return result


def index_flags(variables: Mapping[str, str]) -> tuple[str, ...]:
    """What has to be said on uv's command line because it reads no variable for it."""
    return ("--no-index",) if variables.get("UV_NO_INDEX", "").lower() in ("1", "true", "yes", "on") else ()


def uv_settings(environ: Mapping[str, str], pip_config: Mapping[str, str]) -> dict[str, str]:
    """What to add to the variables for uv, given pip's merged settings (key -> value, lists by white space)."""
    added: dict[str, str] = {}
    if not {"UV_SYSTEM_CERTS", "UV_NATIVE_TLS", "SSL_CERT_FILE"} & set(environ):
        added["UV_SYSTEM_CERTS"] = "1"
    for key, variable in _UV_OF_PIP.items():
        if key in pip_config and not {variable, *_SAME_AS.get(variable, ())} & set(environ):
            words = pip_config[key].split()
            added[variable] = (",".join if variable in _COMMA_SEPARATED else " ".join)(words)
    if "UV_INDEX" in added and "UV_INDEX_STRATEGY" not in environ:
        # pip takes the best version of all indexes; uv would stop at the first that knows the name.
        added["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return added


async def _pip_config(environ: Mapping[str, str]) -> dict[str, str]:
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=dict(environ),
        )  # fmt: skip
    except OSError:
        return {}
    output, _ = await process.communicate()
    return read_pip_config(output.decode(errors="replace")) if process.returncode == 0 else {}


def read_pip_config(text: str) -> dict[str, str]:
    """Parses `pip config list`: lines `section.key='value'`; variables win over `install`, that over `global`."""
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        section, _, key = name.strip().rpartition(".")
        if equals and section in sections:
            try:
                sections[section][key] = str(ast.literal_eval(value))
            except (ValueError, SyntaxError):
                continue
    return sections["global"] | sections["install"] | sections[":env:"]
