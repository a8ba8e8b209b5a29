"""How `vhb query` is asked, and how its answers are written."""

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from vhb.query_table import show_answer
from vhb.querying import as_csv_text, as_json_text, asked, stored_results
from vhb_shared.analytics.engine import Answer
from vhb_shared.bus.connection import Unreachable
from vhb_shared.errors import UserError
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.results import MadeRun, store_job

VHB = str(Path(sys.executable).with_name("vhb"))
EVIL = "\x1b[2J\u202e=1+1\n[red]x"
ANSWER = Answer(("id", "\x1b]0;x", "value"), ((EVIL, None, 0.12345678), ("b", [1, "ё"], 3)), more=False)


def typed(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VHB_")}
    return subprocess.run([VHB, "query", *arguments], cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where a stack has been: its storage is left."""
    folder = tmp_path_factory.mktemp("place")
    store = DirectoryStore(folder / ".vhb/objects", durable=False)
    runs = [MadeRun("m", [EVIL, "b"], [1.0, 0.5]), MadeRun("other", ["c", None], [0.0, None])]
    asyncio.run(store_job(store, "job", runs, created_at="2026-01-01T00:00:00Z"))
    return folder


def shown(answer: Answer, *, width: int = 200, terminal: bool = False) -> str:
    out = io.StringIO()
    show_answer(answer, Console(file=out, width=width, force_terminal=terminal, color_system=None, highlight=False))
    return out.getvalue()


@pytest.mark.parametrize(("width", "terminal"), [(200, False), (200, True), (40, True)])
def test_a_table_is_harmless_to_a_terminal(width: int, terminal: bool) -> None:
    text = shown(ANSWER, width=width, terminal=terminal)
    assert all(char.isprintable() or char == "\n" for char in text)
    for said in ("\\u001b]0;x", "\\u001b[2J\\u202e=1+1\\u000a[red]x", "0.123457", '[1, "ё"]'):
        assert said in text


def test_a_table_that_fits_is_one() -> None:
    lines = shown(ANSWER).splitlines()
    assert lines[0].split() == ["id", "\\u001b]0;x", "value"]
    assert lines[1].split() == ["\\u001b[2J\\u202e=1+1\\u000a[red]x", "0.123457"]
    assert lines[2].split() == ["b", "[1,", '"ё"]', "3"]
    assert shown(Answer((), (), more=False)) == "\n"


def test_in_a_narrow_window_what_all_rows_share_comes_first() -> None:
    answer = Answer(("data", "model", "value", "note"), (("pages", "a", 1, None), ("pages", "b", 2, None)), more=False)
    wide = ["data   model  value  note", "pages  a          1", "pages  b          2"]
    assert [line.rstrip() for line in shown(answer, width=30, terminal=True).splitlines()] == wide
    narrow = ["data: pages", "model  value", "a          1", "b          2"]
    assert [line.rstrip() for line in shown(answer, width=20, terminal=True).splitlines()] == narrow


def test_in_a_window_without_any_room_rows_become_lines() -> None:
    answer = Answer(tuple(f"column{n}" for n in range(20)), (tuple(range(20)), (None, *range(19))), more=False)
    lines = shown(answer, width=60, terminal=True).splitlines()
    assert lines[:3] == ["row 1", "  column0   0", "  column1   1"]
    assert lines[21:23] == ["row 2", "  column1   0"] and len(lines) == 21 + 20
    assert len(shown(answer, width=60).splitlines()) > 3  # a pipe gets the table, however wide


def test_long_cells_are_cut_for_a_terminal_only() -> None:
    long = Answer(("text",), (("x" * 5000,),), more=False)
    assert shown(long, terminal=True).count("x") == 200 + 1  # and the heading's
    assert shown(long).count("x") == 5000 + 1


def test_csv_holds_values_as_they_are_unless_a_terminal_shows_it() -> None:
    rows = list(csv.reader(io.StringIO(as_csv_text(ANSWER, for_terminal=False), newline="")))
    assert rows == [["id", "\x1b]0;x", "value"], [EVIL, "", "0.12345678"], ["b", '[1, "ё"]', "3"]]
    text = as_csv_text(ANSWER, for_terminal=True)
    assert all(char.isprintable() or char in "\r\n" for char in text) and len(text.splitlines()) == 3


def test_json_has_no_control_characters() -> None:
    text = as_json_text(ANSWER)
    assert text.isprintable() and text.isascii()
    assert json.loads(text)["rows"][0][0] == EVIL


def test_what_is_asked() -> None:
    assert asked("SELECT $a", None, ["a=x=y", "$b="], None) == ("SELECT $a", {"a": "x=y", "b": ""})
    sql, bound = asked(None, "drift", [], "job")
    assert bound == {"baseline": "job", "metric": None, "dataset": None, "task": None} and "$baseline" in sql
    for arguments in ((None, None), ("SELECT 1", "drift")):
        with pytest.raises(UserError, match="Give either a query"):
            asked(*arguments, [], None)
    with pytest.raises(UserError, match="is not NAME=VALUE"):
        asked("SELECT 1", None, ["x"], None)


def test_without_any_storage_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VHB_NATS_URL", "VHB_S3_ENDPOINT", "VHB_STORE_DIR"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Unreachable, match="No stack runs"):
        stored_results(tmp_path / "none")
    monkeypatch.setenv("VHB_STORE_DIR", str(tmp_path))
    assert stored_results(tmp_path / "none").store_dir == tmp_path


def test_a_person_asks_what_a_stack_has_left(place: Path) -> None:
    done = typed("SELECT id, model_answer FROM answers WHERE model = $model ORDER BY id", "-p", "model=m", cwd=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split() == ["0", "\\u001b[2J\\u202e=1+1\\u000a[red]x"]
    done = typed("--saved", "leaderboard", "--csv", "--job", "job", cwd=place)
    assert [row["model"] for row in csv.DictReader(io.StringIO(done.stdout))] == ["m", "other"]
    done = typed("FROM range(10)", "--rows", "2", "--json", cwd=place)
    assert json.loads(done.stdout) == {"columns": ["range"], "rows": [[0], [1]], "more": True}
    assert done.stderr == "There are more rows than the 2 shown; --rows N shows more.\n"
    assert "leaderboard" in typed("--list", cwd=place).stdout
    assert typed("--show", "drift", cwd=place).stdout.startswith("-- Every later run")


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["SELEC 1"], 'vhb: The query is wrong: syntax error at or near "SELEC" (line 1).'),
    (["DROP VIEW runs"], "vhb: The query is refused: only one SELECT (also DESCRIBE, SUMMARIZE, SHOW TABLES) is "
                         "allowed: queries read and never write."),
    (["FROM nothing"], "vhb: The query is wrong: Table with name nothing does not exist; the tables are runs, "
                       "performance, answers, scores, metrics, telemetry, baselines."),
    (["FROM runs", "--job", "x"], "vhb: There are no results of a job 'x'; `vhb status` lists the jobs."),
    (["--saved", "drift"], "vhb: drift compares with --baseline ID, a job or a run: give it."),
    (["FROM range(100000000) a, range(1000000) b SELECT sum(a.range * b.range)", "--timeout", "1"],
     "vhb: The query took longer than 1 s and was ended; ask for less, or give it more time (--timeout)."),
])  # fmt: skip
def test_mistakes_are_sentences(arguments: list[str], sentence: str, place: Path) -> None:
    done = typed(*arguments, cwd=place)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence + "\n")


def test_help_imports_no_engine() -> None:
    program = "import sys, vhb.main; print(sorted({'duckdb', 'polars', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
