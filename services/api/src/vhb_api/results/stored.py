"""The files of runs, as local copies."""

from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

from vhb_shared.contracts.plan import RunSpec
from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.base import LocalCopies, ObjectStore
from vhb_shared.store.current import CurrentFile, CurrentFiles

_SPECS = 256
"""Kept in memory: a few KB each."""


class RunTables(NamedTuple):
    """What a run left."""

    spec: RunSpec
    answers: CurrentFile
    scores: CurrentFile | None
    samples: Path | None
    """Of the data set."""

    @property
    def version(self) -> str:
        """Another text as soon as one of the tables is written anew."""
        scores = self.scores.version if self.scores is not None else ""
        return f"{self.spec.results_run_id}/{self.answers.version}/{scores}"


class StoredRuns:
    """Finds them.

    Args:
        store: object storage.
        current: copies of what a retry replaces.
        pinned: copies of what never changes.
    """

    def __init__(self, store: ObjectStore, current: CurrentFiles, pinned: LocalCopies) -> None:
        self._store = store
        self.current = current
        self.pinned = pinned
        self._specs: OrderedDict[str, RunSpec] = OrderedDict()

    async def spec(self, run_id: str) -> RunSpec:
        """What was planned.

        Raises:
            NotFound: no such run.
        """
        found = self._specs.get(run_id)
        if found is None:
            try:
                found = RunSpec.model_validate_json(await self._store.get(layout.run_spec(run_id)))
            except NotFound:
                raise NotFound(f"run {run_id}") from None
            self._specs[run_id] = found
            if len(self._specs) > _SPECS:
                self._specs.popitem(last=False)
        self._specs.move_to_end(run_id)
        return found

    async def file(self, spec: RunSpec, name: str) -> CurrentFile | None:
        """A file of the results that a run shows; None where there is none."""
        return await self.current.get(layout.run_file(spec.results_run_id, name))

    async def tables(self, run_id: str) -> RunTables:
        """Answers and scores.

        Raises:
            NotFound: no such run, or it has no answers that were collected.
        """
        spec = await self.spec(run_id)
        answers = await self.file(spec, "answers.parquet")
        if answers is None:
            raise NotFound(f"answer of run {spec.name} yet: they can be looked at when the run was evaluated")
        scores = await self.file(spec, "scores.parquet")
        try:
            samples = await self.pinned.path(layout.dataset_samples(spec.dataset.digest))
        except NotFound:
            samples = None
        return RunTables(spec, answers, scores, samples)
