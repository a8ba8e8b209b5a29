"""Images and lists as they stand inside cells of text: base64, data URLs, Python lists."""

import ast
import binascii
import re

from vhb_shared.datasets.images import MAX_BYTES, ImageProblem

_DATA_URL = re.compile(r"^data:[a-zA-Z0-9.+/-]*;base64,", re.ASCII)


def decode_image(text: str) -> bytes:
    """The bytes of an image written as base64 or as a data URL.

    Raises:
        ImageProblem: not base64, or too big.
    """
    found = _DATA_URL.match(text)
    encoded = text[found.end() :] if found else text
    if len(encoded) > MAX_BYTES * 4 // 3 + 4:
        raise ImageProblem(f"expected an image of at most {MAX_BYTES >> 20} MiB, found a bigger one")
    try:
        return binascii.a2b_base64("".join(encoded.split()), strict_mode=True)
    except (binascii.Error, ValueError):
        raise ImageProblem(f"expected an image in base64, found {text[:40]!r}") from None


def text_list(cell: str) -> list[str] | None:
    """The items of a cell that holds a Python list of texts or numbers; None when it holds anything else."""
    text = cell.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    if not isinstance(value, list) or not all(isinstance(item, str | int | float) for item in value):
        return None
    return [str(item) for item in value]
