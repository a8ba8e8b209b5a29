"""Jobs that are handed in over the REST interface."""
