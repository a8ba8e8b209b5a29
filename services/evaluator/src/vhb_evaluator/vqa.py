"""The text processing that answers to VQA v2 are compared after."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import polars as pl

from vhb_evaluator.white_space import SPACE, stripped

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_ANY_MARK = f"[{re.escape(_MARKS)}]"
_COUNTED = "zero one two three four five six seven eight nine ten"
_NUMBERS = {word: str(number) for number, word in enumerate(_COUNTED.split())} | {"none": "0"}
_ARTICLES = ("a", "an", "the")
_SPOKEN = """
ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's isn't it'd
it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've shouldn't somebody'll
somebody's someone'd someone'll someone's something'd something'll that's there'd there're there's they'd they'll
they're they've 'twas wasn't we've weren't what'll what're what's what've when's where'd where's where've who'd who'll
who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've
couldn't've hadn't've he'd've it'd've mightn't've she'd've shouldn't've somebody'd've someone'd've something'd've
there'd've they'd've we'd've who'd've wouldn't've y'all'll y'all'd've you'd've
"""


def published(text: pl.Expr) -> pl.Expr:
    """Marks removed (or a space for them, inside words), points kept only before digits, lower case, number words up to
    ten as digits, no articles, apostrophes of contractions restored."""
    return _words(_marks(stripped(text.str.replace_all(r"[\n\t]", " "))))


def evalai(text: pl.Expr) -> pl.Expr:
    """`published`, after lower case, no commas and question marks, and "'s" as a word of its own."""
    spaced = text.str.to_lowercase().str.replace_all(r"[,?]", "").str.replace_all("'s", " 's", literal=True)
    return published(spaced)


def _marks(text: pl.Expr) -> pl.Expr:
    # A mark vanishes everywhere in a text where it has a space beside it anywhere, or where any comma is between
    # digits; else it separates words. That is how it was published.
    comma = text.str.contains(r"\d,\d")
    marked = pl.when(text.str.contains(_ANY_MARK)).then(text)  # null is skipped fast, and most answers are a bare word
    out: pl.Expr = marked
    for mark in _MARKS:
        beside = marked.str.contains(f"{mark} ", literal=True) | marked.str.contains(f" {mark}", literal=True)
        out = out.str.replace_all(mark, pl.when(comma | beside).then(pl.lit("")).otherwise(pl.lit(" ")), literal=True)
    out = pl.coalesce(out, text)
    # A point stays where a digit follows. Two passes, for a match takes the character after it along.
    for _ in range(2):
        out = out.str.replace_all(r"\.(\D|$)", "${1}")
    return out


def _words(text: pl.Expr) -> pl.Expr:
    words = text.str.to_lowercase().str.extract_all(f"[^{SPACE}]+")
    return words.list.eval(pl.element().replace(_SPELLINGS).drop_nulls()).list.join(" ")


def _forms() -> Iterator[tuple[str, str]]:
    """(as typed without one of the apostrophes, as spoken)"""
    for spoken in _SPOKEN.split():
        for place in (place for place, letter in enumerate(spoken) if letter == "'"):
            yield spoken[:place] + spoken[place + 1 :], spoken


_SPELLINGS: Mapping[str, str | None] = MappingProxyType(
    _NUMBERS | dict.fromkeys(_ARTICLES) | dict(_forms()) | {"somebody'd": "somebodyd"}
)
