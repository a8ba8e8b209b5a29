"""Files that hold secrets: made once, mode 0600, kept by later runs."""

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from vhb_shared.errors import UserError

SERVICE_UID = 10001
"""Whom services run as where root set the deployment up; else they run as the user who did."""


def service_ids() -> tuple[int, int]:
    """User and group of the services' containers: they have to read files of mode 0600."""
    return (SERVICE_UID, SERVICE_UID) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


def token() -> str:
    """256 random bits as text that needs no quoting anywhere."""
    return secrets.token_urlsafe(32)


@dataclass
class SecretFiles:
    """Writes below one directory, and remembers what it made and what it kept."""

    root: Path
    force: bool = False
    """Whether secrets that are there are made anew."""
    made: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)

    def folder(self, path: Path) -> Path:
        """A folder that only the services' user can enter."""
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
        _give(path)
        return path

    def text(self, path: Path, content: str, *, for_ever: bool = False) -> str:
        """A file with that content, unless there is one: then what it holds.

        Args:
            path: the file.
            content: it.
            for_ever: `force` does not make it anew either.

        Raises:
            UserError: it cannot be read.
        """
        if path.exists() and (for_ever or not self.force):
            self.kept.append(path)
            try:
                return path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(f"{path} cannot be read ({error}); remove it and run `vhb init` again.") from None
        self.derived(path, content)
        self.made.append(path)
        return content

    def record(self, path: Path, content: dict[str, str]) -> dict[str, str]:
        """As `text`, for a JSON object of texts."""
        found = self.text(path, json.dumps(content))
        try:
            known = json.loads(found)
            if isinstance(known, dict) and content.keys() <= known.keys():
                return {str(key): str(value) for key, value in known.items()}
        except ValueError:
            pass
        raise UserError(f"{path} should hold JSON with {', '.join(content)}; remove it and run `vhb init` again.")

    def derived(self, path: Path, content: str) -> None:
        """A file made from others, written each time, whole or not at all."""
        partial = path.with_name(path.name + ".part")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(content)
        _give(partial)
        partial.replace(path)


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, *service_ids())
