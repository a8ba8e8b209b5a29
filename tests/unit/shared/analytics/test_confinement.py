"""What queries must not do: write, read files, load code, take memory or time without bound."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pytest

from vhb_shared.analytics.checked import Refused, Wrong, check
from vhb_shared.analytics.engine import Limits, ask
from vhb_shared.analytics.stored import Laid, laid_out
from vhb_shared.analytics.tables import TABLES
from vhb_shared.errors import UserError
from vhb_shared.store import layout
from vhb_shared.store.directory import DirectoryStore

WRITES = [
    "CREATE TABLE t AS SELECT 1",
    "CREATE OR REPLACE VIEW runs AS SELECT 1",
    "DROP VIEW runs",
    "INSERT INTO runs SELECT * FROM runs",
    "UPDATE runs SET model = 'x'",
    "DELETE FROM runs",
    "COPY runs TO '{file}'",
    "COPY (SELECT 1) TO '{result}' (USE_TMP_FILE false)",
    "EXPORT DATABASE '{folder}'",
    "WITH x AS (COPY runs TO '{file}') SELECT 1",
    "WITH x AS (COPY runs TO '{result}' (USE_TMP_FILE false)) SELECT * FROM x",
    "SELECT * FROM (WITH x AS (COPY runs TO '{result}' (USE_TMP_FILE false)) SELECT * FROM x) y",
    "SELECT (WITH x AS (COPY runs TO '{result}' (USE_TMP_FILE false)) SELECT 1)",
    "WITH x AS (INSERT INTO runs SELECT * FROM runs RETURNING *) SELECT * FROM x",
    "WITH x AS (DELETE FROM runs RETURNING *) SELECT * FROM x",
    "WITH x AS (UPDATE runs SET model = 'x' RETURNING *) SELECT * FROM x",
    "SELECT * FROM query('WITH x AS (COPY runs TO ''{result}'' (USE_TMP_FILE false)) SELECT 1')",
    "EXPLAIN ANALYZE COPY runs TO '{file}'",
    "SELECT 1; DROP VIEW runs",
]
READS = [
    "SELECT * FROM '{secret}'",
    "FROM read_text('{secret}')",
    "FROM read_blob('{secret}')",
    "FROM read_csv('{secret}')",
    "FROM read_parquet('{secret}')",
    "FROM read_json('{secret}')",
    "FROM sniff_csv('{secret}')",
    "FROM parquet_metadata('{secret}')",
    "FROM glob('{folder}/*')",
    "FROM query('SELECT * FROM ''{secret}''')",
    "FROM query_table('{secret}')",
    "FROM duckdb_secrets()",
    "FROM duckdb_settings()",
    "FROM 'https://127.0.0.1/x.parquet'",
    "FROM read_parquet('s3://bucket/x.parquet')",
]
CHANGES = [
    "ATTACH '{folder}/x.db' AS x",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{folder}/evil.duckdb_extension'",
    "SET enable_external_access = true",
    "SET memory_limit = '100GB'",
    "RESET lock_configuration",
    "PRAGMA database_list",
    "CALL enable_logging()",
    "FROM enable_logging(storage = 'file', storage_path = '{folder}/log')",
    "PREPARE p AS SELECT 1",
    "USE memory",
    "CHECKPOINT",
    "IMPORT DATABASE '{folder}'",
]


EVERY_DAY = {WRITES[0], WRITES[10], WRITES[16], READS[0], READS[1], READS[9], *CHANGES[:2], CHANGES[4]}
"""One of each kind is tried on the engine every day, the others with the slow tests; all of them on the parse tree."""


@pytest.fixture
async def laid(store: DirectoryStore) -> AsyncIterator[Laid]:
    async with laid_out(store, TABLES) as made:
        yield made


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "sql",
    [sql if sql in EVERY_DAY else pytest.param(sql, marks=pytest.mark.slow) for sql in WRITES + READS + CHANGES],
)
async def test_everything_but_reading_the_tables_is_refused(
    sql: str, laid: Laid, store: DirectoryStore, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("secret\n123\n")
    result = store.local_path(layout.run_file("new-0", "answers.parquet"))
    assert result is not None
    before = contents(tmp_path)
    link = next(path for path in laid.paths if path.is_symlink() and path.resolve() == result.resolve())
    text = sql.format(file=tmp_path / "written", folder=tmp_path, secret=secret, result=link)
    with pytest.raises(UserError) as refused:
        await ask(text, laid, Limits(seconds=60))
    said = str(refused.value)
    assert said.startswith(("The query is refused: ", "The query is wrong: Table with name ")) and "\n" not in said
    assert "123" not in said
    assert contents(tmp_path) == before


@pytest.mark.parametrize("sql", [sql for sql in WRITES + READS + CHANGES if "FROM '" not in sql or "query" in sql])
def test_the_parse_tree_alone_tells(sql: str) -> None:
    """Except for names in quotes: these are tables to the parser, and the engine's lock refuses the file."""
    with pytest.raises(Refused):
        check(duckdb.connect(), sql.format(file="f", folder="d", secret="s", result="r"))


@pytest.mark.parametrize("sql", [sql for sql in WRITES if "COPY" in sql])
async def test_a_statement_that_slipped_through_would_change_no_file(
    sql: str, laid: Laid, store: DirectoryStore, tmp_path: Path
) -> None:
    before = contents(tmp_path)
    link = next(path for path in laid.paths if path.is_symlink())
    program = "from vhb_shared.analytics import worker\nworker.check = lambda *_: None\nworker.main()"
    request = {
        "sql": sql.format(file=tmp_path / "written", folder=tmp_path, result=link), "parameters": {}, "rows": 10,
        "views": dict(laid.views), "paths": [str(path) for path in laid.paths], "bytes": 1000, "memory_mib": 256,
        "threads": 2, "cpu_s": 60,
    }  # fmt: skip
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], input=json.dumps(request).encode(),
                            capture_output=True)  # fmt: skip
    assert contents(tmp_path) == before


@pytest.mark.parametrize("sql", [
    "SELECT 1", "FROM runs", "TABLE runs", "VALUES (1)", "DESCRIBE runs", "SUMMARIZE runs", "SHOW TABLES",
    "WITH RECURSIVE r AS (SELECT 1 a UNION ALL SELECT a + 1 FROM r WHERE a < 3) SELECT * FROM r",
    "SELECT * FROM range(3) UNION ALL SELECT unnest([1, 2])", "SELECT 'COPY_QUERY_NODE' AS \"INSERT_QUERY_NODE\"",
    "SELECT model, count(*) FROM runs GROUP BY model -- ; DROP VIEW runs",
])  # fmt: skip
async def test_what_reads_is_allowed(sql: str, laid: Laid) -> None:
    assert (await ask(sql, laid, Limits(seconds=60))).rows


@pytest.mark.parametrize("sql", [
    "SELECT current_setting('allowed_paths')", "SELECT 1 WHERE Current_Setting('x') = 1", "SELECT write_log('x')",
    "SELECT sql FROM duckdb_views", "SELECT * FROM main.SQLITE_MASTER", "FROM pg_settings", "SUMMARIZE pg_tables",
    "SELECT (SELECT max(view_definition) FROM information_schema.views)", "WITH a AS (FROM duckdb_logs) FROM a",
])  # fmt: skip
def test_the_engine_is_not_asked_about_itself(sql: str) -> None:
    with pytest.raises(Refused):
        check(duckdb.connect(), sql)


def test_a_mistake_says_the_line() -> None:
    with pytest.raises(Wrong, match=r'near "runs" \(line 2\)'):
        check(duckdb.connect(), "SELECT * -- ё\n FORM runs")


async def test_time_is_bounded(laid: Laid) -> None:
    started = time.monotonic()
    with pytest.raises(UserError, match=r"longer than 1\.5 s and was ended"):
        await ask("SELECT count(*) FROM range(100000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3", laid,
                  Limits(seconds=1.5))  # fmt: skip
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("sql", [
    "SELECT length(repeat('x', 3000000000))",  # outside of what the engine counts
    "SELECT count(DISTINCT range::VARCHAR || 'abcdefghijklmnopqrst') FROM range(100000000)",
])  # fmt: skip
async def test_memory_is_bounded(sql: str, laid: Laid) -> None:
    with pytest.raises(UserError, match="needs more than 128 MiB of memory"):
        await ask(sql, laid, Limits(seconds=100, memory_mib=128))


async def test_what_comes_back_is_bounded(laid: Laid) -> None:
    answer = await ask("SELECT * FROM range(100000000000)", laid, Limits(rows=3, seconds=60))
    assert answer.rows == ((0,), (1,), (2,)) and answer.more
    exact = await ask("SELECT * FROM range(3)", laid, Limits(rows=3, seconds=60))
    assert len(exact.rows) == 3 and not exact.more
    with pytest.raises(UserError, match="the result takes more than 64 MiB"):
        await ask("SELECT repeat('x', 100000) FROM range(1000)", laid, Limits(seconds=60))


async def test_messages_are_one_harmless_line(laid: Laid) -> None:
    with pytest.raises(UserError) as wrong:
        await ask("SELECT chr(27)::INTEGER", laid, Limits(seconds=60))
    assert str(wrong.value).isprintable()
    with pytest.raises(UserError, match=r"name nothing does not exist; the tables are runs, performance, answers"):
        await ask("SELECT * FROM nothing", laid, Limits(seconds=60))
    with pytest.raises(UserError, match=r"it names \$model, which was not given"):
        await ask("SELECT $model", laid, Limits(seconds=60))


async def test_parameters_are_bound_and_never_pasted(laid: Laid) -> None:
    evil = "x'; DROP VIEW runs; --"
    assert (await ask("SELECT $a, $b", laid, Limits(seconds=60), {"a": evil, "b": None})).rows == ((evil, None),)


async def test_values_come_as_json_has_them(laid: Laid) -> None:
    sql = ("SELECT 1.5::DECIMAL(9, 1) d, 'nan'::DOUBLE n, TIMESTAMP '2026-01-02 03:04:05' t, [1, NULL] l, "
           "{'a': 1} s, '\\xFF'::BLOB b, 2::HUGEINT h, INTERVAL 1 DAY i, true o")  # fmt: skip
    (row,) = (await ask(sql, laid, Limits(seconds=60))).rows
    assert row == (1.5, "nan", "2026-01-02T03:04:05", [1, None], {"a": 1}, "ff", 2, "1 day, 0:00:00", True)


def test_the_kernel_keeps_the_process_from_writing(tmp_path: Path) -> None:
    program = """
import json, os, sys
from vhb_shared.analytics.confinement import confine
whole = confine(64, 60)
path, said = sys.argv[1], []
for doing in (
    lambda: open(path, "r+b").write(b"new"), lambda: os.truncate(path, 0), lambda: os.unlink(path),
    lambda: open(path + "2", "wb").write(b"new"), lambda: os.mkdir(path + "3"), lambda: bytearray(1 << 30),
):
    try:
        doing()
        said.append("done")
    except (OSError, MemoryError) as error:
        said.append(type(error).__name__)
print(json.dumps([whole, said, open(path).read()]))
"""
    file = tmp_path / "result"
    file.write_text("kept")
    done = subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, text=True, check=True)
    whole, said, content = json.loads(done.stdout)
    assert said[-1] == "MemoryError"
    if whole:  # else this kernel has no Landlock, or an old one
        assert said[:-1] == ["PermissionError"] * 5
        assert content == "kept"
