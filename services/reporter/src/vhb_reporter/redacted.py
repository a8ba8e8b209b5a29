"""Settings as text for people, without the secrets that may stand among them."""

import json
import re
from urllib.parse import urlsplit, urlunsplit

from vhb_reporter.language import gettext

_SECRET = re.compile(
    r"(?i)(api[-_]?key|secret|passw|credential|authorization|bearer|(^|hf|access|auth|api)[-_]?token$)"
)


def shown(name: str, value: object) -> str:
    """A setting's value as text; of a secret only that it was set."""
    if _SECRET.search(name.rsplit(": ", 1)[-1]):
        return gettext("(set, not shown)") if name != "API key from" else str(value)
    if name in ("base URL", "base_url") and isinstance(value, str):
        return _public_url(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _public_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        netloc = f"[{host}]" if ":" in host else host
        return urlunsplit((parts.scheme, netloc + (f":{parts.port}" if parts.port else ""), parts.path, "", ""))
    except ValueError:
        return gettext("(not a URL)")
