"""Runs metrics that have packages of their own: an environment, a worker process in it, and the talk with it."""
