"""`vhb query`: questions over stored results, in SQL."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vhb.connect import DEFAULT_WORKDIR, WorkdirOption

if TYPE_CHECKING:
    from vhb_shared.analytics.engine import Answer, Limits


def query(
    sql: Annotated[
        str | None,
        typer.Argument(metavar="SQL", help="One SELECT; the tables: runs, metrics, scores, answers, performance."),
    ] = None,
    saved: Annotated[str | None, typer.Option("--saved", metavar="NAME", help="A saved query instead of SQL.")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param", "-p", metavar="NAME=VALUE", help="What $NAME in the query stands for; several allowed."
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="ID", help="The job or run that `drift` compares with.")
    ] = None,
    job: Annotated[
        list[str] | None, typer.Option("--job", metavar="JOB_ID", help="Only these jobs; default: all that are stored.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", metavar="", help="CSV with a header.")] = False,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="One JSON document, for programs.")] = False,
    rows: Annotated[int, typer.Option("--rows", min=1, max=1_000_000, metavar="N", help="Rows at most.")] = 1000,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, max=3600, metavar="S", help="Seconds at most.")] = 30,
    memory: Annotated[
        int, typer.Option("--memory", min=64, metavar="MIB", help="MiB of memory that the query may take.")
    ] = 1024,
    list_saved: Annotated[bool, typer.Option("--list", metavar="", help="List the saved queries.")] = False,
    show: Annotated[str | None, typer.Option("--show", metavar="NAME", help="Print a saved query's SQL.")] = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Ask questions over stored results in SQL: it only reads, with time and memory bounded."""
    from vhb.querying import asked
    from vhb_shared.analytics.engine import Limits
    from vhb_shared.analytics.saved import saved_query
    from vhb_shared.errors import UserError

    if list_saved:
        _list()
    elif show is not None:
        print(saved_query(show).sql, end="")
    elif as_csv and as_json:
        raise UserError("--csv and --json exclude one another; give one.")
    else:
        text, parameters = asked(sql, saved, param or [], baseline)
        limits = Limits(seconds=timeout, memory_mib=memory, rows=rows)
        answer, notes = asyncio.run(_ask(text, parameters, job or [], limits, workdir))
        _print(answer, notes, as_csv=as_csv, as_json=as_json)


async def _ask(
    sql: str, parameters: "dict[str, str | None]", jobs: list[str], limits: "Limits", workdir: Path
) -> "tuple[Answer, tuple[str, ...]]":
    from vhb.querying import stored_results
    from vhb_shared.analytics.engine import ask
    from vhb_shared.analytics.stored import laid_out, mentioned
    from vhb_shared.store.open import open_store

    async with open_store(stored_results(workdir)) as store, laid_out(store, mentioned(sql), jobs) as laid:
        return await ask(sql, laid, limits, parameters), laid.notes


def _print(answer: "Answer", notes: tuple[str, ...], *, as_csv: bool, as_json: bool) -> None:
    import sys

    from vhb.query_table import show_answer
    from vhb.querying import as_csv_text, as_json_text
    from vhb.screen import console, harmless, say

    if as_json:
        print(as_json_text(answer))
    elif as_csv:
        sys.stdout.write(as_csv_text(answer, for_terminal=sys.stdout.isatty()))
    else:
        show_answer(answer, console())
    err = console(stderr=True)
    for note in notes:
        say(err, f"{harmless(note)}.", "yellow")
    if answer.more:
        say(err, f"There are more rows than the {len(answer.rows):,} shown; --rows N shows more.", "yellow")


def _list() -> None:
    from vhb.screen import console, table
    from vhb_shared.analytics.saved import saved_queries

    shown = table("name", "parameters", "shows")
    for each in saved_queries():
        shown.add_row(each.name, ", ".join(parameter.name for parameter in each.parameters), each.summary)
    console().print(shown)
