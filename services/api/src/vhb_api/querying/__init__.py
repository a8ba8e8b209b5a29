"""Queries over everything that is stored, and those that people keep."""
