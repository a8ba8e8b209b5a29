"""Where backends and isolated metrics run: the contract in `base`, one file per kind of place, names in `registry`."""
