"""The runs that an argument of `vhb compare` names: results in a folder, or a job or run of the stack."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vhb_shared.comparing.runs import FoundRun

if TYPE_CHECKING:
    from vhb.connect import Connection
    from vhb_shared.contracts.plan import RunSpec

SCORES = "scores.parquet"
REPLICATES = "replicates.parquet"


def is_folder(argument: str) -> bool:
    """Whether an argument means a folder on this machine.

    Raises:
        UserError: it is a path, and there is no such folder.
    """
    from vhb_shared.errors import UserError

    head = argument.rpartition(":")[0]
    if Path(argument).is_dir() or (head and Path(head).is_dir()):
        return True
    if "/" in argument or argument.startswith("."):
        raise UserError(f"There is no folder {argument}; give a results folder, or the id of a job or run.")
    return False


def in_folder(argument: str) -> list[FoundRun]:
    """The runs of a results folder, `FOLDER:RUN` one of them; `FOLDER/runs/RUN` too. Blocks.

    Raises:
        UserError: it holds no results of ours, or no such run, or no scores.
    """
    from pydantic import ValidationError

    from vhb.fetch import folder_name
    from vhb_reporter.summary import JobSummary
    from vhb_shared.errors import UserError

    folder, wanted = Path(argument), ""
    if not folder.is_dir():
        head, _, wanted = argument.rpartition(":")
        folder = Path(head)
    elif not (folder / "job.json").is_file() and (folder.parent.parent / "job.json").is_file():
        wanted, folder = folder.name, folder.parent.parent
    try:
        job = JobSummary.model_validate_json((folder / "job.json").read_bytes())
    except FileNotFoundError:
        raise UserError(f"{folder} has no job.json: give a folder that `vhb run` or `vhb results` wrote.") from None
    except (OSError, ValidationError):
        raise UserError(f"{folder}/job.json cannot be read: fetch the results again with `vhb results`.") from None
    found = [
        FoundRun(
            argument=str(folder),
            job_id=job.job_id,
            run_id=run.run_id,
            name=run.name,
            model=run.model,
            task=run.task,
            dataset=run.dataset,
            dataset_digest=run.dataset_digest,
            scores=folder / "runs" / folder_name(run.name) / SCORES,
            replicates=folder / "runs" / folder_name(run.name) / REPLICATES,
            stored=False,
        )
        for run in job.runs
    ]
    return with_scores(_named(found, wanted, str(folder)), argument)


async def on_stack(argument: str, connection: "Connection", scratch: Path) -> list[FoundRun]:
    """The runs of a job, `JOB_ID:RUN` one of them, or the run of a run id; their scores are fetched.

    Raises:
        UserError: there is no such job or run, or it has no scores.
    """
    from vhb_shared.bus.knowing import known_job
    from vhb_shared.contracts.plan import Plan, RunSpec
    from vhb_shared.errors import NotFound, UserError
    from vhb_shared.store import layout

    job_id, _, wanted = argument.partition(":")
    runs: Sequence[RunSpec]
    try:
        await connection.states.job(job_id)
    except NotFound:
        try:
            runs = [RunSpec.model_validate_json(await connection.store.get(layout.run_spec(job_id)))]
        except NotFound:
            await known_job(connection.states, job_id)  # says which ids there are
            raise
    else:
        try:
            runs = Plan.model_validate_json(await connection.store.get(layout.plan(job_id))).runs
        except NotFound:
            raise UserError(f"Job {job_id} has no results: it was not accepted.") from None
    chosen = _named([_stored(run, job_id, scratch) for run in runs], wanted, job_id)
    by_id = {run.run_id: run for run in runs}
    for found in chosen:
        source = by_id[found.run_id].results_run_id
        for name, path in ((SCORES, found.scores), (REPLICATES, found.replicates)):
            if not path.exists():
                with contextlib.suppress(NotFound):
                    await connection.store.get_file(layout.run_file(source, name), path)
    return with_scores(chosen, argument)


def _stored(run: "RunSpec", argument: str, scratch: Path) -> FoundRun:
    return FoundRun(
        argument=argument,
        job_id=run.job_id,
        run_id=run.run_id,
        name=run.name,
        model=run.model.name,
        task=run.task.name,
        dataset=run.dataset.name,
        dataset_digest=run.dataset.digest,
        scores=scratch / f"{run.run_id}.parquet",
        replicates=scratch / f"{run.run_id}.{REPLICATES}",
        stored=True,
    )


def _named(found: list[FoundRun], wanted: str, where: str) -> list[FoundRun]:
    from vhb_shared.documents.check import did_you_mean
    from vhb_shared.errors import UserError

    if not wanted:
        return found
    chosen = [run for run in found if wanted in (run.name, run.run_id)]
    if not chosen:
        hint = did_you_mean(wanted, [run.name for run in found])
        raise UserError(f"{where} has no run {wanted!r}; {hint}")
    return chosen


def with_scores(found: list[FoundRun], argument: str) -> list[FoundRun]:
    """Those that were scored.

    Raises:
        UserError: none was.
    """
    from vhb_shared.errors import UserError

    scored = [run for run in found if run.scores.is_file()]
    if not scored:
        raise UserError(f"{argument} has no scores: it was not evaluated, or without metrics (see `vhb evaluate`).")
    return scored
