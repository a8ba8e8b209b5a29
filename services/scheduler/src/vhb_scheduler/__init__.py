"""Turns jobs into runs and shards, counts what is done, announces what is next."""
