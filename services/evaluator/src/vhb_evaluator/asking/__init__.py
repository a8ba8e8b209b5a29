"""Metrics that ask models which agents serve: what they ask, and what came back."""
