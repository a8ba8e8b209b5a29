"""Where a backend runs: the contract in `base`, one implementation per file, the list in `registry`."""
