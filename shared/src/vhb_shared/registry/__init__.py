"""Named models, tasks and data sets, and what installed packages offer."""
