"""Whether a text is one statement that only reads the tables. The engine's locks come on top of it.

What a statement is called does not tell: `WITH x AS (COPY ... TO 'file') SELECT 1` counts as a SELECT and overwrites
the file. So its parse tree is looked at, and what is not known to read is refused.
"""

import json
from collections.abc import Iterator
from typing import Any

import duckdb

_READS = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
"""All others are refused: they read files, settings, or SQL that nobody looked at (`query`)."""
_ENGINE = frozenset({"current_setting", "write_log"})
"""Functions that are about the engine."""
_ENGINE_TABLES = ("duckdb_", "pg_", "pragma_", "sqlite_")
_ENGINE_SCHEMAS = frozenset({"information_schema", "pg_catalog"})
"""Tables with its settings, and with where on this host files lie."""


class Refused(Exception):  # noqa: N818 - a condition of the query
    """It is no statement that only reads; the message says why."""


class Wrong(Exception):  # noqa: N818 - a condition of the query
    """It is no SQL; the message says where."""


def check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raises `Refused` or `Wrong` unless the text is one statement that reads tables and nothing else."""
    row = connection.execute("SELECT json_serialize_sql($1)", [sql]).fetchone()
    assert row is not None
    parsed = json.loads(row[0])
    if parsed["error"]:
        if parsed.get("error_type") == "parser":
            raise Wrong(_where(parsed["error_message"], parsed.get("position"), sql))
        raise Refused(
            "only one SELECT (also DESCRIBE, SUMMARIZE, SHOW TABLES) is allowed: queries read and never write"
        )
    if len(parsed["statements"]) != 1:
        raise Refused(f"it holds {len(parsed['statements'])} statements; write one")
    for node in _nodes(parsed["statements"][0]):
        kind = node["type"]
        if kind.endswith("_NODE") and kind not in _READS:
            raise Refused(f"{kind.split('_')[0]} writes; queries read and never write")
        if kind == "TABLE_FUNCTION":
            name = str(node["function"].get("function_name", "")).lower()
            if name not in _TABLE_FUNCTIONS:
                raise Refused(
                    f"the table function {name!r} is not allowed: queries read the tables, no files and no settings"
                )
        if kind == "FUNCTION" and str(node.get("function_name", "")).lower() in _ENGINE:
            raise Refused(f"the function {node['function_name']!r} is not allowed: queries read no settings")
        if kind == "BASE_TABLE" and _is_the_engine_s(node):
            raise Refused(
                f"{node['table_name']!r} is a table of the engine: SHOW TABLES lists the tables, DESCRIBE their columns"
            )


def _is_the_engine_s(table: dict[str, Any]) -> bool:
    schema, name = (str(table.get(part, "")).lower() for part in ("schema_name", "table_name"))
    return schema in _ENGINE_SCHEMAS or name.startswith(_ENGINE_TABLES)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every part of a parse tree that has a type; without recursion, for deep trees."""
    left = [tree]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            if isinstance(part.get("type"), str):
                yield part
            left.extend(part.values())
        elif isinstance(part, list):
            left.extend(part)


def _where(message: str, position: str | None, sql: str) -> str:
    if position is None or not position.isdigit():
        return message
    before = sql.encode()[: int(position)].decode(errors="replace")
    return f"{message} (line {before.count(chr(10)) + 1})"
