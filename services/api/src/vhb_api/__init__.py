"""The management plane: a projection of the events into a database, and a REST interface."""
