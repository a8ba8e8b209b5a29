"""The job in which models are asked what a metric of a run wants to know."""

import hashlib

from vhb_shared.contracts.events import Questions
from vhb_shared.contracts.job import JobSpec, TaskEntry
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.datasets.pin import PINNED
from vhb_shared.datasets.questions import INSTRUCTIONS

_LONGEST_ID = 80
_LONGEST_NAME = 100


def question_job_id(run_id: str, round_: int, metric: int) -> str:
    """`invoices-x7-0-q0-2`: the same for the same round of a run and place of the metric, so that asking twice asks
    once."""
    job_id = f"{run_id}-q{round_}-{metric}"
    if len(job_id) <= _LONGEST_ID:
        return job_id
    digest = hashlib.sha256(job_id.encode()).hexdigest()[:16]
    return f"{job_id[: _LONGEST_ID - len(digest) - 1]}-{digest}"


def question_job(run: RunSpec, questions: Questions, job_name: str) -> JobSpec:
    """The job: each of the metric's models answers all questions.

    Args:
        run: whose metric asks.
        questions: what it asks.
        job_name: of the run's job.
    """
    metric = run.task.metrics[questions.metric]
    return JobSpec(
        name=f"{metric.name} of {run.name} in {job_name}"[:_LONGEST_NAME],
        models=metric.models,
        tasks=(
            TaskEntry(
                name=metric.name,
                dataset=f"{PINNED}{questions.dataset_digest}",
                system_prompt=f"{{{{ {INSTRUCTIONS} }}}}",
            ),
        ),
        stages=("inference",),
        shard_size=run.shard_size,
        reuse=run.reuse,
    )
