"""Where the files that a `user_config.csv` names are looked for."""

import os
from dataclasses import dataclass
from pathlib import Path

from vhb_shared.errors import UserError

DATA_DIRS = "data_dirs"


@dataclass(frozen=True, slots=True)
class Places:
    """The folders around a configuration file."""

    folder: Path
    """Where the file itself is."""

    def roots(self, kind: str, task: str) -> list[Path]:
        """Beside the file, then under data_dirs/; in the task's folder first.

        Args:
            kind: "Datasets", "PromptCollections" or "SystemPrompts".
            task: of the row; empty in older files, then every folder of a task is looked into.
        """
        roots = [self.folder / kind, self.folder / DATA_DIRS / kind]
        found = [root / task for root in roots if task] + roots
        if not task:
            found += sorted(below for root in roots if root.is_dir() for below in root.iterdir() if below.is_dir())
        return found

    def find(self, kind: str, task: str, cell: str) -> Path:
        """The file or folder that a cell names.

        Raises:
            UserError: it is in none of the roots.
        """
        roots = self.roots(kind, task)
        for root in roots:
            found = root / cell.replace("\\", "/")
            if os.path.exists(found):  # noqa: PTH110 - False, not an error, for what cannot be a path
                return found
        raise UserError(f'"{cell}" is not there; looked in {", ".join(map(self.relative, roots))}')

    def relative(self, path: Path) -> str:
        """As a job says it: from the file's folder where it lies below."""
        return path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else str(path.resolve())
