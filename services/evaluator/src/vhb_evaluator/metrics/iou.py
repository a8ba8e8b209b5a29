"""Grounding: how well a box covers the right one."""

from collections.abc import Iterator

import polars as pl
from pydantic import Field

from vhb_evaluator.metrics.base import MetricOptions
from vhb_evaluator.metrics.boxes import Box, BoxFormat, corners, overlap, read_boxes
from vhb_evaluator.metrics.json_answers import Unreadable
from vhb_evaluator.metrics.structured import StructuredMetric, Verdict, not_scored


class BoxOptions(MetricOptions):
    """What a job may set."""

    box_format: BoxFormat = "xyxy"
    """Order of the four numbers: corners (`xyxy`, `yxyx`), corner and size (`xywh`), centre and size (`cxcywh`)."""
    answer_format: BoxFormat | None = None
    """The same for answers alone, where a model has a habit of its own."""
    answer_scale: float = Field(1.0, gt=0)
    """Answers are multiplied by it. Answers and references must then be in the same unit: pixels, or shares."""


class IouAccuracyOptions(BoxOptions):
    """What a job may set."""

    threshold: float = Field(0.5, gt=0, le=1)
    """The lowest intersection over union that counts as found."""


class Iou(StructuredMetric):
    """Intersection over union of the answer's box and the right one, in 0 to 1.

    The right box is the sample's `answer_bbox`, else its references; of several the best covered one counts. Of an
    answer the first box counts: JSON (`[x1, y1, x2, y2]`, a list of such lists, `{"bbox": [...]}`, `{"x1": ...}`), or
    four numbers in brackets anywhere in the text. Without one it is unparsable and scores 0, as does an empty box.
    """

    name = "iou"
    summary = "intersection over union of the answer's box and the right one"
    direction = "higher"
    source = "Jaccard 1912; Everingham et al. 2010, The Pascal Visual Object Classes Challenge, section 4.2"
    needs = ("text", "boxes")
    options_type = BoxOptions
    checks_samples = True
    extremes = (0.0, 1.0)

    def comparable(self) -> pl.Expr:
        """See `Metric.comparable`: a box to compare with, in one place or the other."""
        return (pl.col("raw_references").list.len() > 0) | (pl.col("answer_bbox").fill_null("") != "")

    def verdicts(self, pairs: pl.DataFrame) -> Iterator[Verdict]:
        """See `StructuredMetric.verdicts`."""
        assert isinstance(self.options, BoxOptions)
        own = self.options.answer_format or self.options.box_format
        for answer, bbox, references in pairs.select("raw_answer", "answer_bbox", "raw_references").iter_rows():
            try:
                truths = [corners(four, self.options.box_format)
                          for text in ([bbox] if bbox else references) for four in read_boxes(text)]  # fmt: skip
            except Unreadable as error:
                yield not_scored(f"the reference holds no box: {error}")
                continue
            try:
                four = read_boxes(answer)[0]
            except Unreadable as error:
                yield Verdict(0.0, unparsable=True, detail={"unparsable": str(error)})
                continue
            scale = self.options.answer_scale
            found = Box(*(each * scale for each in corners(four, own)))
            value = max(overlap(found, truth) for truth in truths)
            yield Verdict(self.value(value), detail={"box": list(found), "iou": value})

    def value(self, iou: float) -> float:
        """The sample's value, from its intersection over union."""
        return iou


class IouAccuracy(Iou):
    """1 if the intersection over union is at least 0.5 (option `threshold`), else 0; boxes as in `iou`."""

    name = "iou_accuracy"
    summary = "share of boxes with an intersection over union of at least 0.5"
    options_type = IouAccuracyOptions

    def value(self, iou: float) -> float:
        """See `Iou.value`."""
        assert isinstance(self.options, IouAccuracyOptions)
        return float(iou >= self.options.threshold)
