"""What a job's results come to: read from the files that the reporter puts together. Blocking where they are read."""

import asyncio
import io
import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import polars as pl

from vhb_api.results.stored import StoredRuns
from vhb_shared.contracts.plan import Plan, RunSpec
from vhb_shared.errors import NotFound, UserError
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

LEVELS = {"doc_class": "by_doc_type", "question_type": "by_question_type", "both": "by_doc_question"}
"""How groups are asked for -> their level in metrics.parquet."""
_KEPT = 32
_MOST_JSON = 64 << 20


class Summaries:
    """Of jobs; the latest are remembered, until they are written anew.

    Args:
        store: object storage.
        runs: gives copies of files.
    """

    def __init__(self, store: ObjectStore, runs: StoredRuns) -> None:
        self._store = store
        self._runs = runs
        self._kept: OrderedDict[str, tuple[str, Any]] = OrderedDict()

    async def plan(self, job_id: str) -> Plan:
        """What was planned.

        Raises:
            NotFound: nothing.
        """
        found = await self._parsed(layout.plan(job_id), Plan.model_validate_json)
        if not isinstance(found, Plan):
            raise NotFound(f"plan of job {job_id}")
        return found

    async def summed_up(self, job_id: str) -> dict[str, Any] | None:
        """job.json; None where it is not written yet."""
        found = await self._parsed(layout.job_file(job_id, "job.json"), json.loads)
        return found if isinstance(found, dict) else None

    async def file(self, spec: RunSpec, name: str) -> Any:
        """A JSON file of a run; None where there is none."""
        return await self._parsed(layout.run_file(spec.results_run_id, name), json.loads)

    async def metrics(self, job_id: str, conditions: pl.Expr) -> pl.DataFrame | None:
        """Rows of metrics.parquet; None where it is not written yet."""
        path = await self._runs.current.path(layout.job_file(job_id, "metrics.parquet"))
        if path is None:
            return None
        return await asyncio.to_thread(lambda: pl.scan_parquet(path).filter(conditions).collect(engine="streaming"))

    async def performance(self, job_id: str) -> list[dict[str, Any]]:
        """Rows of performance.csv: empty cells are None."""
        try:
            data = await self._store.get(layout.job_file(job_id, "performance.csv"))
        except NotFound:
            return []
        return await asyncio.to_thread(lambda: pl.read_csv(io.BytesIO(data), infer_schema_length=None).to_dicts())

    async def _parsed(self, key: str, parse: Any) -> Any:
        found = await self._runs.current.get(key)
        if found is None:
            return None
        kept = self._kept.get(key)
        if kept is not None and kept[0] == found.version:
            self._kept.move_to_end(key)
            return kept[1]

        def read() -> Any:
            if found.path.stat().st_size > _MOST_JSON:
                raise UserError(f"{key} has more than {_MOST_JSON >> 20} MiB: fetch it as a file.")
            return parse(found.path.read_bytes())

        try:
            made = await asyncio.to_thread(read)
        except ValueError as error:
            raise UserError(f"{key} cannot be read: make the report anew (`vhb report`).") from error
        self._kept[key] = (found.version, made)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return made


def comparisons(plan: Plan) -> list[tuple[str, list[RunSpec]]]:
    """Which runs of a job may be compared: those of one task on the same samples; with a title for each.

    The rule is that of the report.
    """
    found: dict[tuple[object, ...], list[RunSpec]] = {}
    for run in plan.runs:
        task = run.task
        key = (task.comparison, run.dataset.digest, task.filter, task.limit, task.epochs, task.circular)
        found.setdefault(key, []).append(run)
    names = [runs[0].task.comparison for runs in found.values()]
    titled = []
    for runs in found.values():
        name = runs[0].task.comparison
        titled.append((name if names.count(name) == 1 else f"{name} · {_limits(runs)}", runs))
    return titled


def _limits(runs: Sequence[RunSpec]) -> str:
    task = runs[0].task
    said = [runs[0].dataset.name]
    said += [f"{name}: {', '.join(values)}" for name, values in task.filter.model_dump().items() if values]
    return ", ".join([*said, *([f"first {task.limit}"] if task.limit is not None else [])])
