"""Notes which requests a run answered, so that later runs find the answers instead of asking. Blocks: for a thread."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import structlog

from vhb_shared.contracts.plan import RunSpec
from vhb_shared.reuse.index import IndexObject, encode_index, part_rows
from vhb_shared.reuse.scope import reuse_scope

log = structlog.get_logger()

_COLUMNS = ("fingerprint", "outcome", "answered_at", "reused_from")


class RunIndex:
    """Gathers the fingerprints of a run's committed parts: 20 bytes an answer. Used by one thread at a time.

    Args:
        run: whose answers.
    """

    def __init__(self, run: RunSpec) -> None:
        self._run = run
        self._rows: list[pl.DataFrame] = []
        self._latest = ""

    def add(self, parts: Sequence[tuple[int, str, Path]]) -> None:
        """Takes in parts: (shard, token, file). One that cannot be read is left out: evaluation says so."""
        for shard, token, path in parts:
            try:
                found = pl.scan_parquet(path)
                columns = [name for name in _COLUMNS if name in found.collect_schema()]
                rows, latest = part_rows(found.select(columns).collect(), shard, token)
            except (pl.exceptions.PolarsError, FileNotFoundError, ValueError) as error:
                log.warning("part not indexed", run_id=self._run.run_id, shard=shard, error=str(error)[:200])
                continue
            self._rows.append(rows)
            self._latest = max(self._latest, latest)

    def finish(self) -> IndexObject | None:
        """The index; None when there is nothing in it."""
        return encode_index(reuse_scope(self._run.model), self._run.run_id, self._rows, self._latest)
