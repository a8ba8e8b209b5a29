"""Stored results, as pages of rows: read from local copies, never whole."""
