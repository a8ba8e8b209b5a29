"""Which class of a known list an answer names."""

import polars as pl

_AROUND = " \t\n.,;:!?\"'`*()[]«»“”"
"""What may stand around a class's name: "**Invoice**." names the class "invoice"."""
_BETWEEN = r"[^\p{L}\p{N}\p{M}]+"
"""What is between words."""


def key(text: pl.Expr) -> pl.Expr:
    """The normalised text without punctuation and quotes around it: what two names of a class are compared by."""
    return text.str.strip_chars(_AROUND)


def named(texts: pl.DataFrame, known: pl.DataFrame) -> pl.Series:
    """The class that each text names by being equal to it, else null.

    Args:
        texts: `row`, `text` (normalised).
        known: `key`, `class`; with `row` too where every sample has classes of its own. Keys are unique.
    """
    keyed = texts.with_columns(key(pl.col("text")).alias("key"))
    on = [name for name in ("row", "key") if name in known.columns]
    return keyed.join(known, on=on, how="left", maintain_order="left", validate="m:1")["class"]


def contained(texts: pl.DataFrame, known: pl.DataFrame) -> pl.Series:
    """The one class whose name occurs in each text as whole words; null for none, and for several.

    Where the name of one class is part of another's, the longer one is meant.

    Args:
        texts: as in `named`.
        known: as in `named`.
    """
    needles = known.with_columns(_words(pl.col("key")).alias("needle")).filter(pl.col("needle") != "  ")
    needles = needles.sort(pl.col("needle").str.len_chars(), descending=True, maintain_order=True)
    within = texts.select("row", _words(pl.col("text")).alias("text"))
    if "row" in known.columns:
        lists = needles.group_by("row", maintain_order=True).agg("needle")
        within = within.join(lists, on="row", how="left", maintain_order="left")
        found = within["text"].to_frame().select(
            pl.col("text").str.extract_many(within["needle"], leftmost=True).alias("found")
        )["found"]  # fmt: skip
        on = ["row", "found"]
    else:
        found = within.select(
            pl.col("text").str.extract_many(needles["needle"].to_list(), leftmost=True).alias("found")
        )["found"]
        on = ["found"]
    one = within.select("row", found.list.unique()).with_columns(
        pl.when(pl.col("found").list.len() == 1).then(pl.col("found").list.first()).alias("found")
    )
    return one.join(
        needles.rename({"needle": "found"}).unique(on, keep="first"), on=on, how="left", maintain_order="left"
    )["class"]


def _words(text: pl.Expr) -> pl.Expr:
    """The words with a space on either side of each, so that one is found whole, and a neighbour too."""
    spaced = text.str.replace_all(_BETWEEN, "  ").str.strip_chars(" ")
    return pl.concat_str(pl.lit(" "), spaced, pl.lit(" "))
