"""From a job file to planned runs: load, validate, make self-contained, expand."""
