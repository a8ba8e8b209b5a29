"""`python -m vhb_shared.datasets.parquet_worker MEMORY_MIB CPU_S`: opens Parquet files that users brought, and says
what is in them.

Polars ends the whole process where a damaged file says that a page has 2 EiB; then it is this one. Requests are lines
of JSON on standard input: `{"path": ...}` opens a file, and its schema comes back as a table without rows;
`{"columns": [...], "rows": N}` asks for its rows. Answers on standard output are a letter, a length in 8 bytes and as
many bytes: `T` a table as an Arrow stream, `E` the end of the rows, `X` what is wrong with the file.
"""

import io
import json
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO

import polars as pl

from vhb_shared.analytics.confinement import confine

LENGTH_BYTES = 8


def main() -> None:
    """Answers until standard input ends."""
    confine(int(sys.argv[1]), int(sys.argv[2]))
    out = sys.stdout.buffer
    frame = pl.LazyFrame()
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if "path" in asked:
                frame = pl.scan_parquet(asked["path"], glob=False)
                _table(out, pl.DataFrame(schema=frame.collect_schema()))
            else:
                _rows(out, frame, asked)
        except BrokenPipeError:
            return  # nobody wants the rest
        except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            _say(out, b"X", str(error)[:2000].encode("utf-8", "replace"))
        out.flush()


def _rows(out: BinaryIO, frame: pl.LazyFrame, asked: Mapping[str, Any]) -> None:
    batches = frame.select(asked["columns"]).collect_batches(
        chunk_size=asked["rows"], maintain_order=True, lazy=True, engine="streaming"
    )
    buffer = io.BytesIO()  # kept: fresh memory for each batch costs more than all the rest
    for batch in batches:
        _table(out, batch, buffer)
    _say(out, b"E", b"")


def _table(out: BinaryIO, table: pl.DataFrame, buffer: io.BytesIO | None = None) -> None:
    buffer = buffer or io.BytesIO()
    buffer.seek(0)
    table.write_ipc_stream(buffer)
    with buffer.getbuffer() as content:
        _say(out, b"T", content[: buffer.tell()])


def _say(out: BinaryIO, letter: bytes, content: bytes | memoryview) -> None:
    out.write(letter + len(content).to_bytes(LENGTH_BYTES, "big"))
    out.write(content)


if __name__ == "__main__":
    main()
