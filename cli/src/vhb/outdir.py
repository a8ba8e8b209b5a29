"""The folder that `vhb run` writes to: whose results it holds, and whether it may be used."""

import os
import shutil
from pathlib import Path

from pydantic import BaseModel, ValidationError

from vhb_shared.errors import UserError
from vhb_shared.store.results import JOB_FILES

_OURS = (*JOB_FILES, "samples", "runs", ".vhb-run.json")


def check_writable(out: Path | None) -> None:
    """Whether results can be written to a folder; before anything is asked, so that nothing is done in vain.

    Raises:
        UserError: it is a file, or may not be written.
    """
    if out is None:
        return
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; give a folder.")
    existing = out.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UserError(f"--out {out} cannot be written: {existing} allows no new files; give another folder.")


class Marker(BaseModel):
    """Which job a folder belongs to: written when the job is submitted, so that an interrupted run can go on."""

    job_id: str
    spec_hash: str


class OutDir:
    """One results folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._marker_file = path / ".vhb-run.json"

    def marker(self) -> Marker | None:
        """Which job it belongs to; None when it is new."""
        try:
            return Marker.model_validate_json(self._marker_file.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            raise UserError(f"{self._marker_file} is damaged; give another --out, or --overwrite.") from None

    def check(self, overwrite: bool) -> None:
        """Raises UserError unless it is new, empty, or holds results of ours."""
        check_writable(self.path)
        if overwrite or not self.path.exists() or self._marker_file.exists() or not any(self.path.iterdir()):
            return
        raise UserError(f"--out {self.path} holds other files; give another folder, or --overwrite.")

    def resume(self, spec_hash: str, overwrite: bool) -> str | None:
        """The job to go on with, if the folder belongs to this very job.

        Raises:
            UserError: it belongs to another job, and `overwrite` is not given.
        """
        if overwrite:
            self.clear()
            return None
        marker = self.marker()
        if marker is None:
            return None
        if marker.spec_hash != spec_hash:
            raise UserError(
                f"--out {self.path} holds the results of another job ({marker.job_id}), or this job or its data "
                "changed since; give another folder, or --overwrite."
            )
        return marker.job_id

    def begin(self, marker: Marker) -> None:
        """Marks the folder as this job's."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._marker_file.write_text(marker.model_dump_json())
        except OSError as error:
            raise UserError(f"--out {self.path} cannot be written: {error.strerror}.") from None

    def clear(self) -> None:
        """Removes results of ours; leaves other files alone."""
        for name in _OURS:
            path = self.path / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
