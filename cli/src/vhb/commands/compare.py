"""`vhb compare`: two or more runs on the same samples, in words, as a table, for programs, and as a gate."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vhb.connect import DEFAULT_WORKDIR, Server, WorkdirOption

if TYPE_CHECKING:
    from vhb_shared.comparing.compared import CompareResult, MatchResult, Wishes
    from vhb_shared.comparing.runs import FoundRun
    from vhb_shared.contracts.comparison import Difference


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="A B...",
            help="The baseline first: a job id, a run id, JOB_ID:RUN, a results folder, or FOLDER:RUN.",
        ),
    ],
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics", "-m", metavar="NAMES", help="Only these, separated by commas or given several times."
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="COLUMN", help="Also each doc_class, question_type, or other level.")
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-if", metavar="CONDITION", help='Exit code 1 if it holds: "cer > baseline + 0.01". Several allowed.'
        ),
    ] = None,
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", metavar="", help="Every run with every other, not with the baseline only.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="One JSON document, for programs.")] = False,
    server: Server = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Compare runs on the same samples: how far apart, how certain, and whether a gate holds."""
    from vhb_shared.comparing.compared import Wishes
    from vhb_shared.statistics.gate import parse_condition

    names = tuple(name.strip() for item in metrics or [] for name in _split(item) if name.strip())
    wishes = Wishes(names, by, all_pairs, tuple(parse_condition(text) for text in fail_if or []))
    raise typer.Exit(asyncio.run(_compare(runs, wishes, as_json, server, workdir)))


def _split(item: str) -> list[str]:
    """Labels with options hold commas of their own."""
    return [item] if "{" in item else item.split(",")


async def _compare(arguments: Sequence[str], wishes: "Wishes", as_json: bool, server: str | None, workdir: Path) -> int:
    from vhb.comparing.metrics import RegisteredMetrics
    from vhb.comparing.runs import in_folder, is_folder, on_stack
    from vhb.connect import connected, settings
    from vhb_shared.comparing.compared import compare, event
    from vhb_shared.comparing.matching import match

    with tempfile.TemporaryDirectory(prefix="vhb-compare-") as scratch:

        def compared(sides: "Sequence[Sequence[FoundRun]]") -> "CompareResult":
            matches, left_out = match(sides)
            return compare(matches, left_out, wishes, RegisteredMetrics())

        if all(map(is_folder, arguments)):
            sides = [await asyncio.to_thread(in_folder, argument) for argument in arguments]
            result = await asyncio.to_thread(compared, sides)
        else:
            async with connected(settings(server, workdir)) as connection:
                sides = [
                    await asyncio.to_thread(in_folder, argument)
                    if is_folder(argument)
                    else await on_stack(argument, connection, Path(scratch))
                    for argument in arguments
                ]
                result = await asyncio.to_thread(compared, sides)
                stored = {run.run_id for side in sides for run in side if run.stored}
                for each in result.matches:
                    if each.runs[1].run_id in stored:
                        await connection.bus.publish(event(each))
    if as_json:
        print(result.model_dump_json())
    else:
        _show(result)
    return 1 if result.failed else 0


def _show(result: "CompareResult") -> None:
    from vhb.screen import console, say

    out, err = console(), console(stderr=True)
    for each in result.matches:
        _show_match(each)
    tests = sum(found.p_value is not None for each in result.matches for one in each.comparisons
                for found in one.differences)  # fmt: skip
    if tests > 1:
        say(out, f"p values are corrected for {tests} comparisons (Holm).", "dim")
    for note in result.left_out:
        say(err, f"left out: {note}", "yellow")
    for gate in (gate for each in result.matches for gate in each.gates):
        say(out, f"gate: {gate.message}", "red" if gate.failed else "green")


def _show_match(each: "MatchResult") -> None:
    from rich.text import Text

    from vhb.screen import console, say, table
    from vhb_shared.statistics.verdict import p_text

    out = console()
    for sentence in each.verdicts:
        say(out, sentence)
    numbers = ("baseline", "candidate", "difference", "95% interval", "n", "failed")
    shown = table("comparison", "metric", "group", *numbers[:4], "p", *numbers[4:], right=numbers)
    for one in each.comparisons:
        for found in one.differences:
            shown.add_row(
                Text(f"{one.candidate} - {one.baseline}"),
                Text(found.metric),
                Text(found.group),
                *_cells(found),
                p_text(found.p_holm) if found.p_holm is not None else "",
                f"{found.n_pairs:,}",
                f"{found.n_failed_baseline}, {found.n_failed_candidate}",
            )
    out.print()
    out.print(shown)
    for one in each.comparisons:
        if one.only_baseline or one.only_candidate:
            say(
                out,
                f"{one.only_baseline:,} samples were asked of {one.baseline} only, {one.only_candidate:,} of "
                f"{one.candidate} only; they do not count.",
                "yellow",
            )
    out.print()


def _cells(found: "Difference") -> list[str]:
    from vhb_shared.statistics.verdict import decimals

    width = (found.ci_high or 0.0) - (found.ci_low or 0.0)
    places = decimals(width)
    values = [found.baseline, found.candidate, found.difference]
    cells = ["" if value is None else f"{value:.{places}f}" for value in values]
    interval = "" if found.ci_low is None else f"{found.ci_low:.{places}f} to {found.ci_high:.{places}f}"
    return [*cells, interval]
