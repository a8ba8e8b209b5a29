"""The tables that queries see: their columns, and the SQL that makes them of files."""

# ruff: noqa: S608 - every part of that SQL is a name or a path of our own making

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import get_args

from pydantic.fields import FieldInfo

from vhb_shared.contracts.performance import PERFORMANCE_FIELDS, Distribution, Performance
from vhb_shared.contracts.results import ANSWER_COLUMNS, METRIC_COLUMNS, OUTCOMES, SCORE_COLUMNS
from vhb_shared.contracts.telemetry import TelemetrySample

OF_RUN: Mapping[str, str] = MappingProxyType(
    {
        "job_id": "VARCHAR",
        "run_id": "VARCHAR",
        "run": "VARCHAR",
        "model": "VARCHAR",
        "task": "VARCHAR",
        "dataset": "VARCHAR",
        "dataset_digest": "VARCHAR",
        "planned_at": "TIMESTAMP",
    }
)
"""Columns that every table has: which run a row is of. Times are UTC."""
RUN_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        **OF_RUN,
        "job": "VARCHAR",
        "backend": "VARCHAR",
        "samples": "BIGINT",
        "status": "VARCHAR",
        "reason": "VARCHAR",
        **dict.fromkeys(OUTCOMES, "BIGINT"),
        "reused": "BIGINT",
        "results_run_id": "VARCHAR",
    }
)
"""Columns of `runs`. `status`, `reason` and the counts are null until the job has ended."""

_NUMBERS: Mapping[str, str] = MappingProxyType(
    {
        "index": "UINTEGER",
        **dict.fromkeys(("prompt_tokens", "completion_tokens", "cached_tokens", "attempts"), "BIGINT"),
        **dict.fromkeys(("n", "n_scored", "n_failed"), "BIGINT"),
        **dict.fromkeys(("latency_ms", "ttft_ms", "tpot_ms", "value", "ci_low", "ci_high"), "DOUBLE"),
        **dict.fromkeys(("numerator", "worst_numerator", "best_numerator"), "DOUBLE"),
        **dict.fromkeys(("denominator", "worst_denominator", "best_denominator"), "DOUBLE"),
        **dict.fromkeys(("value_if_failed_worst", "value_if_failed_best"), "DOUBLE"),
    }
)


def _performance() -> dict[str, str]:
    columns: dict[str, str] = {}
    for name in PERFORMANCE_FIELDS:
        kinds = _kinds(Performance.model_fields[name])
        if Distribution in kinds:
            columns |= {f"{name}_{part}": "DOUBLE" for part in ("mean", "p50", "p90", "p99")}
        else:
            columns[name] = _kind(Performance.model_fields[name])
    return columns


def _kind(field: FieldInfo) -> str:
    kinds = _kinds(field)
    return "DOUBLE" if float in kinds else "BIGINT" if int in kinds else "VARCHAR"


def _kinds(field: FieldInfo) -> tuple[object, ...]:
    return get_args(field.annotation) or (field.annotation,)


def _typed(columns: Sequence[str]) -> dict[str, str]:
    return {name: _NUMBERS.get(name, "VARCHAR") for name in columns}


PERFORMANCE_COLUMNS: Mapping[str, str] = MappingProxyType(_performance())
DIRECTION = "higher_is_better"
"""Column of `metrics` and `scores`: which way is better; null where no job has said it."""

RESULT_FILES: Mapping[str, str] = MappingProxyType(
    {
        "answers": "answers.parquet",
        "scores": "scores.parquet",
        "metrics": "metrics.csv",
        "telemetry": "telemetry.parquet",
    }
)
"""Tables that lie in one file for each run."""
TABLES: tuple[str, ...] = ("runs", "performance", *RESULT_FILES, "baselines")
_COLUMNS: Mapping[str, dict[str, str]] = MappingProxyType(
    {
        "answers": _typed(ANSWER_COLUMNS),
        "scores": _typed(SCORE_COLUMNS),
        "metrics": _typed(METRIC_COLUMNS),
        "telemetry": {name: _kind(field) for name, field in TelemetrySample.model_fields.items()},
    }
)
BASELINES: Mapping[str, str] = MappingProxyType(
    {**dict.fromkeys(("dataset", "task", "baseline", "pinned_by", "note"), "VARCHAR"), "pinned_at": "TIMESTAMP"}
)
"""Columns of `baselines`: which job or run others on a data set and task are compared with. The management plane keeps
them; without it the table is empty."""
NUMBER = "_n"
"""Joins rows with their run: the number of the run, which the name of a file's folder says."""
JOB_NUMBER = "_j"
"""The number of its job."""
JOB_METRICS = "metrics.parquet"
"""What `metrics` is read from where a job has been summed up: a run's metrics.csv is as long as its data set."""


def result_path(folder: Path, table: str, number: int) -> Path:
    """Where the file of a run lies that holds its part of a table."""
    return folder / table / f"{NUMBER}={number}" / RESULT_FILES[table]


def job_metrics_path(folder: Path, number: int) -> Path:
    """Where the metric rows of a job's runs lie."""
    return folder / "jobs" / f"{JOB_NUMBER}={number}" / JOB_METRICS


def runs_path(folder: Path) -> Path:
    """A row for each run, as lines of JSON."""
    return folder / "runs.jsonl"


def performance_path(folder: Path) -> Path:
    """A row for each measured run, as lines of JSON."""
    return folder / "performance.jsonl"


def directions_path(folder: Path) -> Path:
    """A row for each metric whose direction is known, as lines of JSON."""
    return folder / "directions.jsonl"


def lines_view(path: Path, columns: Mapping[str, str]) -> str:
    """A table of lines of JSON. The path was made by us."""
    return f"SELECT * FROM {_lines(path, columns)}"


def columns_of(table: str) -> dict[str, str]:
    """The columns of a table and their types; some runs have further ones."""
    if table in ("runs", "baselines"):
        return dict(RUN_COLUMNS if table == "runs" else BASELINES)
    own = PERFORMANCE_COLUMNS if table == "performance" else _COLUMNS[table]
    found = {**OF_RUN, **{name: kind for name, kind in own.items() if name not in OF_RUN}}
    return found | ({DIRECTION: "BOOLEAN"} if "metric" in own else {})


def views(folder: Path, files: Mapping[str, Sequence[Path]], job_metrics: Sequence[Path]) -> dict[str, str]:
    """Table name -> the SELECT that it stands for. Every path in it was made by us: `folder` and numbers.

    Args:
        folder: where the three files of lines are.
        files: result files by table; only these tables are made beside `runs` and `performance`.
        job_metrics: metric rows of whole jobs; of other jobs' runs they are among `files`.
    """
    runs = _lines(runs_path(folder), {NUMBER: "INTEGER", JOB_NUMBER: "INTEGER", **RUN_COLUMNS})
    performance = _lines(performance_path(folder), {NUMBER: "INTEGER", **PERFORMANCE_COLUMNS})
    nothing = ", ".join(f"NULL::{kind} AS {name}" for name, kind in BASELINES.items())
    made = {
        "baselines": f"SELECT {nothing} WHERE false",
        "runs": f"SELECT * EXCLUDE ({NUMBER}, {JOB_NUMBER}) FROM {runs}",
        "performance": f"SELECT {_of_run()}, t.* EXCLUDE ({_shared(PERFORMANCE_COLUMNS)}) "
        f"FROM {performance} t JOIN {runs} r USING ({NUMBER})",
    }
    for table, paths in files.items():
        parts = [f"SELECT * FROM {_reader(table, paths)}"] if paths else []
        if table == "metrics":
            parts = [f"{part} WHERE level <> 'by_id'" for part in parts]
            parts += [_of_jobs(job_metrics, runs)] if job_metrics else []
        made[table] = _result_view(table, parts, runs, _lines(directions_path(folder), _DIRECTIONS))
    return made


_DIRECTIONS: Mapping[str, str] = MappingProxyType({"metric": "VARCHAR", DIRECTION: "BOOLEAN"})


def _of_jobs(paths: Sequence[Path], runs: str) -> str:
    """Metric rows of jobs, with the number of the run, which they name."""
    return (
        f"SELECT r.{NUMBER}, t.* EXCLUDE ({JOB_NUMBER}) "
        f"FROM {_parquet(paths, JOB_NUMBER)} t JOIN {runs} r ON r.{JOB_NUMBER} = t.{JOB_NUMBER} AND r.run = t.run"
    )


def _result_view(table: str, parts: Sequence[str], runs: str, directions: str) -> str:
    columns = _COLUMNS[table]
    # Also what older files lack, and what there is no file of, is a column.
    empty = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in columns.items())
    rows = " UNION ALL BY NAME ".join([f"SELECT {empty}, NULL::INTEGER AS {NUMBER} WHERE false", *parts])
    direction, joined = "", ""
    if "metric" in columns:
        direction, joined = f", d.{DIRECTION}", f" LEFT JOIN {directions} d ON d.metric = t.metric"
    return (
        f"SELECT {_of_run()}, t.* EXCLUDE ({_shared(columns)}){direction} "
        f"FROM ({rows}) t JOIN {runs} r ON r.{NUMBER} = t.{NUMBER}{joined}"
    )


def _reader(table: str, paths: Sequence[Path]) -> str:
    if RESULT_FILES[table].endswith(".parquet"):
        return _parquet(paths, NUMBER)
    return (
        f"read_csv({_listed(paths)}, auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', "
        f"allow_quoted_nulls = false, max_line_size = 100000000, columns = {_struct(_COLUMNS[table])}, "
        f"{_numbered(NUMBER)})"
    )


def _parquet(paths: Sequence[Path], number: str) -> str:
    return f"read_parquet({_listed(paths)}, union_by_name = true, {_numbered(number)})"


def _numbered(number: str) -> str:
    return f"hive_partitioning = true, hive_types = {{{_text(number)}: 'INTEGER'}}"


def _listed(paths: Sequence[Path]) -> str:
    return "[" + ", ".join(_text(str(path)) for path in paths) + "]"


def _lines(path: Path, columns: Mapping[str, str]) -> str:
    return (
        f"read_json({_text(str(path))}, format = 'newline_delimited', maximum_object_size = 16777216, "
        f"columns = {_struct(columns)})"
    )


def _of_run() -> str:
    return ", ".join(f"r.{name}" for name in OF_RUN)


def _shared(columns: Mapping[str, str]) -> str:
    return ", ".join([NUMBER, *(name for name in columns if name in OF_RUN)])


def _struct(columns: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{_text(name)}: {_text(kind)}" for name, kind in columns.items()) + "}"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
