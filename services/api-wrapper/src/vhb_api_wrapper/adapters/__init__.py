"""Models that the wrapper can serve: the contract in `base`, one file per adapter, the list in `registry`."""
