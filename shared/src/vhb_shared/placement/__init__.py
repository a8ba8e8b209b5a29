"""Which agent a backend fits on, and why a run waits: one rule for agents and for whoever explains."""
