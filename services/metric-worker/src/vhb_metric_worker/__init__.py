"""Serves a metric over HTTP from an environment of its own; imports the standard library only."""
