"""First pass over a data set: every row and every image checked and hashed; nothing is stored yet."""

import hashlib
import itertools
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from vhb_shared.datasets.base import BadRow, ImageSource, Sample
from vhb_shared.datasets.distinct import Distinct
from vhb_shared.datasets.image_problem import ImageProblem
from vhb_shared.datasets.images import CheckedImage, ImageTotals, check_image
from vhb_shared.errors import UserError

DIGEST_VERSION = b"vhb-dataset-2\n"
"""Hashed first: a change of the record's form changes every digest."""
BAD_ROWS_KEPT = 20
_BATCH_ROWS = 256
_BATCH_BYTES = 32 * 1024 * 1024
_CACHED_IMAGES = 20_000


@dataclass
class BadRows:
    """How many rows are bad, and the first of them."""

    total: int = 0
    first: list[BadRow] = field(default_factory=list)

    def add(self, row: BadRow) -> None:
        self.total += 1
        if len(self.first) < BAD_ROWS_KEPT:
            self.first.append(row)

    def sentences(self) -> tuple[str, ...]:
        """The first ones, and the number of the rest."""
        rest = self.total - len(self.first)
        return (*map(str, self.first), *([f"and {rest} more"] if rest else []))


@dataclass(frozen=True)
class Scan:
    """What the first pass found. Its files lie in the working folder it was given."""

    digest: str
    samples: int
    images: int
    bad: BadRows
    records: Path
    """One JSON object a line, with the keys of SAMPLE_COLUMNS."""
    media: Path
    """One JSON array [name in storage, file to read] a line; each name once."""
    sizes: ImageTotals


@dataclass
class _Writer:
    work: Path
    records: TextIO
    media: TextIO
    digest: "hashlib._Hash" = field(default_factory=lambda: hashlib.sha256(DIGEST_VERSION))
    samples: int = 0
    stored: Distinct = field(init=False)
    ids: Distinct = field(init=False)
    sizes: ImageTotals = field(default_factory=ImageTotals)

    def __post_init__(self) -> None:
        self.stored = Distinct(self.work / "images.sqlite")
        self.ids = Distinct(self.work / "ids.sqlite")

    def close(self) -> None:
        self.stored.close()
        self.ids.close()

    def sample(self, sample: Sample, names: tuple[str, ...]) -> None:
        line = json.dumps(_record(sample, names), ensure_ascii=False, separators=(",", ":"))
        self.digest.update(line.encode())
        self.digest.update(b"\n")
        self.records.write(line + "\n")
        self.samples += 1

    def image(self, image: CheckedImage, file: Path) -> None:
        if self.stored.add(image.sha256):
            self.sizes = self.sizes.plus(image)
            self.media.write(json.dumps([image.name, str(file)]) + "\n")


def _record(sample: Sample, names: tuple[str, ...]) -> dict[str, object]:
    return {
        "index": sample.index,
        "id": sample.id,
        "split": sample.split,
        "images": names,
        "question": sample.question,
        "references": sample.references,
        "doc_class": sample.doc_class,
        "question_type": sample.question_type,
        "answer_bbox": sample.answer_bbox,
        "data_index": sample.data_index,
        "choices": sample.choices,
        "document": sample.document or _shown(names),
        "fields": json.dumps(dict(sample.fields), ensure_ascii=False, sort_keys=True) if sample.fields else None,
    }


def _shown(names: tuple[str, ...]) -> str | None:
    """What stands for the document where none is named: its images, so that questions about the same ones share it."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16] if names else None


def scan(
    rows: Iterator[Sample | BadRow],
    work: Path,
    *,
    stop: threading.Event,
    on_rows: Callable[[int], None] = lambda _: None,
    box_format: str | None = None,
) -> Scan:
    """Reads all rows. Blocks; memory grows neither with the images nor with the rows.

    Args:
        rows: what a reader yields.
        work: an empty folder for the records, and for images that are in no file of their own.
        stop: set it to give up early.
        on_rows: called with the number of rows read so far, from this thread.
        box_format: what the numbers of boxes mean; the same boxes in another convention are other data.

    Raises:
        UserError: from the reader; or the data set holds no row at all.
        InterruptedError: `stop` was set.
    """
    spool = work / "spool"
    spool.mkdir()
    bad = BadRows()
    cache: OrderedDict[object, CheckedImage | str] = OrderedDict()
    records, media = work / "records.ndjson", work / "media.ndjson"
    read = 0
    with (
        ExitStack() as opened,
        records.open("w", encoding="utf-8") as record_file,
        media.open("w", encoding="utf-8") as media_file,
        ThreadPoolExecutor(max_workers=min(8, (os.cpu_count() or 1) + 2), thread_name_prefix="images") as pool,
    ):
        writer = opened.enter_context(closing(_Writer(work, record_file, media_file)))
        for batch in _batches(rows):
            if stop.is_set():
                raise InterruptedError
            checked = _check(batch, pool, cache, spool)
            for row in batch:
                problem = row if isinstance(row, BadRow) else _write(row, checked, writer, spool)
                if problem is not None:
                    bad.add(problem)
            read += len(batch)
            on_rows(read)
    if read == 0:
        raise UserError("empty data set: no row below the header; expected at least one sample")
    if box_format is not None:
        writer.digest.update(f"boxes are {box_format}\n".encode())
    if bad.total:
        # The manifest counts them: what lost its last rows must not be taken for a data set that is whole.
        writer.digest.update(f"without {bad.total} bad rows\n".encode())
    images = len(writer.stored)
    return Scan(writer.digest.hexdigest(), writer.samples, images, bad, records, media, writer.sizes)


def _batches(rows: Iterator[Sample | BadRow]) -> Iterator[list[Sample | BadRow]]:
    """Groups of rows, limited by number and by the bytes of images held in memory."""
    while batch := list(itertools.islice(rows, 1)):
        held = _held(batch[0])
        while len(batch) < _BATCH_ROWS and held < _BATCH_BYTES and (row := next(rows, None)) is not None:
            batch.append(row)
            held += _held(row)
        yield batch


def _held(row: Sample | BadRow) -> int:
    return 0 if isinstance(row, BadRow) else sum(len(image.data or b"") for image in row.images)


def _check(
    batch: Iterable[Sample | BadRow],
    pool: ThreadPoolExecutor,
    cache: OrderedDict[object, CheckedImage | str],
    spool: Path,
) -> dict[ImageSource, CheckedImage | str]:
    """Looks at each image of a batch once; at one of an earlier batch not again (questions share images)."""
    results: dict[ImageSource, CheckedImage | str] = {}
    todo: dict[object, ImageSource] = {}
    sources = [image for row in batch if isinstance(row, Sample) for image in row.images]
    for source in sources:
        key = _content(source)
        if key in cache:
            cache.move_to_end(key)
            results[source] = cache[key]
        else:
            todo.setdefault(key, source)
    found = dict(zip(todo, pool.map(lambda source: _check_one(source, spool), todo.values()), strict=True))
    for source in sources:
        if source not in results:
            results[source] = found[_content(source)]
            if source.data is None:
                cache[_content(source)] = results[source]
    while len(cache) > _CACHED_IMAGES:
        cache.popitem(last=False)
    return results


def _content(source: ImageSource) -> object:
    """What is the same for two sources that show the same."""
    return (source.path, source.page, source.dpi) if source.path is not None else source.data


def _file(source: ImageSource, image: CheckedImage, spool: Path) -> Path:
    """Where a checked image's bytes are: its own file, or the working folder for what was in no file of its own."""
    if source.path is None or source.page is not None:
        return spool / image.name
    return source.path


def _check_one(source: ImageSource, spool: Path) -> CheckedImage | str:
    try:
        image, data = check_image(source)
    except ImageProblem as problem:
        return str(problem)
    if (file := _file(source, image, spool)) != source.path:
        file.write_bytes(data)
    return image


def _write(
    sample: Sample, checked: dict[ImageSource, CheckedImage | str], writer: _Writer, spool: Path
) -> BadRow | None:
    origin = sample.origin
    if sample.id in writer.ids:
        return BadRow.at(origin, "id", f'expected each id once, "{sample.id}" is there twice')
    images: list[tuple[CheckedImage, Path]] = []
    for source in sample.images:
        image = checked[source]
        if isinstance(image, str):
            return BadRow.at(origin, origin.image_column, image)
        images.append((image, _file(source, image, spool)))
    writer.ids.add(sample.id)
    for image, file in images:
        writer.image(image, file)
    writer.sample(sample, tuple(image.name for image, _ in images))
    return None
