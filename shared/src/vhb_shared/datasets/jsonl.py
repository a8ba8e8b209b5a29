"""JSON Lines: one sample a line, images beside the file or embedded."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vhb_shared.datasets.base import BadRow, DatasetReader, Origin, PageOptions, Sample
from vhb_shared.datasets.embedded import image_finder
from vhb_shared.datasets.rows import RowReader
from vhb_shared.errors import UserError

LINE_LIMIT = 512 * 1024 * 1024


class JsonlReader(DatasetReader):
    """Keys: `image`, `images`, `image_path` or `pages` (path beside the file, or data URL; one or a list), `question`,
    `answer`, `answers` or `references` (one or a list), `choices`, `document`, and the optional columns of the
    annotation folder. Other keys are kept.

    The sample id is `id`, else the 0-based row number. Blank lines are no rows.
    """

    name = "jsonl"
    describe = "a .jsonl file"
    options_type = PageOptions
    options: PageOptions

    def accepts(self, source: str, path: Path | None) -> bool:
        return path is not None and path.suffix.lower() in (".jsonl", ".ndjson") and path.is_file()

    def read(self, source: str, path: Path | None) -> Iterator[Sample | BadRow]:
        assert path is not None
        rows = RowReader(self.how, image_finder(os.path.realpath(path.parent), self.options.dpi))
        index = 0
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LINE_LIMIT + 1):
                number += 1
                if len(line) > LINE_LIMIT:
                    raise UserError(f"{path}, line {number}: longer than {LINE_LIMIT >> 20} MiB; not JSON Lines")
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if line.strip():
                    row = _row(line, origin := Origin(path.name, number))
                    yield row if isinstance(row, BadRow) else rows.sample(index, row, origin)
                    index += 1
        rows.check_seen(str(path))


def _row(line: bytes, origin: Origin) -> dict[str, Any] | BadRow:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return BadRow.at(origin, None, "is not UTF-8, expected text saved as UTF-8")
    except json.JSONDecodeError as error:
        expected = f"expected a JSON object, malformed at character {error.pos + 1} ({error.msg})"
        return BadRow.at(origin, None, expected)
    except (RecursionError, ValueError):
        expected = "expected a JSON object, found one nested too deeply or with too long a number"
        return BadRow.at(origin, None, expected)
    if not isinstance(row, dict):
        return BadRow.at(origin, None, f"expected a JSON object, found {type(row).__name__}")
    return row
