"""`python -m vhb_shared.computing.worker`: does one piece of work and ends. One JSON document comes in on standard
input, one goes out on standard output: `{"result": ...}` or `{"error": KIND, "message": ...}`."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from vhb_shared.analytics.confinement import confine
from vhb_shared.errors import UserError


def main() -> None:
    """Reads the request, works, and says every error."""
    asked = json.load(sys.stdin)
    confine(asked["memory_mib"], asked["cpu_s"])
    try:
        answer = {"result": _WORK[asked["work"]](asked["given"])}
    except UserError as error:
        answer = {"error": "user", "message": error.lines[0]}
    except MemoryError:
        answer = {"error": "memory", "message": ""}
    except (pl.exceptions.PolarsError, OSError) as error:
        answer = {"error": "tables", "message": str(error)}
    json.dump(answer, sys.stdout)


class _Told:
    """Metrics as whoever asks knows them."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._composite = frozenset(given["composite"])
        self._directions: Mapping[str, bool] = given["higher_is_better"]

    def composite(self, label: str) -> bool:
        return label in self._composite

    def higher_is_better(self, label: str) -> bool | None:
        return self._directions.get(label)


def _compare(given: Mapping[str, Any]) -> Any:
    from vhb_shared.comparing.compared import Wishes, compare
    from vhb_shared.comparing.matching import match
    from vhb_shared.comparing.runs import FoundRun

    runs = [
        FoundRun(**{**run, "scores": Path(run["scores"]), "replicates": Path(run["replicates"])})
        for run in given["runs"]
    ]
    matches, left_out = match([[run] for run in runs])
    wishes = Wishes(tuple(given["metrics"]), given["by"], given["all_pairs"], ())
    return compare(matches, left_out, wishes, _Told(given)).model_dump(mode="json")


def _fields(given: Mapping[str, Any]) -> Any:
    from vhb_shared.computing.fields import count_fields

    return count_fields(Path(given["scores"]))


_WORK = {"compare": _compare, "fields": _fields}


if __name__ == "__main__":
    main()
