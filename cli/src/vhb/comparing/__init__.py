"""`vhb compare`: the runs that its arguments name."""
