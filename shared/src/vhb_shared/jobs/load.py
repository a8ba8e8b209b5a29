"""Reading a job file: YAML, JSON, or the CSV and run YAML of the earlier tool."""

from dataclasses import dataclass, field
from pathlib import Path

from vhb_shared.contracts.job import JobSpec
from vhb_shared.documents.base import Document, Loc, spell
from vhb_shared.documents.check import check_document
from vhb_shared.documents.read import read_document
from vhb_shared.errors import UserError
from vhb_shared.registry.registry import Registry

SUFFIXES = (".yaml", ".yml", ".json", ".csv")


@dataclass(frozen=True)
class LoadedJob:
    """A job and what is needed to understand it."""

    spec: JobSpec
    base_dir: Path | None
    """Where its relative paths start."""
    document: Document | None = field(default=None, repr=False, compare=False)
    """The file, for places in messages; None for files of the earlier tool, and for a job that never was a file."""

    def where(self, loc: Loc) -> str:
        """`job.yaml, line 3, column 5: models[0]` for a part of the job."""
        return f"{self.document.where(loc)}: {spell(loc)}" if self.document is not None else spell(loc)


def load_job(path: Path, folder: Path | None = None, registry: Registry | None = None) -> LoadedJob:
    """Reads a job file. Blocks.

    Args:
        path: the file.
        folder: where its relative paths start; None: beside it.
        registry: where names are looked up; None: the one that belongs to that folder.

    Raises:
        UserError: it is missing, malformed, or not a job; says every mistake with line and column.
    """
    suffix = path.suffix.lower()
    base_dir = (folder or path.parent).absolute()
    if path.exists() and not path.is_dir() and suffix not in SUFFIXES:
        raise UserError(f"{path} is not a job file by its name: expected one of {', '.join(SUFFIXES)}.")
    if suffix == ".csv" and path.is_file():
        from vhb_shared.datasets.user_config import read_user_config  # polars; other jobs do without

        registered = (registry or Registry.load(base_dir)).models.keys()
        return LoadedJob(read_user_config(path, folder=base_dir, registered=registered), base_dir)
    document = read_document(path, "job file")
    if isinstance(document.data, dict) and not {"models", "tasks", "runs"} & document.data.keys():
        from vhb_shared.datasets.run_yaml import is_run_yaml, read_run_yaml

        if is_run_yaml(document.data):
            return LoadedJob(read_run_yaml(document.data, base_dir / path.name), base_dir)
    return LoadedJob(check_document(document, JobSpec), base_dir, document)
