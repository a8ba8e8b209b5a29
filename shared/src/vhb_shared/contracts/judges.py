"""`judges.json`: who judged a run, by which prompt, how often they failed, and how far they agree."""

from pydantic import TypeAdapter

from vhb_shared.contracts.base import WireModel


class JudgeTally(WireModel):
    """One judge of a panel."""

    model: str
    backend: str | None = None
    """Of a model that agents serve."""
    served_model: str | None = None
    """The name that its backend knows it by."""
    base_url: str | None = None
    """Of a judge at an address."""
    asked: int
    failed: int
    """How often there was no reply, or no score in it."""
    mean_score: float | None
    """On the scale."""


class Agreement(WireModel):
    """How far the judges of a panel agree."""

    krippendorff_alpha_interval: float | None
    """1 is perfect, 0 what chance gives; None with one judge, or where all scores are the same."""
    samples: int
    """With scores of two or more judges."""


class Panel(WireModel):
    """What one metric's judges did."""

    judges: tuple[JudgeTally, ...]
    scale: tuple[int, int]
    """Lowest and highest score."""
    agreement: Agreement
    images: bool
    """Whether they saw the images."""
    protocol: str
    """Version of the words around the rubric."""
    prompt: tuple[dict[str, str], ...]
    """The messages about a made-up sample: `role`, `content`."""


Panels = TypeAdapter(dict[str, Panel])
"""The file's content, by the metric's label."""
