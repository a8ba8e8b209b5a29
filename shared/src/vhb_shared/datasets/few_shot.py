"""Few-shot: which solved samples come before a question. The same for every stage, machine and order of work."""

import hashlib
import heapq
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from vhb_shared.contracts.asking import SAME, FewShot
from vhb_shared.contracts.job import Filter, TaskEntry
from vhb_shared.datasets.prompts import render_prompt
from vhb_shared.datasets.selection import select_samples
from vhb_shared.datasets.table import nearest
from vhb_shared.datasets.variants import with_variants
from vhb_shared.errors import UserError

PINNED = "sha256:"
_Rows = tuple[Mapping[str, Any], ...]


class Example(NamedTuple):
    """One solved sample, as a turn of the user and one of the assistant."""

    id: str
    text: str
    """What the user asks: the task's prompt for this sample."""
    images: tuple[str, ...]
    """Names in storage, under the data set of the examples."""
    answer: str
    """The sample's reference."""


class Examples:
    """The examples of a task.

    Args:
        task: with `few_shot`, everything resolved.
        digest: of the task's data set.
        samples: local samples.parquet of the data set of the examples; blocks while they are read.

    Raises:
        UserError: examples that are not there, or that have no reference or no prompt.
    """

    def __init__(self, task: TaskEntry, digest: str, samples: Path) -> None:
        few_shot = task.few_shot
        assert few_shot is not None, "asked for by the task"
        own = examples_digest(few_shot, digest) == digest
        rows = _rows(task.model_copy(update={"metrics": (), "answers": None}).model_dump_json(), samples, own)
        self._count = few_shot.count or len(few_shot.ids)
        self._own = own
        self._examples = tuple(_example(task, row) for row in rows)

    def before(self, sample: str) -> tuple[Example, ...]:
        """What comes before a question.

        Args:
            sample: its id in the data set: it is no example of itself.
        """
        others = (example for example in self._examples if not self._own or example.id != sample)
        return tuple(others)[: self._count]


def examples_digest(few_shot: FewShot, digest: str) -> str:
    """The digest of the data set that the examples are in.

    Args:
        few_shot: of a bundled job.
        digest: of the task's data set.
    """
    return digest if few_shot.dataset == SAME else few_shot.dataset.removeprefix(PINNED)


@lru_cache(maxsize=16)  # every shard of a run asks, and a drawing goes over all ids
def _rows(task_json: str, samples: Path, own: bool) -> _Rows:
    task = TaskEntry.model_validate_json(task_json)
    few_shot = task.few_shot
    assert few_shot is not None
    # Rows as a run without repetitions has them: options in the order in which this task shows them.
    plain = task.model_copy(update={"epochs": 1, "circular": False})
    pool = select_samples(samples, task.filter if own and few_shot.count else Filter(), None)
    if few_shot.count is not None:
        ids = _drawn(pool, few_shot.count + own, few_shot.seed)
        if len(ids) < few_shot.count + own:
            raise UserError(
                f"`few_shot` draws {few_shot.count} examples, and only {len(ids) - own if ids else 0} other samples "
                "with a reference are there; lower `count`."
            )
    else:
        ids = few_shot.ids
    found = with_variants(pool.filter(pl.col("id").is_in(list(ids))), plain).collect(engine="streaming")
    by_id = {row["id"]: row for row in found.iter_rows(named=True)}
    _check(ids, by_id, pool)
    return tuple(by_id[name] for name in ids)


def _drawn(pool: pl.LazyFrame, count: int, seed: int) -> Sequence[str]:
    """Ids of samples with a reference: the first in an order that the seed and the ids decide."""
    solved = pl.col("references").list.eval(pl.element().str.strip_chars().ne("")).list.any().fill_null(False)
    ids = pool.filter(solved).select("id").collect(engine="streaming").to_series()
    return heapq.nsmallest(count, ids, key=lambda name: hashlib.sha256(f"{seed}\0{name}".encode()).digest())


def _check(ids: Sequence[str], by_id: Mapping[str, Mapping[str, Any]], pool: pl.LazyFrame) -> None:
    for name in ids:
        if name not in by_id:
            known = pool.select("id").head(1000).collect().to_series().to_list()
            raise UserError(f"`few_shot` names sample {name!r}, which its data set has not{nearest(name, known)}.")
        if _reference(by_id[name]) is None:
            raise UserError(f"`few_shot` names sample {name!r}, which has no reference to show; name another.")


def _example(task: TaskEntry, row: Mapping[str, Any]) -> Example:
    try:
        _, text = render_prompt(task, row)
    except UserError as error:
        raise UserError(f"`few_shot`: sample {row['id']!r} cannot be an example: {error}") from error
    return Example(row["id"], text, tuple(row["images"] or ()), _reference(row) or "")


def _reference(row: Mapping[str, Any]) -> str | None:
    return next((text for text in row["references"] or () if text and text.strip()), None)
