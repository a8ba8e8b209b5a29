"""The contract of a metric."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from vhb_evaluator.metrics.context import MetricContext
from vhb_evaluator.normalisation import resolve

Direction = Literal["higher", "lower"]
Need = Literal["text", "references", "boxes", "schema"]

PAIR_COLUMNS: tuple[str, ...] = (
    "row", "answer", "references", "raw_answer", "raw_references", "question", "choices", "answer_bbox", "fields",
    "images", "doc_class", "question_type",
)  # fmt: skip
"""What a metric is given, one row per sample:

- `row` (u32): names the sample in this batch; results are joined on it, never by position
- `answer` (str): normalised, never null, at most `normalisation.MAX_SCORED_CHARS` characters
- `references` (list[str]): normalised, at least one unless `Metric.comparable` says otherwise, none null
- `raw_answer`, `raw_references`: the same before normalisation, bounded as well
- `question` (str or null): the data set's own
- `choices` (list[str]): options of a multiple-choice question as they were shown, else empty
- `images` (list[str]): names of the sample's images, for `MetricContext.images`
- `answer_bbox`, `fields`, `doc_class`, `question_type` (str or null): as in `contracts.results.SAMPLE_COLUMNS`
"""


class MetricOptions(BaseModel):
    """What a job may set with `options:` of a metric; a metric with options of its own names a subclass."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Metric(ABC):
    """Scores a batch of answers against their references.

    A metric is registered under its `name` in the entry-point group `vhb.metrics`. It holds no state but its profile,
    options and context, and is used from a worker thread. Whatever its methods raise becomes a failure of the run's
    evaluation, never a score.
    """

    name: ClassVar[str]
    """The id in job files: lower case."""
    version: ClassVar[str] = "1"
    """Changes whenever the same answers would score differently."""
    summary: ClassVar[str]
    """One line for lists of metrics."""
    direction: ClassVar[Direction]
    """Which way is better."""
    source: ClassVar[str]
    """Where the definition comes from."""
    needs: ClassVar[tuple[Need, ...]] = ("text", "references")
    """What a sample must have to be scored."""
    normalisation: ClassVar[str] = "text@1"
    """The profile used unless the job names another one."""
    profiles: ClassVar[tuple[str, ...]] = ()
    """Named variants beside the default, each reproducing a known tool."""
    options_type: ClassVar[type[MetricOptions]] = MetricOptions
    """Which options there are, with their defaults and docstrings."""
    pooled: ClassVar[bool] = False
    """True: a group's value is sum(numerator) / sum(denominator), weighing samples by their denominator.
    False: the mean of the samples' values (every denominator is 1)."""
    min_references: ClassVar[int] = 1
    """How many references each sample needs; a data set with fewer is refused before anything is asked."""
    checks_samples: ClassVar[bool] = False
    """True: `score` raises `UserError`, or says `not_scored`, for samples that it cannot score, whatever was answered
    (choices are missing, a reference is none of the classes, or no JSON). Then samples are tried before anything is
    asked."""
    composite: ClassVar[bool] = False
    """True: a group's value is neither, but a function of sums of several statistics (macro F1 of a confusion matrix,
    BLEU of n-gram counts). Then `statistics` and `group_values` are implemented, every scored sample has a `detail`,
    and numerator and denominator give only the value of the sample alone."""
    extremes: ClassVar[tuple[float, float] | None] = None
    """Worst and best value that a failed sample could have had, for metrics that need no answer to know them.
    None: they are the scores of `worst_answers` and `best_answers`."""
    asks_models: ClassVar[bool] = False
    """Whether a job may give it `models:`, to be asked through `context.asked`."""
    gates: ClassVar[bool] = False
    """Whether it may stand under `gate:` of another metric: 1 lets an answer pass, 0 empties it."""

    def __init__(self, profile: str | None = None, options: MetricOptions | None = None) -> None:
        """Args:
        profile: one of `profiles`, or None for the default; the registry has checked it.
        options: of `options_type`, or None for the defaults.
        """
        self.profile = profile
        self.options = options if options is not None else self.options_type()
        self.normalised_by = resolve(self.normalisation)
        """Full name of the normalisation in force, for texts that a metric has to treat as answers are treated
        (choices, classes); the registry sets it to the one that the job names."""
        self.context = MetricContext()
        """What the run says; the registry sets it once the metric is made."""

    def check(self) -> None:
        """Looks at options and context before anything is asked or scored.

        Raises:
            UserError: the metric cannot work with them; one sentence with the remedy.
        """
        return

    def comparable(self) -> pl.Expr:
        """Which samples can be scored, over the columns `PAIR_COLUMNS` but for `answer` and `references`."""
        return pl.col("raw_references").list.len() > 0

    @abstractmethod
    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Scores every sample of a batch.

        Args:
            pairs: columns `PAIR_COLUMNS`; never empty.

        Returns:
            One row per row of `pairs`, in any order: `row` (u32), `numerator` (f64), `denominator` (f64, 1 unless
            pooled), and optionally `unparsable` (bool: the answer could not be read for this metric, and is scored as
            what the model deserves for that), `detail` (str or null: JSON for reports, e.g. the class found) and
            `not_scored` (str or null: why this sample could not be measured through no fault of the model, such as a
            judge that did not answer; its numerator and denominator do not count). A
            denominator of 0 stands for the value 0 when the numerator is 0,
            else 1; the same holds for a group whose denominators add up to 0.
        """

    def statistics(self, detail: pl.Expr) -> pl.Expr:
        """Of a composite metric: what adds up over a group, from the `detail` that `score` gave a sample.

        Returns:
            A list of structs `name` (str), `amount` (f64) for each sample. Names may depend on the data (one for each
            class); a name that a sample lacks counts as 0.
        """
        raise NotImplementedError

    def group_values(self, sums: pl.DataFrame) -> pl.Series:
        """Of a composite metric: the values of many groups at once.

        Args:
            sums: one row per group (or resample of one), one f64 column per name of a statistic, never null. Columns
                are those that occurred in any of the groups, so an expected one may be missing.

        Returns:
            f64, one per row; null where a group has no value.
        """
        raise NotImplementedError

    def worst_answers(self, pairs: pl.DataFrame) -> pl.Expr:
        """The answer a failed sample is taken to have given in the worst case: an empty one."""
        return pl.lit("", dtype=pl.String)

    def best_answers(self, pairs: pl.DataFrame) -> pl.Expr:
        """The answer a failed sample is taken to have given in the best case: its longest reference, as it stands,
        which for a pooled metric is the right answer that weighs most."""
        references = pl.col("raw_references")
        longest = references.list.eval(pl.element().str.len_chars()).list.arg_max()
        return references.list.get(longest)
