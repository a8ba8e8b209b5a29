"""What was asked of a run about one sample, and what came of it: rendered again from the stored plan and data, and
checked against the hash that is stored with the answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from vhb_shared.asking.questions import (
    Question,
    RunFiles,
    epoch_parameters,
    questions,
    request_parameters,
    response_schema,
    run_files,
    turns_digest,
)
from vhb_shared.asking.shown import Sent, ShownImage, ShownRow, ShownTurn
from vhb_shared.bus.states import StateReader
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.datasets.selection import run_samples, slice_samples
from vhb_shared.errors import NotFound, UserError
from vhb_shared.store import layout
from vhb_shared.store.base import LocalCopies, ObjectStore
from vhb_shared.store.cache import Damaged

Parameters = Callable[[RunSpec], Mapping[str, Any]]
"""Of a request's body, beside messages and model."""


def plain_parameters(spec: RunSpec) -> Mapping[str, Any]:
    """As the job says them; what a backend makes of them is its adapter's."""
    return request_parameters(spec.model, response_schema(spec))


class RowShower:
    """Shows rows of runs.

    Args:
        store: object storage.
        states: of runs, for answers that are not collected yet.
        copies: local copies of what never changes.
        result: a local copy of a file of results, which a retry may replace; None where there is none.
        parameters: of a run's requests.
    """

    def __init__(
        self,
        store: ObjectStore,
        states: StateReader,
        copies: LocalCopies,
        result: Callable[[str], Awaitable[Path | None]],
        parameters: Parameters = plain_parameters,
    ) -> None:
        self._store = store
        self._states = states
        self._copies = copies
        self._result = result
        self._parameters = parameters

    async def of_sample(self, planned: RunSpec, sample: str) -> list[ShownRow]:
        """Every row of a sample.

        Args:
            planned: a run.
            sample: its id in the data set, or the id of one of its rows.

        Raises:
            UserError: the data are not in storage any more.
        """
        return await self._rows(planned, lambda files, spec: _rows_of(files, spec, sample))

    async def at(self, planned: RunSpec, position: int) -> ShownRow | None:
        """One row by its place in the run; None beyond the last.

        Raises:
            UserError: the data are not in storage any more.
        """
        found = await self._rows(planned, lambda files, spec: _row_at(files, spec, position))
        return found[0] if found else None

    async def _rows(self, planned: RunSpec, find: Callable[[RunFiles, RunSpec], pl.DataFrame]) -> list[ShownRow]:
        spec = planned
        if planned.results_run_id != planned.run_id:
            stored = await self._store.get(layout.run_spec(planned.results_run_id))
            spec = RunSpec.model_validate_json(stored)
        try:
            files = await run_files(spec, self._copies)
        except NotFound as error:
            raise UserError(f"The data of run {planned.name} are not in storage any more ({error}).") from error

        def asked() -> tuple[pl.DataFrame, list[Question]]:
            found = find(files, spec)
            return found, questions(files, spec, found)

        found, rendered = await asyncio.to_thread(asked)
        return [
            await self._row(planned, spec, question, row)
            for question, row in zip(rendered, found.iter_rows(named=True), strict=True)
        ]

    async def _row(self, planned: RunSpec, spec: RunSpec, question: Question, row: Mapping[str, Any]) -> ShownRow:
        answer = await self._answer(spec, row)
        digest, examples_digest = spec.dataset.media_digest, turns_digest(spec) or ""
        return ShownRow(
            run=planned.name,
            model=planned.model.name,
            id=row["id"],
            sample=row["sample"],
            sent=_sent(question, answer),
            system_prompt=question.system,
            turns=tuple(
                [
                    ShownTurn(turn.id, turn.text, await self._images(examples_digest, turn.images), turn.answer)
                    for turn in question.turns
                ]
            ),
            user_prompt=question.text,
            images=await self._images(digest, question.images),
            problem=question.problem,
            parameters=epoch_parameters(self._parameters(spec), question.epoch),
            response_schema=response_schema(spec),
            fingerprint=question.fingerprint,
            choices=tuple(row["choices"] or ()),
            references=tuple(row["references"] or ()),
            answer=answer,
            scores=await self._scores(spec, row),
            answer_bbox=row.get("answer_bbox"),
        )

    async def _images(self, digest: str, names: Sequence[str]) -> tuple[ShownImage, ...]:
        shown = []
        for name in names:
            key = layout.dataset_media(digest, name)
            try:
                size = (await self._copies.path(key)).stat().st_size
            except (NotFound, Damaged):
                size = None
            shown.append(ShownImage(name, name.partition(".")[0], size, key))
        return tuple(shown)

    async def _answer(self, spec: RunSpec, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
        table = await self._result(layout.run_file(spec.run_id, "answers.parquet"))
        if table is None:
            # Not evaluated yet: the part that counts, if the shard is done.
            shard = row["position"] // spec.shard_size
            try:
                state = await self._states.run(spec.run_id)
            except NotFound:
                return None
            token = state.committed.get(shard) or state.keep.get(shard)
            table = await self._result(layout.answers_part(spec.run_id, shard, token)) if token else None
        found = await asyncio.to_thread(_of_row, table, row) if table is not None else []
        return found[0] if found else None

    async def _scores(self, spec: RunSpec, row: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        table = await self._result(layout.run_file(spec.run_id, "scores.parquet"))
        if table is None:
            return ()
        kept = ("metric", "metric_version", "normalisation", "status", "value", "detail")
        found = await asyncio.to_thread(_of_row, table, row)
        return tuple({name: score.get(name) for name in kept} for score in found)


def _rows_of(files: RunFiles, spec: RunSpec, sample: str) -> pl.DataFrame:
    rows = run_samples(files.samples, spec).with_row_index("position")
    wanted = (pl.col("sample") == sample) | (pl.col("id") == sample)
    return rows.filter(wanted).collect(engine="streaming")


def _row_at(files: RunFiles, spec: RunSpec, position: int) -> pl.DataFrame:
    if position >= spec.samples:
        return slice_samples(files.samples, spec, 0, 0).with_row_index("position")
    return slice_samples(files.samples, spec, position, 1).with_row_index("position", position)


def _of_row(table: Path, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    same = (pl.col("index") == row["index"]) & (pl.col("id") == row["id"])
    return pl.scan_parquet(table).filter(same).collect(engine="streaming").to_dicts()


def _sent(question: Question, answer: Mapping[str, Any] | None) -> Sent:
    if answer is None or answer["outcome"] == "withdrawn":
        return "not answered"
    stored = answer.get("fingerprint")
    if stored is None:
        return "unknown"
    return "verified" if stored == question.fingerprint else "differs"
