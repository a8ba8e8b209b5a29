"""What was asked of each run about one sample, and what came of it: rendered again from the stored plan and data, and
checked against the hash that is stored with the answer."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl

from vhb.connect import Connection
from vhb.shown import Sent, ShownImage, ShownRow, ShownTurn
from vhb_inference_agent.backends.registry import backend_adapter
from vhb_inference_agent.runner.questions import (
    Question,
    RunFiles,
    epoch_parameters,
    questions,
    request_parameters,
    response_schema,
    run_files,
    turns_digest,
)
from vhb_shared.contracts.plan import Plan, RunSpec
from vhb_shared.datasets.selection import run_samples
from vhb_shared.documents.check import did_you_mean
from vhb_shared.errors import NotFound, UserError
from vhb_shared.store import layout
from vhb_shared.store.cache import Damaged, ObjectCache

_IDS_COMPARED = 5000


class SampleShower:
    """Shows samples of one job. Use `sample_shower`.

    Args:
        connection: bus and storage.
        plan: of the job.
        cache: local copies of what never changes.
        folder: for copies of results.
    """

    def __init__(self, connection: Connection, plan: Plan, cache: ObjectCache, folder: Path) -> None:
        self._store = connection.store
        self._states = connection.states
        self._plan = plan
        self._cache = cache
        self._folder = folder

    async def show(self, sample: str, run_name: str | None) -> list[ShownRow]:
        """Every row of the sample, run by run.

        Args:
            sample: its id in the data set, or the id of one of its rows.
            run_name: this run only.

        Raises:
            UserError: no such run or sample.
        """
        specs = [spec for spec in self._plan.runs if run_name in (None, spec.name)]
        if not specs:
            known = [spec.name for spec in self._plan.runs]
            raise UserError(f"Job {self._plan.job_id} has no run {run_name!r}: {did_you_mean(run_name or '', known)}")
        shown = [row for spec in specs for row in await self._run(spec, sample)]
        if not shown:
            raise UserError(await self._no_sample(specs[0], sample))
        return shown

    async def save(self, rows: Sequence[ShownRow], folder: Path) -> list[Path]:
        """Copies the images that rows show; each once. Returns the files."""
        images = {image.name: image.key for row in rows for image in row.every_image if image.bytes is not None}
        for name, key in images.items():
            await self._store.get_file(key, folder / name)
        return [folder / name for name in images]

    async def _run(self, planned: RunSpec, sample: str) -> list[ShownRow]:
        spec = planned
        if planned.results_run_id != planned.run_id:
            stored = await self._store.get(layout.run_spec(planned.results_run_id))
            spec = RunSpec.model_validate_json(stored)
        try:
            files = await run_files(spec, self._cache)
        except NotFound as error:
            raise UserError(f"The data of run {planned.name} are not in storage any more ({error}).") from error
        found, asked = await asyncio.to_thread(_rows, files, spec, sample)
        return [
            await self._row(planned, spec, question, row)
            for question, row in zip(asked, found.iter_rows(named=True), strict=True)
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
            parameters=_parameters(spec, question),
            response_schema=response_schema(spec),
            fingerprint=question.fingerprint,
            choices=tuple(row["choices"] or ()),
            references=tuple(row["references"] or ()),
            answer=answer,
            scores=await self._scores(spec, row),
        )

    async def _images(self, digest: str, names: Sequence[str]) -> tuple[ShownImage, ...]:
        shown = []
        for name in names:
            key = layout.dataset_media(digest, name)
            try:
                size = (await self._cache.path(key)).stat().st_size
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

    async def _result(self, key: str) -> Path | None:
        """A local copy of a file of results, which a retry may replace."""
        path = self._folder / key
        if path.exists():
            return path
        try:
            await self._store.get_file(key, path)
        except NotFound:
            return None
        return path

    async def _no_sample(self, spec: RunSpec, sample: str) -> str:
        files = await run_files(spec, self._cache)
        whole, near = await asyncio.to_thread(_known_ids, files, spec, sample)
        if whole:
            return f"Sample {sample!r} is in data set {spec.dataset.name!r}, and no run shown asks it: see its filter."
        return f"Job {self._plan.job_id} has no sample {sample!r}: {did_you_mean(sample, near, 'answers.csv')}"


@asynccontextmanager
async def sample_shower(connection: Connection, job_id: str) -> AsyncIterator[SampleShower]:
    """Shows samples of a job; its copies are gone afterwards.

    Raises:
        UserError: the job has no plan.
    """
    try:
        plan = Plan.model_validate_json(await connection.store.get(layout.plan(job_id)))
    except NotFound:
        raise UserError(f"Job {job_id} has nothing to show: it was never planned.") from None
    with tempfile.TemporaryDirectory(prefix="vhb-show-") as folder:
        cache = ObjectCache(connection.store, Path(folder) / "cache")
        yield SampleShower(connection, plan, cache, Path(folder) / "results")


def _rows(files: RunFiles, spec: RunSpec, sample: str) -> tuple[pl.DataFrame, list[Question]]:
    rows = run_samples(files.samples, spec).with_row_index("position")
    wanted = (pl.col("sample") == sample) | (pl.col("id") == sample)
    found = rows.filter(wanted).collect(engine="streaming")
    return found, questions(files, spec, found)


def _known_ids(files: RunFiles, spec: RunSpec, sample: str) -> tuple[bool, list[str]]:
    """Whether the whole data set has the sample, and the ids of the run's first rows."""
    whole = pl.scan_parquet(files.samples).filter(pl.col("id") == sample).select(pl.len())
    ids = run_samples(files.samples, spec).select("id").head(_IDS_COMPARED)
    return bool(whole.collect(engine="streaming").item()), ids.collect(engine="streaming").to_series().to_list()


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


def _parameters(spec: RunSpec, question: Question) -> Mapping[str, Any]:
    parameters = request_parameters(spec.model, response_schema(spec))
    with suppress(UserError):  # a plug-in's backend that is not installed here
        parameters = backend_adapter(spec.model.backend).request_options(spec.model, parameters)
    return epoch_parameters(parameters, question.epoch)
