"""Named, versioned ways to make texts comparable. A metric row says which one was used.

A profile is a Polars expression, so a whole column is normalised at once. A profile never changes once released:
another behaviour is another version.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import polars as pl

from vhb_evaluator import vqa
from vhb_evaluator.white_space import SPACE, stripped
from vhb_shared.documents.check import did_you_mean
from vhb_shared.errors import UserError

MAX_SCORED_CHARS = 1_000_000
"""Answers are untrusted and may be megabytes of repetition: a metric sees this many characters at most. Documents are
far shorter, so that for real answers nothing is cut; answers.parquet always holds the whole text."""

_SPACES = f"[{SPACE}]+"
"""What Python's `str.split()` splits on."""


def _collapsed(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(_SPACES, " ").str.strip_chars(" ")


def _none_1(text: pl.Expr) -> pl.Expr:
    return text


def _text_1(text: pl.Expr) -> pl.Expr:
    return _collapsed(text.str.normalize("NFKC"))


def _text_lower_1(text: pl.Expr) -> pl.Expr:
    return _text_1(text).str.to_lowercase()


def _digits_1(text: pl.Expr) -> pl.Expr:
    # A match consumes the digit on its right, so "1 2 3" needs a second pass; the first one leaves no single digit
    # between two gaps, so there is nothing for a third.
    joined = _text_1(text)
    for _ in range(2):
        joined = joined.str.replace_all(r"(\d) (\d)", "${1}${2}")
    return joined


def _docvqa_1(text: pl.Expr) -> pl.Expr:
    return _collapsed(text.str.to_lowercase())


def _text_letters_1(text: pl.Expr) -> pl.Expr:
    return _collapsed(_text_lower_1(text).str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " "))


def _text_ru_1(text: pl.Expr) -> pl.Expr:
    # Quotes and dashes are typed as it comes, and "ё" is printed as "е" in most documents.
    plain = text.str.replace_all("[«»„“”‟″]", '"').str.replace_all("[‐‑‒–—―−]", "-").str.replace_all("[’‘‛′]", "'")
    return _text_lower_1(plain).str.replace_all("ё", "е", literal=True)


def _ocrbench_1(text: pl.Expr) -> pl.Expr:
    return stripped(text.str.to_lowercase()).str.replace_all("\n", " ", literal=True)


PROFILES: Mapping[str, Callable[[pl.Expr], pl.Expr]] = MappingProxyType(
    {
        "none@1": _none_1,  # the text as it is
        "text@1": _text_1,  # NFKC, white space collapsed to one space and stripped
        "text-lower@1": _text_lower_1,  # text@1 in lower case
        "digits@1": _digits_1,  # text@1 without spaces between digits
        "docvqa@1": _docvqa_1,  # lower case, white space collapsed and stripped: what ANLS was defined with
        "text-letters@1": _text_letters_1,  # text-lower@1, and what is neither letter nor digit is a space
        "text-ru@1": _text_ru_1,  # text-lower@1 with "е" for "ё", and one kind each of quotes, apostrophes and dashes
        "ocrbench@1": _ocrbench_1,  # lower case, stripped, a space for each line break
        "vqa@1": vqa.published,  # the text processing of VQA v2
        "evalai@1": vqa.evalai,  # the same as EvalAI and TextVQA have it: commas, question marks and "'s" first
    }
)


def resolve(name: str) -> str:
    """The full name of a profile: `text` and `text@1` are both `text@1` (without a version: the newest).

    Raises:
        UserError: there is no such profile.
    """
    wanted = name.strip().lower()
    if wanted in PROFILES:
        return wanted
    versions = [known for known in PROFILES if known.partition("@")[0] == wanted]
    if versions:
        return max(versions, key=lambda known: int(known.partition("@")[2]))
    raise UserError(f"unknown normalisation {name!r}: {did_you_mean(wanted, tuple(PROFILES))}")


def normalised(text: pl.Expr, profile: str) -> pl.Expr:
    """The text column under a profile, of at most `MAX_SCORED_CHARS` characters.

    Args:
        text: a string expression.
        profile: a full name, as `resolve` gives it.
    """
    # Bounded before, because normalising costs time too, and after, because NFKC may lengthen a text 18 times.
    return PROFILES[profile](text.str.head(MAX_SCORED_CHARS)).str.head(MAX_SCORED_CHARS)
