"""What is shown of a line that somebody else's program wrote: short, without control characters, with its level."""

import re

from vhb_shared.contracts.live import Level

LINE_CHARACTERS = 1000

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LEVELS: tuple[tuple[Level, re.Pattern[str]], ...] = (
    ("error", re.compile(r"\b(?:ERROR|CRITICAL|FATAL)\b|^Traceback \(most recent call last\)|^\w+(?:\.\w+)*Error: ")),
    ("warning", re.compile(r"\bWARN(?:ING)?\b|Warning: ")),
    ("debug", re.compile(r"\bDEBUG\b")),
)
_LEVEL_WITHIN = 200
"""A level is named near the beginning."""


def lines_of(text: str) -> list[str]:
    """Lines of a terminal's text: of what was written over (a progress bar), what stood there last."""
    found = []
    for line in text.split("\n"):
        last = next((part for part in reversed(line.split("\r")) if part.strip()), "")
        if last:
            found.append(last)
    return found


def clean_line(line: str) -> str:
    """A line as it is shown: plain text of at most `LINE_CHARACTERS`, the rest counted."""
    text = _CONTROL.sub("\ufffd", _ESCAPES.sub("", line[: 4 * LINE_CHARACTERS]).replace("\t", "    ")).rstrip()
    more = max(0, len(line) - 4 * LINE_CHARACTERS) + max(0, len(text) - LINE_CHARACTERS)
    return text if not more else f"{text[:LINE_CHARACTERS]}… ({more} more characters)"


def level_of(line: str) -> Level:
    """What a line says of its level; `info` where it does not."""
    start = line[:_LEVEL_WITHIN]
    return next((level for level, pattern in _LEVELS if pattern.search(start)), "info")
