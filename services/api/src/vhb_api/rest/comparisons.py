"""Runs compared, of one job or of several, with the statistics of `vhb compare`."""

import hashlib
import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, StringConstraints

from vhb_api.rest.context import RUN_ID, Context, Ctx, RunId, Viewer
from vhb_api.rest.problems import Failed, documented
from vhb_api.rest.run_head import RunHead
from vhb_api.rest.run_samples import Amount, Metric, Names, Offset, Text
from vhb_api.results import comparable
from vhb_api.results.listing import Better, PairSort, PairWanted, ordered_pairs, page
from vhb_api.results.stored import RunTables
from vhb_api.results.working import Gone, TooMuch
from vhb_shared.comparing.compared import CompareResult
from vhb_shared.errors import NotFound, UserError
from vhb_shared.statistics.verdict import Verdict, distinguishable, judged

router = APIRouter(tags=["results"], responses=documented(409))

MOST_RUNS = 20
MOST_ROWS = 1_000_000
"""Of all runs of one comparison together."""
_RunName = Annotated[str, Query(pattern=RUN_ID)]
_Runs = Annotated[
    list[Annotated[str, StringConstraints(pattern=RUN_ID)]],
    Query(alias="run", min_length=2, max_length=MOST_RUNS, description="The baseline first."),
]


class Compared(CompareResult):
    """What `vhb compare --json` prints, and which differences count as shown."""

    shown: list[list[list[bool]]]
    """For each match, comparison and difference: whether it is more than chance, by its corrected p."""
    judged: list[list[list[Verdict]]]
    """The same in parts, for sentences in any language."""
    tests: int
    """How many p values are corrected together."""


class Side(BaseModel):
    """One run's part of a pair."""

    row: int
    """Its place in that run."""
    outcome: str
    text: str | None
    """The beginning of the answer."""
    length: int | None
    error: str | None
    value: float | None


class Pair(BaseModel):
    """One sample of two runs."""

    index: int
    id: str
    doc_class: str | None
    question_type: str | None
    first: Side
    second: Side
    difference: float | None
    """Second less first."""
    better: str | None
    """first, second or equal; null where one of them has no value."""


class PairPage(BaseModel):
    """A part of a list of pairs."""

    first: RunHead
    second: RunHead
    metric: str
    higher_is_better: bool | None
    total: int
    """Pairs of the whole list."""
    offset: int
    items: list[Pair]


@router.get("/runs/{run_id}/comparable")
async def list_comparable(
    run_id: RunId,
    context: Ctx,
    who: Viewer,
    text: Annotated[str | None, Query(max_length=200, description="A part of the run's or the job's name.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> list[comparable.ComparableRun]:
    """Runs that were asked the same data and scored, of all jobs, the newest first."""
    spec = await context.results.runs.spec(run_id)
    return await comparable.comparable_runs(context.database, spec.dataset.digest, run_id, text, limit)


@router.get("/comparisons")
async def compare(
    request: Request,
    context: Ctx,
    who: Viewer,
    run: _Runs,
    metric: Annotated[list[str], Query(max_length=20, description="Only these; all by default.")] = [],  # noqa: B006
    by: Annotated[
        str | None, Query(max_length=100, description="Also each `doc_class`, `question_type`, or other column.")
    ] = None,
    all_pairs: Annotated[bool, Query(description="Every run with every other, not with the baseline only.")] = False,
) -> Compared:
    """How far apart runs are, how certain that is, and who is better, sample by sample.

    It is computed once, in a process of its own, and remembered; when all who asked went away, it ends.
    """
    if len(set(run)) != len(run):
        raise Failed(422, "A run is named twice: name each once.")
    if all_pairs and len(run) > MOST_RUNS // 2:
        raise Failed(422, f"All pairs of more than {MOST_RUNS // 2} runs are too many: compare with the first only.")
    tables = [await _scored(context, each) for each in run]
    rows = sum(each.spec.samples for each in tables)
    if rows > MOST_ROWS:
        raise Failed(422, f"These runs have {rows:,} rows together; {MOST_ROWS:,} can be compared at once.")
    given = await _given(context, tables, metric, by, all_pairs)
    key = hashlib.sha256(json.dumps([given, [each.version for each in tables]], sort_keys=True).encode()).hexdigest()
    try:
        made = await context.results.working.done(key, "compare", given, request)
    except TooMuch:
        raise Failed(503, "Too much is being compared just now.", headers={"Retry-After": "10"}) from None
    except Gone:
        raise Failed(503, "Nobody waits for it any more.") from None
    result = CompareResult.model_validate(made)
    shown = [
        [[distinguishable(found) for found in one.differences] for one in each.comparisons] for each in result.matches
    ]
    said = [
        [[judged(found, one.baseline, one.candidate) for found in one.differences] for one in each.comparisons]
        for each in result.matches
    ]
    tests = sum(verdict.p_value is not None for each in said for one in each for verdict in one)
    return Compared(**result.model_dump(), shown=shown, judged=said, tests=tests)


@router.get("/comparisons/samples")
async def list_pairs(
    context: Ctx,
    who: Viewer,
    first: _RunName,
    second: _RunName,
    metric: Metric = None,
    better: Better | None = None,
    doc_class: Names = [],  # noqa: B006 - never changed
    question_type: Names = [],  # noqa: B006
    text: Text = None,
    sort: PairSort = "difference",
    descending: bool = True,
    offset: Offset = 0,
    limit: Amount = 100,
) -> PairPage:
    """Samples of two runs, side by side: those that differ most come first."""
    results = context.results
    sides = [await results.overview(each) for each in (first, second)]
    (a, left), (b, right) = sides
    if a.spec.dataset.digest != b.spec.dataset.digest:
        raise UserError(
            f"{a.spec.name} and {b.spec.name} were asked different data, so their samples cannot be paired: choose "
            "runs on the same data set."
        )
    common = [each for each in left.facts.metrics if each in right.facts.metrics]
    by = metric or next(iter(common), None)
    if by is None:
        raise UserError(f"{a.spec.name} and {b.spec.name} have no metric in common: evaluate them with the same ones.")
    directions = await results.directions([each.spec.results_run_id for each in (a, b)])
    higher = directions.get(by, True)
    wanted = PairWanted(by, better, tuple(doc_class), tuple(question_type), text, sort, descending)
    paths = (a.answers.path, b.answers.path)
    order = await results.overviews.order(
        ("pairs", left.version, right.version, wanted, higher),
        lambda: ordered_pairs(left, right, paths, wanted, higher),
        a.spec.name,
    )
    part = order[offset : offset + limit]
    read = results.overviews.read
    mine = await read(lambda: page(left, part[:, 0].tolist()), a.spec.name)
    theirs = await read(lambda: page(right, part[:, 1].tolist()), b.spec.name)
    columns = (f"value{left.place(by)}", f"value{right.place(by)}")
    items = [
        _pair(one, other, columns, higher)
        for one, other in zip(mine.iter_rows(named=True), theirs.iter_rows(named=True), strict=True)
    ]
    return PairPage(
        first=RunHead.of(a.spec), second=RunHead.of(b.spec), metric=by, higher_is_better=directions.get(by),
        total=len(order), offset=offset, items=items,
    )  # fmt: skip


def _pair(one: dict[str, Any], other: dict[str, Any], columns: tuple[str, str], higher: bool) -> Pair:
    a, b = one[columns[0]], other[columns[1]]
    difference = b - a if a is not None and b is not None else None
    better = None
    if difference is not None:
        better = "equal" if difference == 0 else "second" if (difference > 0) == higher else "first"
    return Pair(
        **{name: one[name] for name in ("index", "id", "doc_class", "question_type")},
        first=Side.model_validate(one | {"value": a}),
        second=Side.model_validate(other | {"value": b}),
        difference=difference,
        better=better,
    )


async def _scored(context: Context, run_id: str) -> RunTables:
    found = await context.results.runs.tables(run_id)
    if found.scores is None:
        raise NotFound(f"score of run {found.spec.name}: it was not evaluated with metrics")
    return found


async def _given(
    context: Context, tables: list[RunTables], metrics: list[str], by: str | None, all_pairs: bool
) -> dict[str, Any]:
    """What the process needs."""
    results = context.results
    runs = []
    for each in tables:
        spec, scores = each.spec, each.scores
        assert scores is not None
        replicates = await results.runs.file(spec, "replicates.parquet")
        missing = scores.path.with_name("no replicates")
        runs.append(
            {
                "argument": spec.job_id, "job_id": spec.job_id, "run_id": spec.run_id, "name": spec.name,
                "model": spec.model.name, "task": spec.task.name, "dataset": spec.dataset.name,
                "dataset_digest": spec.dataset.digest, "scores": str(scores.path),
                "replicates": str(replicates.path if replicates is not None else missing), "stored": True,
            }
        )  # fmt: skip
    specs = [each.spec for each in tables]
    return {
        "runs": runs,
        "metrics": metrics,
        "by": by,
        "all_pairs": all_pairs,
        "composite": sorted(await results.composite(specs)),
        "higher_is_better": await results.directions([spec.results_run_id for spec in specs]),
    }
