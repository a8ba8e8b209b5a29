"""A database in a file of its own that is worth nothing afterwards: memory stays flat, and nothing is safe."""

import sqlite3
from pathlib import Path

_CACHE_KIB = 8 * 1024


def scratch_database(file: Path, table: str) -> sqlite3.Connection:
    """A new database with one table, within a transaction that is never committed. For one thread at a time.

    Args:
        file: does not exist yet; the caller's to remove after `close`.
        table: what stands behind CREATE TABLE.
    """
    database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    for setting in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KIB}", "locking_mode=EXCLUSIVE"):
        database.execute(f"PRAGMA {setting}")
    database.execute(f"CREATE TABLE {table}")
    database.execute("BEGIN")
    return database
