"""What `vhb query` is asked, where the results are, and how its answer is written."""

import json
from collections.abc import Sequence
from pathlib import Path

from vhb.screen import harmless
from vhb_shared.analytics.engine import Answer
from vhb_shared.analytics.saved import saved_query
from vhb_shared.analytics.texts import csv_text
from vhb_shared.errors import UserError
from vhb_shared.settings import StoreSettings


def asked(
    sql: str | None, saved: str | None, params: Sequence[str], baseline: str | None
) -> tuple[str, dict[str, str | None]]:
    """The query's text, and values to be bound.

    Raises:
        UserError: there is none, or two; a parameter is malformed or unknown.
    """
    given = dict(_split(param) for param in params)
    if baseline is not None:
        given["baseline"] = baseline
    if (sql is None) == (saved is None):
        raise UserError('Give either a query ("SELECT ...") or --saved NAME; `vhb query --list` shows the saved ones.')
    if saved is not None:
        query = saved_query(saved)
        if saved == "drift" and "baseline" not in given:
            raise UserError("drift compares with --baseline ID, a job or a run: give it.")
        return query.sql, query.bound(given)
    assert sql is not None
    return sql, dict(given)


def stored_results(workdir: Path) -> StoreSettings:
    """Storage of the running stack, else what VHB_S3_* or VHB_STORE_DIR names, else what a stack has left in its
    directory: no bus is needed.

    Raises:
        Unreachable: there is none of these.
    """
    from vhb.connect import settings
    from vhb.embedded.workdir import Workdir
    from vhb_shared.bus.connection import Unreachable

    try:
        return settings(None, workdir)[1]
    except Unreachable:
        store = StoreSettings()
        if store.s3_endpoint or store.store_dir:
            return store
        left = Workdir(workdir).objects
        if left.is_dir():
            return StoreSettings(store_dir=left)
        raise


def as_csv_text(answer: Answer, *, for_terminal: bool) -> str:
    """RFC 4180; what is missing is an empty field.

    Args:
        answer: what was found.
        for_terminal: whether a terminal shows it, which values must not steer; programs get them as they are.
    """
    return csv_text(answer, harmless if for_terminal else str)


def as_json_text(answer: Answer) -> str:
    """`{"columns": [...], "rows": [[...]], "more": ...}`"""
    return json.dumps({"columns": answer.columns, "rows": answer.rows, "more": answer.more})


def _split(param: str) -> tuple[str, str]:
    name, equals, value = param.partition("=")
    if not name or not equals:
        raise UserError(f"--param {param!r} is not NAME=VALUE.")
    return name.removeprefix("$"), value
