"""Runs compared: which belong together, by which metrics, and what is said of them."""
