"""What answers: the contract in `base`, one adapter per file, the list in `registry`."""
