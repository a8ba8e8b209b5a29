"""Owns a host: starts backends and feeds them shards."""
