"""BLEU and chrF, of a group as of a corpus. sacrebleu counts text by text: it has no batch call."""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import polars as pl
from pydantic import Field
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from vhb_evaluator.metrics.base import Metric, MetricOptions

_MAX_CHARS = 100_000
"""Of a text; n-grams of a longer one would take gigabytes. Beyond any page."""


def forget_texts(tokeniser: Any) -> None:
    """Empties the caches of a tokeniser of sacrebleu, which keep 65,536 texts each for as long as the process lives."""
    for each in (tokeniser, getattr(tokeniser, "_post_tokenizer", None)):
        cached = getattr(type(each).__call__, "cache_clear", None)
        if cached is not None:
            cached()


class CorpusMetric(Metric):
    """What BLEU and chrF share: counts of a text against all its references, added up over a group.

    A sample alone has the score of its sentence. All values are in 0 to 1, sacrebleu's divided by 100.
    """

    direction = "higher"
    composite = True
    names: tuple[str, ...]
    """Of the counts."""

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Metric.score`. `detail` = the counts by name."""
        rows = []
        for row, answer, references in pairs.select(
            "row",
            pl.col("answer").str.head(_MAX_CHARS),
            pl.col("references").list.eval(pl.element().str.head(_MAX_CHARS)),
        ).iter_rows():
            counts = self.counts(answer, references)
            rows.append((row, self.of_sentence(counts), 1.0, json.dumps(dict(zip(self.names, counts, strict=True)))))
        shape = {"row": pl.UInt32(), "numerator": pl.Float64(), "denominator": pl.Float64(), "detail": pl.String()}
        return pl.DataFrame(rows, schema=shape, orient="row")

    def statistics(self, detail: pl.Expr) -> pl.Expr:
        """See `Metric.statistics`: the counts."""
        decoded = detail.str.json_decode(pl.Struct(dict.fromkeys(self.names, pl.Float64())))
        return pl.concat_list(
            pl.struct(pl.lit(name).alias("name"), decoded.struct.field(name).alias("amount")) for name in self.names
        )

    def group_values(self, sums: pl.DataFrame) -> pl.Series:
        """See `Metric.group_values`."""
        return pl.Series([self.of_corpus(counts) for counts in sums.select(self.names).iter_rows()], dtype=pl.Float64)

    @abstractmethod
    def counts(self, answer: str, references: Sequence[str]) -> list[int]:
        """What is counted, in the order of `names`."""

    @abstractmethod
    def of_sentence(self, counts: Sequence[float]) -> float:
        """The value of a text alone."""

    @abstractmethod
    def of_corpus(self, counts: Sequence[float]) -> float:
        """The value of added counts."""


class BleuOptions(MetricOptions):
    """Options of BLEU."""

    lowercase: bool = False
    tokenize: Literal["13a", "intl", "zh", "char", "none"] = "13a"
    """How words are found: sacrebleu's tokenisers; `char` and `zh` for texts without spaces."""


class _Bleu(BLEU):
    """sacrebleu's BLEU, with its counts of one text."""

    def counts(self, answer: str, references: Sequence[str]) -> list[int]:
        known: Mapping[str, Any] = self._extract_reference_info([self._preprocess_segment(text) for text in references])
        return self._compute_segment_statistics(self._preprocess_segment(answer), dict(known))


class Bleu(CorpusMetric):
    """BLEU with n-grams of up to 4 words, smoothed as sacrebleu does (`exp`); of a sentence alone with the effective
    order."""

    name = "bleu"
    summary = "BLEU of the group as a corpus, in 0 to 1"
    source = "Papineni et al. 2002; Post 2018, A call for clarity in reporting BLEU scores (sacrebleu)"
    normalisation = "none@1"
    options_type = BleuOptions
    names = ("words", "reference_words", *(f"right_{n}" for n in range(1, 5)), *(f"all_{n}" for n in range(1, 5)))

    def __init__(self, profile: str | None = None, options: MetricOptions | None = None) -> None:
        super().__init__(profile, options)
        chosen = cast("BleuOptions", self.options)
        self._bleu = _Bleu(lowercase=chosen.lowercase, tokenize=chosen.tokenize, force=True)

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `CorpusMetric.score`."""
        try:
            return super().score(pairs)
        finally:
            forget_texts(self._bleu.tokenizer)

    def counts(self, answer: str, references: Sequence[str]) -> list[int]:
        """See `CorpusMetric.counts`."""
        return self._bleu.counts(answer, references)

    def of_sentence(self, counts: Sequence[float]) -> float:
        """See `CorpusMetric.of_sentence`."""
        return self._value(counts, effective_order=True)

    def of_corpus(self, counts: Sequence[float]) -> float:
        """See `CorpusMetric.of_corpus`."""
        return self._value(counts, effective_order=False)

    def _value(self, counts: Sequence[float], *, effective_order: bool) -> float:
        words, reference_words, *grams = (int(count) for count in counts)
        found = BLEU.compute_bleu(
            grams[:4], grams[4:], words, reference_words, smooth_method="exp", effective_order=effective_order
        )
        return min(max(float(found.score) / 100, 0.0), 1.0)


class ChrfOptions(MetricOptions):
    """Options of chrF."""

    word_order: int = Field(0, ge=0, le=2)
    """2 makes it chrF++."""
    beta: int = Field(2, ge=1, le=3)
    lowercase: bool = False
    whitespace: bool = False
    """Let spaces be parts of n-grams."""


class _Chrf(CHRF):
    """sacrebleu's chrF, with its counts of one text."""

    def counts(self, answer: str, references: Sequence[str]) -> list[int]:
        known: Mapping[str, Any] = self._extract_reference_info([self._preprocess_segment(text) for text in references])
        return self._compute_segment_statistics(self._preprocess_segment(answer), dict(known))

    def value(self, counts: Sequence[float]) -> float:
        return float(self._compute_f_score([int(count) for count in counts])) / 100


class Chrf(CorpusMetric):
    """chrF2: F of character n-grams of up to 6, recall weighing beta times as much as precision."""

    name = "chrf"
    summary = "chrF2 of the group as a corpus, in 0 to 1"
    source = "Popović 2015, chrF: character n-gram F-score for automatic MT evaluation; sacrebleu"
    normalisation = "none@1"
    options_type = ChrfOptions

    def __init__(self, profile: str | None = None, options: MetricOptions | None = None) -> None:
        super().__init__(profile, options)
        chosen = cast("ChrfOptions", self.options)
        self._chrf = _Chrf(
            word_order=chosen.word_order, beta=chosen.beta, lowercase=chosen.lowercase, whitespace=chosen.whitespace
        )
        orders = [f"char_{n}" for n in range(1, 7)] + [f"word_{n}" for n in range(1, chosen.word_order + 1)]
        self.names = tuple(f"{part}_{order}" for order in orders for part in ("all", "reference", "right"))

    def counts(self, answer: str, references: Sequence[str]) -> list[int]:
        """See `CorpusMetric.counts`."""
        return self._chrf.counts(answer, references)

    def of_sentence(self, counts: Sequence[float]) -> float:
        """See `CorpusMetric.of_sentence`."""
        return self._chrf.value(counts)

    def of_corpus(self, counts: Sequence[float]) -> float:
        """See `CorpusMetric.of_corpus`."""
        return self._chrf.value(counts)
