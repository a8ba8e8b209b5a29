"""White space as Python has it, in which the published evaluations are written.

Polars and its regular expressions follow Unicode's property White_Space, which lacks the four separators from file to
unit (U+001C to U+001F); `str.strip()` and `str.split()` take them too.
"""

import polars as pl

SPACE = r"\s\x1c-\x1f"
"""What stands in the brackets of a regular expression: `[...]` for white space, `[^...]` for anything else."""
_CHARACTERS = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def stripped(text: pl.Expr) -> pl.Expr:
    """The text without white space at its ends: `str.strip()`."""
    return text.str.strip_chars(_CHARACTERS)
