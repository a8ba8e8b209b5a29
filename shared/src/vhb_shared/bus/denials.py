"""What the server refused a connection: a denied publish looks like a timeout to its caller."""

import re
import time
from weakref import WeakKeyDictionary

import structlog
from nats.aio.client import Client

from vhb_shared.errors import UserError

log = structlog.get_logger(__name__)

RECENT_S = 15.0
MOST = 64
_VIOLATION = re.compile(r'permissions violation for (publish|subscription) to "?([^"]+)"?', re.IGNORECASE)


class Denied(UserError):  # noqa: N818 - a condition of the credentials
    """The bus user may not do this: other credentials are needed."""


class Denials:
    """What one connection was refused of late."""

    def __init__(self, user: str | None) -> None:
        self._user = user or "anonymous"
        self._refused: dict[str, tuple[float, str]] = {}

    def note(self, error: Exception) -> bool:
        """Remembers and logs a refusal; False when the error is something else."""
        found = _VIOLATION.search(str(error))
        if found is None:
            return False
        doing = "publish" if found[1].lower() == "publish" else "subscribe to"
        subject = found[2].split('"')[0].lower()  # as the client spells it
        sentence = (
            f"the bus user {self._user!r} may not {doing} {subject}: VHB_NATS_CREDS has to name the credentials of a "
            "role that may."
        )
        while len(self._refused) >= MOST:
            del self._refused[next(iter(self._refused))]
        self._refused[subject] = (time.monotonic(), sentence)
        log.error("nats_denied", reason=sentence)
        return True

    def recent(self, parts: tuple[str, ...]) -> Denied | None:
        """The latest refusal of a subject that contains one of `parts`."""
        now = time.monotonic()
        for subject, (when, sentence) in reversed(self._refused.items()):
            if now - when < RECENT_S and any(part.lower() in subject for part in parts):
                return Denied(sentence)
        return None


_OF: WeakKeyDictionary[Client, Denials] = WeakKeyDictionary()


def remember(nc: Client, denials: Denials) -> None:
    """Ties what is noted to a connection."""
    _OF[nc] = denials


def denied(nc: Client, *parts: str) -> Denied | None:
    """Why a request over this connection was not answered, when the server refused it: one whose subject contains one
    of `parts`."""
    known = _OF.get(nc)
    return known.recent(parts) if known is not None else None
