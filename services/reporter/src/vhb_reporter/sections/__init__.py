"""Sections of a report: one contract, one file per section, one visible list."""
