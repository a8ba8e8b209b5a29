"""Judges: models that are asked how good an answer is."""

from vhb_evaluator.metrics.judge.metric import Judge

__all__ = ["Judge"]
