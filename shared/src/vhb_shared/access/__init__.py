"""Who may do what: rights on the bus and in object storage, one role per kind of process, as data."""
