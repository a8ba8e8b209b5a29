"""The samples of a run: listed, and looked at one by one."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from vhb_api.rest import places, shown
from vhb_api.rest.context import RUN_ID, Ctx, RunId, Viewer
from vhb_api.rest.problems import Failed, documented
from vhb_api.rest.run_head import RunHead
from vhb_api.results.listing import SORTS, Filters, Wanted, page, row_of_id
from vhb_api.results.overview import Counted
from vhb_shared.errors import NotFound

router = APIRouter(prefix="/runs/{run_id}", tags=["results"], responses=documented())

MOST_OF_PAGE = 200
MOST_OF_TEXT = 200_000
Names = Annotated[list[str], Query(max_length=50)]
Text = Annotated[str | None, Query(min_length=1, max_length=200, description="In any case of letters.")]
Metric = Annotated[str | None, Query(max_length=500)]
Offset = Annotated[int, Query(ge=0, lt=1 << 31, description="Rows before the first.")]
Amount = Annotated[int, Query(ge=1, le=MOST_OF_PAGE, description="Rows of a page, at most.")]
RowNumber = Annotated[int, Path(ge=0, lt=1 << 31, description="Its place in the run, from 0.")]


class MetricShown(BaseModel):
    """A metric of a run."""

    metric: str
    higher_is_better: bool | None
    """null: not known."""


class RunOverview(BaseModel):
    """What the samples of a run can be filtered and sorted by."""

    run: RunHead
    rows: int
    metrics: list[MetricShown]
    outcomes: list[Counted]
    classes: list[Counted]
    """The most frequent ones; `(none)` stands for none."""
    types: list[Counted]


class SampleRow(BaseModel):
    """A sample in a list."""

    row: int
    """Its place in the run."""
    index: int
    id: str
    outcome: str
    doc_class: str | None
    question_type: str | None
    text: str | None
    """The beginning of the answer."""
    length: int | None
    """Of the whole answer, in characters."""
    error: str | None
    latency_ms: float | None
    completion_tokens: int | None
    values: list[float | None]
    """Of the metrics, in the order of `metrics`."""
    statuses: list[str | None]


class SamplePage(BaseModel):
    """A part of a list of samples."""

    total: int
    """Rows of the whole list."""
    offset: int
    metrics: list[str]
    items: list[SampleRow]


@router.get("/overview")
async def overview(run_id: RunId, context: Ctx, who: Viewer) -> RunOverview:
    """How many samples there are of which outcome, class and type."""
    tables, found = await context.results.overview(run_id)
    directions = await context.results.directions([run_id, tables.spec.results_run_id])
    return RunOverview(
        run=RunHead.of(tables.spec),
        rows=found.facts.rows,
        metrics=[MetricShown(metric=each, higher_is_better=directions.get(each)) for each in found.facts.metrics],
        outcomes=found.facts.outcomes,
        classes=found.facts.classes,
        types=found.facts.types,
    )


@router.get("/samples")
async def list_samples(
    run_id: RunId,
    context: Ctx,
    who: Viewer,
    outcome: Names = [],  # noqa: B006 - never changed
    doc_class: Names = [],  # noqa: B006
    question_type: Names = [],  # noqa: B006
    text: Text = None,
    metric: Metric = None,
    below: float | None = None,
    above: float | None = None,
    status: Literal["scored", "unparsable", "failed", "withdrawn", "no_reference", "not_scored"] | None = None,
    differs_from: Annotated[
        str | None, Query(pattern=RUN_ID, description="A run: samples for which the two have another value.")
    ] = None,
    sort: Annotated[str, Query(max_length=500, description=f"{', '.join(SORTS)}, or a metric.")] = "row",
    descending: bool = False,
    offset: Offset = 0,
    limit: Amount = 100,
) -> SamplePage:
    """Samples of a run with the beginnings of their answers, all their values side by side."""
    if metric is None and any(each is not None for each in (below, above, status, differs_from)):
        raise Failed(422, "Name the metric that `below`, `above`, `status` and `differs_from` are about.")
    filters = Filters(tuple(outcome), tuple(doc_class), tuple(question_type), text, metric, below, above, status)
    apart = (differs_from, metric) if differs_from is not None and metric is not None else None
    found, order = await context.results.rows(run_id, Wanted(filters, sort, descending), apart)
    rows = order[offset : offset + limit].tolist()
    table = await context.results.overviews.read(lambda: page(found, rows), run_id)
    count = len(found.facts.metrics)
    items = [
        SampleRow.model_validate(
            row
            | {
                "values": [row[f"value{place}"] for place in range(count)],
                "statuses": [row[f"status{place}"] for place in range(count)],
            }
        )
        for row in table.iter_rows(named=True)
    ]
    return SamplePage(total=len(order), offset=offset, metrics=found.facts.metrics, items=items)


class Place(BaseModel):
    """Where a sample is."""

    row: int


@router.get("/row")
async def find_row(
    run_id: RunId, context: Ctx, who: Viewer, id_: Annotated[str, Query(alias="id", max_length=1000)]
) -> Place:
    """The row of a sample, by its id."""
    tables, found = await context.results.overview(run_id)
    row = await context.results.overviews.read(lambda: row_of_id(found, id_), run_id)
    if row is None:
        raise NotFound(f"sample {id_!r} in run {tables.spec.name}")
    return Place(row=row)


@router.get("/samples/{row}")
async def show_sample(run_id: RunId, row: RowNumber, context: Ctx, who: Viewer) -> shown.SampleShown:
    """One sample: what was sent, what came back, and how it was scored. Long texts are cut."""
    spec, found = await context.results.row(run_id, row)
    boxes, sizes = places.boxes(spec, found), await places.sizes(context, found)
    return shown.sample(spec, row, found, boxes, sizes)


@router.get("/samples/{row}/text")
async def read_text(
    run_id: RunId,
    row: RowNumber,
    context: Ctx,
    who: Viewer,
    of: Annotated[
        str, Query(pattern=r"^(answer|error|prompt|system_prompt|reference\.\d{1,4}|detail\.\d{1,3})$")
    ] = "answer",
    offset: Annotated[int, Query(ge=0, lt=1 << 31)] = 0,
    length: Annotated[int, Query(ge=1, le=MOST_OF_TEXT)] = MOST_OF_TEXT,
) -> shown.Cut:
    """A part of a text of a sample: `answer`, `error`, `prompt`, `system_prompt`, `reference.0`, `detail.0`, ..."""
    _, found = await context.results.row(run_id, row)
    text = shown.text_of(found, of)
    if text is None:
        raise NotFound(f"{of} of row {row}")
    return shown.Cut(text=text[offset : offset + length], length=len(text), offset=offset)
