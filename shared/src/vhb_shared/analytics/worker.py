"""`python -m vhb_shared.analytics.worker`: answers one query and ends. One JSON document comes in on standard input,
lines of JSON go out on standard output: columns, rows in batches, and an end or an error."""

import datetime
import decimal
import json
import math
import os
import sys
from typing import Any

import duckdb

from vhb_shared.analytics.checked import Refused, Wrong, check
from vhb_shared.analytics.confinement import confine

_BATCH = 500
_SETTINGS = {
    "temp_directory": "",  # nothing is written, so nothing is spilled
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
}


def main() -> None:
    """Reads the request, answers, and says every error as a line."""
    asked = json.load(sys.stdin)
    os.nice(asked.get("nice", 0))
    confine(asked["memory_mib"], asked["cpu_s"])
    try:
        _answer(asked)
    except Refused as error:
        _say({"error": "refused", "message": str(error)})
    except (MemoryError, duckdb.OutOfMemoryException):
        _say({"error": "memory", "message": ""})
    except duckdb.PermissionException:
        _say({"error": "refused", "message": "queries read the tables, no files and nothing of the network"})
    except (Wrong, duckdb.Error) as error:
        _say({"error": "sql", "message": str(error)})


def _answer(asked: dict[str, Any]) -> None:
    connection = duckdb.connect(
        ":memory:", config={**_SETTINGS, "threads": asked["threads"], "memory_limit": f"{asked['memory_mib']}MiB"}
    )
    check(connection, asked["sql"])
    if asked.get("check"):
        connection.extract_statements(asked["sql"])
        _say({"end": "all"})
        return
    for name, select in asked["views"].items():
        connection.execute(f'CREATE VIEW "{name}" AS {select}')
    connection.execute(f"SET allowed_paths = {_texts(asked['paths'])}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    (statement,) = connection.extract_statements(asked["sql"])
    wanted = statement.named_parameters
    given = {name: value for name, value in asked["parameters"].items() if name in wanted}
    if missing := sorted(wanted - set(given)):
        how = asked["to_give"].format(name=missing[0])
        raise Wrong(f"it names ${missing[0]}, which was not given; give it with {how}")
    found = connection.execute(statement, given or None)
    described = found.description or []
    _say({"columns": [column[0] for column in described], "types": [str(column[1]) for column in described]})
    _rows(found, asked["rows"], asked["bytes"])


def _rows(found: duckdb.DuckDBPyConnection, most: int, most_bytes: int) -> None:
    """Sends rows up to the bound; of one more it is only said that it is there."""
    left, size = most, 0
    while batch := found.fetchmany(min(_BATCH, left + 1)):
        rows = [[_plain(value) for value in row] for row in batch[:left]]
        line = json.dumps({"rows": rows})
        size += len(line)
        if size > most_bytes:
            raise Refused(f"the result takes more than {most_bytes >> 20} MiB; select less, or fewer columns")
        _write(line)
        left -= len(rows)
        if len(batch) > len(rows):
            _say({"end": "more"})
            return
    _say({"end": "all"})


def _plain(value: Any) -> Any:
    """A value as JSON has it; dates and numbers that are none are texts."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    return str(value)


def _texts(texts: list[str]) -> str:
    return "[" + ", ".join("'" + text.replace("'", "''") + "'" for text in texts) + "]"


def _say(message: dict[str, Any]) -> None:
    _write(json.dumps(message))


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
