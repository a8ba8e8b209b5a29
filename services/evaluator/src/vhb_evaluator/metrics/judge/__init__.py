"""Judges: models that are asked how good an answer is. `metric.py` is the metric; only it loads a client."""
