"""Where a backend or an isolated metric runs: the contract in `base`, one implementation per file, the list in `registry`."""
