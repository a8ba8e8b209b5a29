"""Which letter an answer to a multiple-choice question picks."""

from collections.abc import Callable

import polars as pl

from vhb_evaluator.white_space import SPACE, stripped

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WITHOUT_CHOICES = 8
"""Letters known where a sample does not say its choices; "I" would be a word of many answers."""

# LETTER stands for the last letter in use.
_ALONE = r"(?i)^[^\p{L}\p{N}]*([A-LETTER])[^\p{L}\p{N}]*$"
_LEADING = r"^[^\p{L}\p{N}(]*([A-LETTER])\s?(?:[.:,](?:\s|$)|\))"
_SAID = r"(?i:answer|ответ)(?i:\s+is|\s*:)+[^\p{L}\p{N}]*[A-LETTER](?:[^\p{L}\p{N}]|$)"
_BRACKETED = r"\([A-LETTER]\)"
_SPACED = r"(?:^|[^\p{L}\p{N}'’])[A-LETTER](?:\s|$)"
_POINTED = r"(?:^|[^\p{L}\p{N}'’])[A-LETTER][.]"
_LETTER_AT_THE_END = r"([A-Z])[^A-Z]?$"
_ABOUT_A = r"(^|[^\p{L}\p{N}])A (is|was|because|since|and|or)\b"
_ARTICLE = r"(^|[^\p{L}\p{N}])A ([\p{Ll}\p{N}])"


def by_letter(pairs: pl.DataFrame) -> list[pl.Series]:
    """The letter found in each way, in the order in which the ways count; null where none is.

    Args:
        pairs: `raw_answer`, `options` (how many a sample has; 0: not known).
    """
    answer = stripped(pl.col("raw_answer"))
    # "A is right" is about the option, "A cat" about a cat: the article is put out of the way. Spaces are doubled, for
    # one that a match takes along is missed by the next.
    prose = answer.str.replace_all(_ABOUT_A, "${1}A\n${2}").str.replace_all(_ARTICLE, "${1}a ${2}")
    prose = prose.str.replace_all(r"\s", "  ")

    def ways(last: str) -> list[pl.Expr]:
        def pattern(way: str) -> str:
            return way.replace("LETTER", last)

        whole = [answer.str.extract(pattern(way)).str.to_uppercase() for way in (_ALONE, _LEADING)]
        within = [(answer, _SAID), (answer, _BRACKETED), (prose, _SPACED), (prose, _POINTED)]
        return whole + [
            text.str.extract_all(pattern(way)).list.last().str.extract(_LETTER_AT_THE_END) for text, way in within
        ]

    return _by_last_letter(pairs, ways)


def by_letter_vlmevalkit(pairs: pl.DataFrame) -> pl.Series:
    """The only letter among the words, if it occurs in the last four only; none for "A" among more than three words."""
    words = pl.col("raw_answer").str.replace_all(r"[.()\[\],:;!*#{}]", " ").str.extract_all(f"[^{SPACE}]+")
    length = words.list.len().cast(pl.Int64)
    early = words.list.head(pl.max_horizontal(length - 4, 0))

    def ways(last: str) -> list[pl.Expr]:
        letters = pl.lit(pl.Series([[each for each in LETTERS if each <= last]])).first()
        found = words.list.set_intersection(letters)
        only = found.list.first()
        article = (only == "A") & (length > 3)
        late = early.list.set_intersection(letters).list.len() == 0
        return [pl.when((found.list.len() == 1) & late & ~article).then(only)]

    return _by_last_letter(pairs, ways)[0]


def by_text_vlmevalkit(pairs: pl.DataFrame) -> pl.Series:
    """The letter of the only option whose text occurs in the answer, in any case; none for an answer of more than twice
    the length of all options."""
    lower = pl.col("raw_answer").str.to_lowercase()
    long = (
        pairs.select("row", lower.alias("answer"), pl.col("choices").alias("text"))
        .explode("text")
        .with_columns(pl.int_range(pl.len()).over("row").alias("place"))
    )
    found = pl.col("answer").str.contains(pl.col("text").str.to_lowercase(), literal=True).fill_null(False)
    short = pl.col("answer").str.len_chars().first() <= 2 * pl.col("text").str.len_chars().sum()
    one = pl.col("place").filter(found)
    picked = (
        long.group_by("row", maintain_order=True)
        .agg(pl.when(short & (one.len() == 1)).then(one.first()).alias("place"))
        .with_columns(letter(pl.col("place")).alias("picked"))
    )
    return pairs.select("row").join(picked, on="row", how="left", maintain_order="left")["picked"]


def letter(place: pl.Expr) -> pl.Expr:
    """The letter of a 0-based place among the options."""
    return place.replace_strict(dict(enumerate(LETTERS)), default=None, return_dtype=pl.String)


def place(letter: pl.Expr) -> pl.Expr:
    """The place of an upper-case letter; null for anything else."""
    return letter.replace_strict(
        {each: number for number, each in enumerate(LETTERS)}, default=None, return_dtype=pl.Int64
    )


def known_letters(options: pl.Expr) -> pl.Expr:
    """How many letters are in use among so many options."""
    return pl.when(options > 0).then(options).otherwise(_WITHOUT_CHOICES)


def _by_last_letter(pairs: pl.DataFrame, ways: Callable[[str], list[pl.Expr]]) -> list[pl.Series]:
    """What each way finds in each row, of samples with the same last letter at once: patterns depend on it."""
    tables = []
    numbered = pairs.with_columns(known_letters(pl.col("options")).alias("letters")).with_row_index("at")
    for (count,), group in numbered.group_by("letters"):
        found = ways(LETTERS[int(str(count)) - 1])
        tables.append(group.select("at", *(way.alias(f"way {number}") for number, way in enumerate(found))))
    return pl.concat(tables).sort("at").drop("at").get_columns()
