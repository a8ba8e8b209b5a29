"""From a submitted job to a plan: read, validate, pin, expand, write down. Doing it twice gives the same plan."""

import importlib.metadata
import json
from datetime import UTC, datetime
from pathlib import Path

from vhb_shared.contracts.commands import SubmitJob
from vhb_shared.contracts.job import JobSpec
from vhb_shared.contracts.plan import Plan
from vhb_shared.errors import NotFound, UserError
from vhb_shared.jobs.bundle import bundle_job
from vhb_shared.jobs.expand import expand_job
from vhb_shared.jobs.load import LoadedJob
from vhb_shared.jobs.validate import validate_job
from vhb_shared.registry.registry import Registry
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore


async def submitted_spec(command: SubmitJob, store: ObjectStore) -> JobSpec:
    """The job itself, from the message or from storage.

    Raises:
        UserError: neither holds it.
    """
    if command.job is not None:
        return command.job
    if command.job_key is None:
        raise UserError("The submission holds neither a job nor the key of one (`job`, `job_key`).")
    try:
        return JobSpec.model_validate_json(await store.get(command.job_key))
    except NotFound:
        raise UserError(f"The submission names {command.job_key}, which is not in storage.") from None
    except ValueError as error:
        raise UserError(f"{command.job_key} is not a job: {error}") from None


async def make_plan(command: SubmitJob, store: ObjectStore, registry: Registry, asked_by: str | None = None) -> Plan:
    """Resolves a job completely and stores its plan and its runs' specifications.

    Args:
        command: the job.
        store: object storage.
        registry: where names are looked up.
        asked_by: the run whose metrics ask its questions; None for a user's job.

    Raises:
        UserError: the job cannot be run; `problems` says why, one sentence each.
        Unavailable: storage does not answer.
    """
    spec = await submitted_spec(command, store)
    validate_job(spec, registry)
    base_dir = Path(command.base_dir) if command.base_dir else None
    bundled = await bundle_job(LoadedJob(spec=spec, base_dir=base_dir), store, registry)
    runs = await expand_job(bundled, command.job_id, store)
    plan = Plan(
        job_id=command.job_id,
        spec=bundled,
        runs=runs,
        created_at=datetime.now(UTC).isoformat(),
        asked_by=asked_by,
        software={
            name: importlib.metadata.version(name) for name in ("vhb-shared", "vhb-scheduler", "polars", "nats-py")
        },
    )
    for run in plan.runs:
        await store.put(layout.run_spec(run.run_id), run.model_dump_json(indent=1).encode())
    await store.put(layout.job_spec(command.job_id), json.dumps(json.loads(spec.model_dump_json()), indent=1).encode())
    await store.put(layout.plan(command.job_id), plan.model_dump_json(indent=1).encode())
    return plan


async def load_plan(job_id: str, store: ObjectStore) -> Plan | None:
    """The stored plan, if there is one."""
    try:
        return Plan.model_validate_json(await store.get(layout.plan(job_id)))
    except NotFound:
        return None
