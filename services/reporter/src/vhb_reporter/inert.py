"""Makes untrusted text harmless to look at: bounded, without invisible or reordering characters, escaped.

Answers come from models and from strangers' documents. HTML escaping is Jinja2's; here is what escaping leaves:
control characters, bidirectional overrides (which can make text read differently from what it is), endless strings,
and Markdown, where everything is markup.
"""

import re

from markupsafe import Markup

_INVISIBLE = (
    *(code for code in range(0x20) if chr(code) not in "\n\t"), *range(0x7F, 0xA0),  # C0 and C1 controls
    0x061C, 0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2060, 0x2070), 0xFEFF, 0xFFF9, 0xFFFA, 0xFFFB,
    *range(0xE0000, 0xE0080),
)  # fmt: skip
_VISIBLE = {code: f"\u27e8U+{code:04X}\u27e9" for code in _INVISIBLE}

_MD_SPECIAL = re.compile(r"([\\`*\[\]|~$])")
_MD_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_MD_START = re.compile(r"^(?:(\d+)([.)])(?=\s|$)|()([-+=#](?!\d)))")
_SPACES = re.compile(r"\s+")


def visible(text: str) -> str:
    """Names control and direction characters (as U+202E in angle brackets) instead of printing them; keeps newlines,
    tabs and the joiners that scripts and emoji need."""
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def clip(text: str, limit: int) -> str:
    """At most `limit` characters, ending in an ellipsis when something was cut."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "\u2026"


def one_line(text: str, limit: int) -> str:
    """Clipped, with runs of white space as one space."""
    return clip(_SPACES.sub(" ", text[: limit * 4]).strip(), limit)


def markdown(text: str) -> Markup:
    """Text as inert inline Markdown (GitHub flavour), fit for a table cell: one line, nothing interpreted as markup,
    HTML, table border, link or mention."""
    text = _SPACES.sub(" ", visible(text)).strip()
    text = _MD_SPECIAL.sub(r"\\\1", text)
    text = _MD_UNDERSCORE.sub(r"\\_", text)
    text = _MD_START.sub(lambda found: (found[1] or "") + "\\" + (found[2] or found[4]), text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Extended autolinks and mentions need no brackets; as entities these characters stay text.
    text = text.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")
    return Markup(text)  # noqa: S704 - this function is the escaping
