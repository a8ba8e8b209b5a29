"""What the scheduler resolved a job to: stored in object storage, read by every stage."""

from pydantic import Field

from vhb_shared.contracts.base import WireModel
from vhb_shared.contracts.dataset import BoxFormat
from vhb_shared.contracts.job import JobSpec, ModelEntry, Stage, TaskEntry


class DatasetRef(WireModel):
    """A pinned data set in object storage."""

    digest: str
    """sha256 over content, hex."""
    name: str
    source: str
    """Where it came from, as the user wrote it."""
    samples: int
    """Samples in the whole data set."""
    skipped_rows: int = 0
    """Bad rows left out on the user's word (--skip-bad-rows)."""
    box_format: BoxFormat | None = None
    """What the four numbers of `answer_bbox` mean; None: unknown."""
    shows: str | None = None
    """The digest of the data set whose images its samples name; None: its own."""

    @property
    def media_digest(self) -> str:
        """The data set that its images are stored under."""
        return self.shows or self.digest


class RunSpec(WireModel):
    """One model on one task, everything resolved. Stored as runs/<run_id>/run.json; immutable."""

    job_id: str
    run_id: str
    name: str
    """Unique in the job: `<model>__<task>`."""
    model: ModelEntry
    task: TaskEntry
    """Its `prompts` and `response_schema` hold content, not file names; its `filter` and `limit` select samples."""
    dataset: DatasetRef
    samples: int
    """Rows of this run: the samples selected, each as often as it is asked."""
    shard_size: int
    shards: int
    backend_id: str
    stages: tuple[Stage, ...]
    answers_key: str | None = None
    """Stored answers to use instead of inference (a key in object storage)."""
    reuse: bool = False
    """Whether answers of earlier runs to the same requests are used."""
    results_run_id: str
    """Whose results the reporter shows: the run itself, or a stored one when only reporting was asked for."""

    def shard_range(self, shard: int) -> tuple[int, int]:
        """(offset, count) of a shard within the run's selected samples."""
        offset = shard * self.shard_size
        return offset, min(self.shard_size, self.samples - offset)


class Plan(WireModel):
    """jobs/<job_id>/plan.json."""

    job_id: str
    spec: JobSpec
    runs: tuple[RunSpec, ...]
    created_at: str
    asked_by: str | None = None
    """The run whose metrics ask its questions; None: a user's job."""
    software: dict[str, str] = Field(default_factory=dict)
    """Versions of what planned it."""
