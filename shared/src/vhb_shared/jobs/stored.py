"""Jobs over what earlier jobs have stored."""

from vhb_shared.bus.knowing import known_job
from vhb_shared.bus.states import StateReader
from vhb_shared.contracts.job import JobSpec, MetricSpec, RunEntry
from vhb_shared.contracts.metric_label import parse_label
from vhb_shared.contracts.plan import Plan
from vhb_shared.errors import NotFound, UserError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore


async def plan_of(states: StateReader, store: ObjectStore, job_id: str) -> Plan:
    """What a job was resolved to.

    Raises:
        UserError: there is no such job, or it never had a plan.
    """
    job = await known_job(states, job_id)
    try:
        return Plan.model_validate_json(await store.get(layout.plan(job_id)))
    except NotFound:
        raise UserError(f"Job {job_id} has nothing to work on: it was {job.status}.") from None


def metric_named(label: str, place: str = "--metrics") -> MetricSpec:
    """A metric by its name, with options in brackets where there are some.

    Args:
        label: the name.
        place: where the user wrote it.

    Raises:
        UserError: it is written in another way.
    """
    try:
        return MetricSpec.model_validate(parse_label(label))
    except ValueError as error:
        raise UserError(f"{place}: {error}.") from None


def evaluated_anew(plan: Plan, metrics: tuple[MetricSpec, ...]) -> JobSpec:
    """A job of the same runs with other metrics, on the answers they have."""
    tasks = {run.task.name: run.task.model_copy(update={"metrics": metrics, "answers": None}) for run in plan.runs}
    models = {run.model.name: run.model for run in plan.runs}
    return JobSpec(
        name=plan.spec.name,
        models=tuple(models.values()),
        tasks=tuple(tasks.values()),
        runs=tuple(
            RunEntry(model=run.model.name, task=run.task.name, name=run.name, answers=f"run:{run.results_run_id}")
            for run in plan.runs
        ),
        stages=("evaluation", "reporting"),
        shard_size=plan.spec.shard_size,
        report=plan.spec.report,
    )
