"""Malformed answers from a server's JSON to every file of results: nothing crashes, is lost or becomes markup."""

import asyncio
import io
import json
import math
from pathlib import Path

import openpyxl
import pytest

from vhb_inference_agent.runner.outcomes import storable
from vhb_shared.contracts.results import OutcomeCounts

from ..reporter.test_hostile import assert_inert, parsed
from .drawing import Benchmark, Reply, Row, Shard
from .journey import Journey, shown
from .writing import write

MEGA = 10_000_000
TEXT_SHOWN = 1200
"""Characters of an answer in samples.html."""
MARKUP = "<script>alert(1)</script></textarea></style>\"'><img src=x onerror=alert(1)><svg/onload=alert(1)>"
ARRIVED = {
    "10 MB": json.dumps("a" * MEGA),
    "10 MB of markup": json.dumps("<b>x</b>" * (MEGA // 8)),
    "NUL": '"total\\u0000\\u0000 12"',
    "half a character": '"\\ud800 total \\udc00"',
    "the halves of one": '"\\ud83d\\ude00"',
    "HTML": json.dumps(MARKUP),
    "a comment that does not end": json.dumps("<!-- <![CDATA[ <?php"),
    "a formula": json.dumps('=HYPERLINK("http://x","y")'),
    "another formula": json.dumps("@SUM(1)\t=1+1\r\n-2+3;+4"),
    "quotes and separators": json.dumps('"",;"\r\n";;\n\r"'),
    "deep JSON": json.dumps("[" * 100_000 + "]" * 100_000),
    "deep objects": json.dumps('{"a":' * 100_000 + "1" + "}" * 100_000),
    "controls": json.dumps("".join(map(chr, range(32))) + "\x7f\x85\u2028\u2029\ufeff\u202e\ufffe\uffff"),
    "templates": json.dumps("{{ 7*7 }} {% x %} ${x} %s {0}"),
    "line ends": '"\\r"',
    "nothing": '""',
}
"""As servers send them: JSON texts, which can spell what no text can hold."""
METRICS = {
    "texts": ["exact_match", "cer", "wer", "anls", "bleu", "contains"],
    "records": ["field_f1", "anls_star", {"name": "f1_macro", "options": {"classes": ['{"a": "x"}', "red"]}}],
}


def _benchmark(kind: str, texts: list[str]) -> Benchmark:
    rows = [
        Row(
            id=f"{MARKUP}{number}" if number % 2 else f"={number}", fault=None, image="a.png", question=MARKUP,
            references=['{"a": "x"}'], choices=[], doc_class=[None, MARKUP, "=1+1"][number % 3], question_type="@x",
            document=None,
        )
        for number in range(len(texts))
    ]  # fmt: skip
    replies: list[Reply | None] = [Reply("answered", text) for text in texts]
    shard = Shard(stored=True, scored_ahead=True, replies=replies, strangers=False, backwards=False)
    return Benchmark(
        kind=kind, format="jsonl", rows=rows, metrics=METRICS[kind], shard_size=len(rows), epochs=1, circular=False,
        limit=None, classes=[], ending="completed", models=[[shard]],
    )  # fmt: skip


@pytest.mark.parametrize("kind", [pytest.param("texts", marks=pytest.mark.slow), "records"])
def test_malformed_answers_reach_every_file_as_what_they_are(kind: str, tmp_path: Path) -> None:
    texts = [storable(json.loads(text)) for text in ARRIVED.values()]
    drawn, journey = _benchmark(kind, texts), Journey(tmp_path)
    source = write(drawn, tmp_path / "data")

    async def travel() -> dict[str, bytes]:
        (run,) = (await journey.plan(drawn, source)).runs
        done = await journey.evaluate(run, drawn.models[0], drawn.ending)
        assert done.counts == OutcomeCounts(answered=len(texts) - 1, empty=1)
        assert all(metric.n == metric.n_scored == len(texts) for metric in done.metrics)
        assert [line["model_answer"] for line in journey.rows(run, "answers.csv")] == texts
        assert journey.table(run, "answers.parquet")["model_answer"].to_list() == texts
        values = journey.table(run, "scores.parquet")["value"]
        assert len(values) == len(texts) * len(drawn.metrics) and all(map(math.isfinite, values))
        return await journey.report()

    files = asyncio.run(travel())
    assert_inert(files["report.html"].decode())
    assert max(len(data) for data in files.values()) < 1_000_000, "texts are cut in what is shown"
    chunk = shown(files, "r0-0")
    assert chunk["texts"] == [text[:TEXT_SHOWN] for text in texts]
    assert chunk["lengths"] == [len(text) for text in texts]
    page = parsed(files["samples.html"].decode())
    assert [attributes for tag, attributes in page.tags if tag == "script"] == [
        {"type": "application/json", "id": "about"}, {},
    ]  # fmt: skip
    assert not {"img", "svg", "b"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    book = openpyxl.load_workbook(io.BytesIO(files["results.xlsx"]))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert {(cell.data_type, cell.hyperlink) for cell in cells} <= {("s", None), ("n", None)}
    assert "=1+1" in {cell.value for cell in cells}
