"""Object storage: one contract, one implementation per kind of server, one module that knows the keys."""
