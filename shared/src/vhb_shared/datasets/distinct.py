"""Which of very many names were there before, in memory that does not grow with their number."""

from pathlib import Path

from vhb_shared.datasets.scratch_database import scratch_database


class Distinct:
    """A set of texts in a file that nobody else uses and that is worth nothing afterwards. For one thread at a time."""

    def __init__(self, file: Path) -> None:
        self._database = scratch_database(file, "names (name TEXT PRIMARY KEY) WITHOUT ROWID")
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, name: str) -> bool:
        return self._database.execute("SELECT 1 FROM names WHERE name = ?", (name,)).fetchone() is not None

    def add(self, name: str) -> bool:
        """Adds a name; whether it is new."""
        new = self._database.execute("INSERT OR IGNORE INTO names VALUES (?)", (name,)).rowcount == 1
        self._count += new
        return new

    def close(self) -> None:
        """Lets go of the file."""
        self._database.close()
