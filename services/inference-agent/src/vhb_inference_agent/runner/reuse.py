"""Finds answers that earlier runs got to the very same requests. Whatever is not found, or not in order, is asked."""

import asyncio
import hashlib
import io
import re
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import polars as pl
import structlog
from pydantic import ValidationError

from vhb_inference_agent.runner.parts import decode_part
from vhb_inference_agent.runner.replies import MAX_ANSWER_CHARS
from vhb_shared.asking.questions import Question
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.contracts.results import Answer
from vhb_shared.errors import NotFound
from vhb_shared.reuse.index import MAX_ROWS, REUSABLE, AnswerIndex, Place, decode_index, is_index_key
from vhb_shared.reuse.scope import reuse_scope
from vhb_shared.store import layout
from vhb_shared.store.base import LocalCopies, ObjectStore
from vhb_shared.store.cache import Damaged

log = structlog.get_logger(__name__)

READS_AT_ONCE = 8
MAX_PART_ROWS = 100_000
"""The largest shard there can be."""
_KEPT_RUNS = 1000
_KEPT_PARTS = 32
_KEPT_BYTES = 1 << 20
"""Of a part that is kept for the next shard; bigger ones are read again."""
_RUN_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")

Answers = Mapping[str, Answer]
"""By fingerprint."""


class KnownAnswers:
    """Answers of earlier runs, shared by all sessions of an agent. What comes from storage is not trusted: names are
    checked against content, and rows against the contract.

    Args:
        store: where answers are.
        copies: local copies of indexes.
    """

    def __init__(self, store: ObjectStore, copies: LocalCopies) -> None:
        self._store = store
        self._copies = copies
        self._indexes: OrderedDict[str, tuple[frozenset[str], AnswerIndex]] = OrderedDict()
        self._looked: OrderedDict[tuple[str, int], None] = OrderedDict()
        """Runs and rounds for which indexes were looked for."""
        self._parts: OrderedDict[Place, Answers] = OrderedDict()
        self._loading = asyncio.Lock()
        self._reading = asyncio.Semaphore(READS_AT_ONCE)

    async def to(self, run: RunSpec, round: int, questions: Sequence[Question]) -> dict[int, Answer]:
        """Answers to some of a run's questions, by index; none when the job wants all to be asked.

        Raises:
            Unavailable: the storage does not answer.
        """
        if not run.reuse or not questions:
            return {}
        index = await self._index(run, round)
        if index is None:
            return {}
        asked = [question for question in questions if question.fingerprint is not None]
        places = await asyncio.to_thread(index.find, [question.fingerprint or "" for question in asked])
        wanted: dict[Place, set[str]] = defaultdict(set)
        for fingerprint, place in places.items():
            wanted[place].add(fingerprint)
        found: dict[str, Answer] = {}
        for answers in await asyncio.gather(*(self._answers(*each) for each in wanted.items())):
            found |= answers
        return {
            question.index: answer.model_copy(update={"index": question.index, "id": question.id})
            for question in asked
            if (answer := found.get(question.fingerprint or "")) is not None
        }

    async def _answers(self, place: Place, fingerprints: Iterable[str]) -> Answers:
        """The answers of a part to some requests."""
        kept = self._parts.get(place)
        if kept is None:
            async with self._reading:
                try:
                    data = await self._store.get(place.key)
                except NotFound:
                    return {}  # removed since
            kept = await asyncio.to_thread(_reusable, data, place)
            if len(data) <= _KEPT_BYTES:
                self._parts[place] = kept
                while len(self._parts) > _KEPT_PARTS:
                    self._parts.popitem(last=False)
        return {fingerprint: kept[fingerprint] for fingerprint in fingerprints if fingerprint in kept}

    async def _index(self, run: RunSpec, round: int) -> AnswerIndex | None:
        """The index of the run's scope, as it was when the run was first met in this round; None when it is empty."""
        scope, looked = reuse_scope(run.model), (run.run_id, round)
        async with self._loading:
            if scope not in self._indexes or looked not in self._looked:
                await self._load(scope)
                self._looked[looked] = None
                if len(self._looked) > _KEPT_RUNS:
                    self._looked.popitem(last=False)
            self._indexes.move_to_end(scope)
            index = self._indexes[scope][1]
            return index if len(index) else None

    async def _load(self, scope: str) -> None:
        listed = self._store.list(layout.reuse_prefix(scope))
        keys = frozenset([info.key async for info in listed if is_index_key(info.key)])
        known = self._indexes.get(scope)
        if known is not None and known[0] == keys:
            return
        tables: dict[str, pl.DataFrame] = {}
        room = MAX_ROWS
        for key in sorted(keys, reverse=True):  # the latest first
            table = await self._table(key)
            if table is not None:
                tables[key] = table
                room -= table.height
            if room <= 0:
                log.warning("answers_not_looked_for", scope=scope, reason=f"more than {MAX_ROWS} are known")
                break
        self._indexes[scope] = (keys, await asyncio.to_thread(AnswerIndex, tables))
        while sum(len(index) for _, index in self._indexes.values()) > MAX_ROWS and len(self._indexes) > 1:
            oldest = next(iter(self._indexes))
            if oldest == scope:
                break
            del self._indexes[oldest]

    async def _table(self, key: str) -> pl.DataFrame | None:
        try:
            path = await self._copies.path(key)
            return await asyncio.to_thread(lambda: decode_index(key, path.read_bytes()))
        except (NotFound, Damaged, FileNotFoundError):
            return None
        except ValueError as error:
            log.warning("index_ignored", key=key, reason=str(error)[:200])
            return None


def _reusable(data: bytes, place: Place) -> Answers:
    """Answers of a part that may be used again, the first to each request. Blocks."""
    if hashlib.sha256(data).hexdigest()[:12] != place.token:
        log.warning("part_ignored", key=place.key, reason="its content does not match its name")
        return {}
    try:
        if pl.scan_parquet(io.BytesIO(data)).select(pl.len()).collect().item() > MAX_PART_ROWS:
            return {}
        rows = decode_part(data)
    except (pl.exceptions.PolarsError, ValidationError, TypeError) as error:
        log.warning("part_ignored", key=place.key, reason=str(error)[:200])
        return {}
    found: dict[str, Answer] = {}
    for row in rows:
        if row.fingerprint is None or row.outcome not in REUSABLE or row.model_answer is None:
            continue
        if len(row.model_answer) > MAX_ANSWER_CHARS:
            continue
        origin = row.reused_from if row.reused_from and _RUN_ID.fullmatch(row.reused_from) else place.run_id
        found.setdefault(row.fingerprint, row.model_copy(update={"reused_from": origin}))
    return found
