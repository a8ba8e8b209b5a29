"""Read-only questions over stored results, in SQL: what is stored as tables, and an engine that answers in a process of
its own."""
