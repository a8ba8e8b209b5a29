"""Where backends and isolated metrics run: the contract in `base`, one file per implementation, a list in `registry`."""
