"""Work on stored tables that takes seconds, in a process of its own: bounded, ended when nobody waits for it."""
