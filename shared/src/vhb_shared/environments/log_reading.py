"""Reads on in the log that a warden writes: a file, and its predecessor once that was full."""

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from vhb_shared.environments.base import Output

MOST_BYTES = 256 << 10
"""Of one reading; what is before that is counted only."""
_CHUNK = 1 << 20


def read_on(path: Path, place: str) -> Output:
    """What was appended after a place (`<inode>:<offset>`), across one change of files.

    Args:
        path: the file that is written now; its predecessor has `.1` appended.
        place: of an earlier reading; empty: the beginning.
    """
    inode, _, offset = place.partition(":")
    pieces: list[bytes] = []
    left_out = 0
    reached = place
    with ExitStack() as opened:
        files: dict[str, tuple[BinaryIO, int]] = {}
        # The present one first: should it become the predecessor meanwhile, it is the same file twice.
        for part in (path, path.with_name(path.name + ".1")):
            with suppress(OSError):
                there = opened.enter_context(part.open("rb"))
                found = os.fstat(there.fileno())
                files.setdefault(str(found.st_ino), (there, found.st_size))
        present = next(iter(files), None)
        for name in reversed(files):
            if inode == present and name != present:
                continue  # known up to its end
            file, size = files[name]
            lost, data = _rest(file, min(int(offset), size) if name == inode else 0, size)
            if lost:
                lost += sum(piece.count(b"\n") for piece in pieces)
                pieces = []
            left_out += lost
            pieces.append(data)
            reached = f"{name}:{size}"
    text = b"".join(pieces)
    if len(text) > MOST_BYTES:
        left_out += text[:-MOST_BYTES].count(b"\n")
        text = text[-MOST_BYTES:]
    if left_out:
        # What is left of the line in which it was cut.
        text = text.partition(b"\n")[2]
        left_out += 1
    return Output(text=text.decode(errors="replace"), place=reached, left_out=left_out)


def _rest(file: BinaryIO, start: int, end: int) -> tuple[int, bytes]:
    """Lines before the last `MOST_BYTES` between two offsets, and these."""
    lost = 0
    file.seek(start)
    while end - start > MOST_BYTES:
        size = min(_CHUNK, end - start - MOST_BYTES)
        lost += file.read(size).count(b"\n")
        start += size
    data: bytes = file.read(end - start)
    return lost, data
