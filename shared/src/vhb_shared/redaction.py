"""Keeps secrets out of what is logged: by the name of a field, by known values, by shape."""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"
_DEEPEST = 6
_SHORTEST_VALUE = 4
"""A shorter value is no secret, and replacing it would spoil every other word."""

_NAMES = re.compile(
    r"(^|_)(password|passwd|passphrase|secret|secrets|authorization|credential|credentials|creds|cookie|dsn)($|_)"
    r"|(^|_)(api|access|secret|private|signing|account|auth)_?key$"
    r"|(^|_)(auth|api|access|bearer|refresh|session|id|hf|hub)_?token$"
    r"|^token$"
)
"""`key` alone is not among them: here it names an object in storage, and `api_key_env` names a variable."""
_SHAPES = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    # A scheme is short. Without that bound each letter of a long word is tried up to its end: minutes for a word of
    # 100 kB (an image in an exception's message), on the event loop.
    (re.compile(r"(\w[\w+.-]{0,31}://)[^\s/@:]*:[^\s/@]+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"\b(sk-|hf_|ghp_|xox[bp]-)[\w-]{8,}"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b(X-Amz-Signature|X-Amz-Credential)=[^&\s]+"), rf"\1={HIDDEN}"),
)


class Redactor:
    """Replaces secrets in log records. Used as a structlog processor."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def register(self, value: str | None) -> None:
        """From now on this value is hidden wherever it appears."""
        if value and len(value) >= _SHORTEST_VALUE:
            self._values.add(value)

    def __call__(self, logger: Any, method: str, record: Any) -> Any:
        """The record with secrets replaced; nested mappings and lists too."""
        return self.clean(record)

    def clean(self, value: Any, depth: int = 0) -> Any:
        """A copy of a value without secrets."""
        if isinstance(value, str):
            return self._text(value)
        if depth > _DEEPEST:
            return value
        if isinstance(value, Mapping):
            return {
                key: HIDDEN if is_secret_name(str(key)) and item else self.clean(item, depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.clean(item, depth + 1) for item in value]
        if isinstance(value, BaseException):
            return self._text(f"{type(value).__name__}: {value}")
        return value

    def _text(self, text: str) -> str:
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, HIDDEN)
        for shape, replacement in _SHAPES:
            text = shape.sub(replacement, text)
        return text


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret."""
    return _NAMES.search(re.sub(r"(?<=[a-z])(?=[A-Z])|[-. ]", "_", name).lower()) is not None
