"""`vhb show`: what was asked about one sample, and what came of it."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vhb.connect import DEFAULT_WORKDIR, JobId, Server, WorkdirOption

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vhb_shared.asking.shown import ShownImage, ShownRow

_WORDS = {
    "verified": "as it was sent: its hash is the one stored with the answer",
    "differs": "NOT what was sent: the answer was got to another request, by other software or settings; this is how "
    "this software ({software}) asks it",
    "unknown": "as it would be asked; the answer was made elsewhere, what was sent for it is not known",
    "not answered": "as it would be asked; there is no answer yet",
}


def show(
    job_id: JobId,
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="Its id, as in answers.csv.")],
    run: Annotated[str | None, typer.Option("--run", metavar="NAME", help="This run only; default: all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="One JSON document, for programs.")] = False,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="DIR", help="Copy its images into this folder.")
    ] = None,
    server: Server = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Show what was sent about a sample, word for word, with answers and scores of every run."""
    asyncio.run(_show(job_id, sample, run, as_json, save, server, workdir))


async def _show(
    job_id: str, sample: str, run: str | None, as_json: bool, save: Path | None, server: str | None, workdir: Path
) -> None:
    from vhb.connect import connected, settings
    from vhb.screen import console, harmless, say
    from vhb.showing import sample_shower
    from vhb_shared.bus.knowing import known_job

    async with connected(settings(server, workdir)) as connection:
        await known_job(connection.states, job_id)
        async with sample_shower(connection, job_id) as shower:
            rows = await shower.show(sample, run)
            saved = await shower.save(rows, save) if save is not None else []
    if as_json:
        print(json.dumps({"job_id": job_id, "sample": sample, "rows": [_plain(row) for row in rows]}))
    else:
        out = console()
        for line, style in _lines(rows):
            say(out, harmless(line), style)
    if save is not None:
        say(console(stderr=True), f"{save}: {len(saved)} image{'s' * (len(saved) != 1)}")


def _plain(row: "ShownRow") -> dict[str, Any]:
    plain = asdict(row)
    for image in (*plain["images"], *(image for turn in plain["turns"] for image in turn["images"])):
        del image["key"]
    return plain


def _lines(rows: "Sequence[ShownRow]") -> "Iterator[tuple[str, str]]":
    for row in rows:
        yield f"{row.run}, sample {row.id}", "bold"
        yield f"  {_WORDS[row.sent].format(software=_software())}", "red" if row.sent == "differs" else "green"
        if row.problem:
            yield f"  not asked: {row.problem}", "yellow"
        yield from _text("system prompt", row.system_prompt)
        for turn in row.turns:
            yield from _text(f"example {turn.sample}, user", turn.user, turn.images)
            yield from _text(f"example {turn.sample}, assistant", turn.assistant)
        yield from _text("user prompt", row.user_prompt, row.images)
        yield f"  parameters: {json.dumps(row.parameters, ensure_ascii=False, sort_keys=True)}", ""
        if row.response_schema is not None:
            yield f"  response schema: {json.dumps(row.response_schema, ensure_ascii=False)}", ""
        yield f"  fingerprint: {row.fingerprint or 'none'}", ""
        yield from _answer(row)
        yield "", ""


def _answer(row: "ShownRow") -> "Iterator[tuple[str, str]]":
    answer = row.answer
    if answer is not None:
        if row.sent == "differs":
            yield f"  fingerprint of the answer: {answer['fingerprint']}", ""
        about = [str(answer["outcome"])]
        about += [f"{answer['latency_ms']:.0f} ms"] if answer.get("latency_ms") is not None else []
        about += [f"got by run {answer['reused_from']}"] if answer.get("reused_from") else []
        yield from _text(f"answer ({', '.join(about)})", answer.get("model_answer") or answer.get("error") or "")
    for number, reference in enumerate(row.references, start=1):
        yield from _text("reference" if len(row.references) == 1 else f"reference {number}", reference)
    for score in row.scores:
        value = "" if score["value"] is None else f" {score['value']:.4g}"
        status = "" if score["status"] == "scored" else f" ({score['status']})"
        yield f"  {score['metric']}:{value}{status}" + (f" {score['detail']}" if score["detail"] else ""), ""


def _text(label: str, text: str | None, images: "Sequence[ShownImage]" = ()) -> "Iterator[tuple[str, str]]":
    if text is None:
        return
    yield f"  {label}:", "dim"
    for image in images:
        size = "not in storage any more" if image.bytes is None else f"{image.bytes} bytes"
        yield f"    [{image.name}, {size}]", ""
    for line in text.split("\n"):
        yield f"    {line}", ""


def _software() -> str:
    from importlib.metadata import version

    return version("vhb")
