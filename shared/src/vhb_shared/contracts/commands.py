"""Work to be done once: messages of the work queue. Imperative."""

from typing import Literal

from pydantic import Field

from vhb_shared.contracts.base import WireModel
from vhb_shared.contracts.job import JobSpec


class SubmitJob(WireModel):
    """Run a benchmark."""

    type: Literal["org.vlmhyperbench.jobs.submit.v1"] = "org.vlmhyperbench.jobs.submit.v1"
    job_id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$")
    job: JobSpec | None = None
    """The job itself; or `job_key`, where it lies in object storage when it is too big for a message."""
    job_key: str | None = None
    base_dir: str | None = None
    """Where relative paths of the job start, when the scheduler can read them itself."""
    submitted_at: str = ""


class CancelJob(WireModel):
    """Stop a job."""

    type: Literal["org.vlmhyperbench.jobs.cancel.v1"] = "org.vlmhyperbench.jobs.cancel.v1"
    job_id: str
    requested_at: str = ""


class RetryJob(WireModel):
    """Ask again what failed or is missing in a finished job."""

    type: Literal["org.vlmhyperbench.jobs.retry.v1"] = "org.vlmhyperbench.jobs.retry.v1"
    job_id: str
    failed_only: bool = False
    """True leaves out what was withdrawn (cancelled or never asked)."""
    requested_at: str = ""


class InferShard(WireModel):
    """Answer one shard of a run."""

    type: Literal["org.vlmhyperbench.inference.shard.v1"] = "org.vlmhyperbench.inference.shard.v1"
    job_id: str
    run_id: str
    backend_id: str
    shard: int
    attempt: int
    """Counts announcements of this shard; a message with an older number than the run's state holds is stale."""
    keep: str | None = None
    """Token of an earlier part whose good answers are kept (retry)."""
    ask_withdrawn: bool = True
    """With `keep`: whether withdrawn samples are asked too."""


class ReuseAnswers(WireModel):
    """Complete the shards of a run whose answers are all known from earlier runs, before any backend is wanted."""

    type: Literal["org.vlmhyperbench.inference.reuse.v1"] = "org.vlmhyperbench.inference.reuse.v1"
    job_id: str
    run_id: str
    round: int = 0
    announcement: int = 0
