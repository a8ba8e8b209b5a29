"""Accuracy of multiple-choice questions."""

import polars as pl

from vhb_evaluator.metrics.base import Metric
from vhb_evaluator.metrics.choices import (
    LETTERS,
    by_letter,
    by_letter_vlmevalkit,
    by_text_vlmevalkit,
    known_letters,
    letter,
    place,
)
from vhb_evaluator.metrics.classes import contained, key, named
from vhb_evaluator.normalisation import normalised
from vhb_evaluator.white_space import stripped
from vhb_shared.errors import UserError


class ChoiceAccuracy(Metric):
    """1 if the answer picks the right option, else 0.

    What is picked, the first of these that is found: the answer is a letter alone; it is the text of an option; it
    begins with a letter and a mark ("B. Paris"); it says "answer: B" or "answer is B"; "(B)"; "B" before a space or at
    the end; "B."; the text of exactly one option occurs in it, as whole words. Where several letters are found in one
    of these ways the last one counts. A letter inside a word is none, nor is the article in "A cat". An answer in which
    nothing is found is unparsable and wrong, never a guess.

    References are letters or texts of options. Without choices, the letters A to H are known, and no texts. The order
    of the ways is MMMU's, which also takes letters inside words and articles, and guesses where nothing is found.

    Profile `vlmevalkit` reproduces that tool without its judge: exactly one letter among the words (with "A" among more
    than three words none), within the last five words; else exactly one option that occurs in an answer of at most
    twice the length of all options.
    """

    name = "choice_accuracy"
    summary = "share of answers that pick the right option; what picks none is unparsable"
    direction = "higher"
    source = "Yue et al. 2023, MMMU (arXiv:2311.16502), its evaluation of multiple-choice questions, without guesses"
    normalisation = "text-lower@1"
    profiles = ("vlmevalkit",)
    checks_samples = True

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`. `detail` = {"picked": ..., "expected": ...}, letters; null for nothing found.

        Raises:
            UserError: a reference is neither a letter nor the text of an option, or there are too many options.
        """
        options = self._options(pairs)
        counted = pairs.with_columns(pl.col("choices").list.len().alias("options"))
        wanted = self._wanted(counted, options)
        texts = counted.select("row", pl.col("answer").alias("text"))
        if self.profile == "vlmevalkit":
            ways = [by_letter_vlmevalkit(counted), by_text_vlmevalkit(counted)]
        else:
            alone, *others = by_letter(counted)
            ways = [alone, named(texts, options), *others, contained(texts, options)]
        picked = pl.DataFrame([way.alias(str(place)) for place, way in enumerate(ways)])
        frame = counted.select("row", picked.select(pl.coalesce(pl.all()).alias("picked"))["picked"]).join(
            wanted, on="row", how="left", maintain_order="left"
        )
        right = pl.col("expected").list.contains(pl.col("picked")).fill_null(False)
        expected = pl.when(right).then("picked").otherwise(pl.col("expected").list.first()).alias("expected")
        return frame.select(
            "row",
            right.cast(pl.Float64).alias("numerator"),
            pl.lit(1.0).alias("denominator"),
            pl.col("picked").is_null().alias("unparsable"),
            pl.struct("picked", expected).struct.json_encode().alias("detail"),
        )

    def _options(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """`row`, `key` (the text of an option, as it is compared), `class` (its letter). Of options with the same text
        the first is meant."""
        most = pairs["choices"].list.len().max()
        if isinstance(most, int) and most > len(LETTERS):
            raise UserError(f"{self.name}: a sample has {most} choices, and letters end at {len(LETTERS)}")
        long = (
            pairs.select("row", pl.col("choices").alias("text"))
            .explode("text")
            .drop_nulls()
            .with_columns(pl.int_range(pl.len()).over("row").alias("place"))
        )
        text = key(normalised(pl.col("text"), self.normalised_by)).alias("key")
        return long.select("row", text, letter(pl.col("place")).alias("class")).unique(
            ["row", "key"], keep="first", maintain_order=True
        )

    def _wanted(self, counted: pl.DataFrame, options: pl.DataFrame) -> pl.DataFrame:
        """`row` and the letters `expected`, in the order of the references."""
        long = counted.select(
            "row", "options", pl.col("raw_references").alias("raw"), pl.col("references").alias("text")
        ).explode("raw", "text")  # fmt: skip
        named_by = key(stripped(pl.col("raw"))).str.to_uppercase()
        in_use = place(named_by) < known_letters(pl.col("options"))
        found = long.with_columns(
            pl.coalesce(pl.when(in_use).then(named_by), named(long.select("row", "text"), options)).alias("expected")
        )
        unknown = found.filter(pl.col("expected").is_null())
        if not unknown.is_empty():
            row = unknown.row(0, named=True)
            raise UserError(
                f"{self.name}: the reference {row['raw'][:100]!r} is neither the letter nor the text of one of the "
                f"{row['options']} choices of its sample: correct it, or use exact_match"
            )
        return found.group_by("row", maintain_order=True).agg("expected")
