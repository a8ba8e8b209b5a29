"""Intervals, tests and comparisons of scores. Pure: tables and arrays in, numbers out; the same input gives the same
numbers. What each function computes, and why, is in docs/statistics.md."""
