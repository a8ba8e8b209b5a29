"""Metrics: the contract in `base`, one file each, the list in `registry`."""
