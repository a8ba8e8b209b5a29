"""Images and lists as they stand inside cells of text: base64, data URLs, Python lists."""

import ast
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from vhb_shared.datasets.base import ImageSource
from vhb_shared.datasets.image_problem import MAX_BYTES, ImageProblem
from vhb_shared.datasets.pages import images_at

_LONGEST_PATH = 4096
"""Longer texts in place of an image are its bytes in base64."""
_REMEMBERED = 20_000
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
    """The items of a cell that holds a list of texts or numbers, as Python or JSON writes it; None when it holds
    anything else."""
    text = cell.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    # JSON first: Python would read "\ud83d\ude00" as two halves of a character.
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return None
    if not isinstance(value, list) or not all(isinstance(item, str | int | float) for item in value):
        return None
    return [str(item) for item in value]


def image_finder(root: str, dpi: int) -> Callable[[Any], Iterator[ImageSource]]:
    """What finds the images in a value of a row: bytes, `{bytes, path}`, base64, a data URL, a path, or a list of them.

    Args:
        root: the folder that paths must lie in, already resolved.
        dpi: for pages of PDF files.
    """

    # Many questions may share an image; to look at its path costs far more than to remember it.
    @lru_cache(maxsize=_REMEMBERED)
    def at(text: str) -> tuple[ImageSource, ...]:
        return images_at(root, text, dpi)

    def find(value: Any) -> Iterator[ImageSource]:
        items = value
        if isinstance(value, str):
            items = text_list(value)
        if isinstance(items, list | tuple):
            for item in items:
                if item is not None:
                    yield from _images(item, at)
        elif value is not None:
            yield from _images(value, at)

    return find


def _images(item: Any, at: Callable[[str], tuple[ImageSource, ...]]) -> tuple[ImageSource, ...]:
    if isinstance(item, ImageSource):
        return (item,)
    if isinstance(item, Mapping) and {"bytes", "path"} & set(item):
        if item.get("bytes") is None and item.get("path") is None:
            return ()
        name = str(item.get("path") or "the image")
        return _images(item["path"], at) if item.get("bytes") is None else _held(item["bytes"], name)
    if isinstance(item, bytes):
        return _held(item, "the image")
    if not isinstance(item, str):
        raise ImageProblem(f"expected the path of an image, a data URL or bytes, found {type(item).__name__}")
    text = item.strip()
    if text.startswith("data:") or len(text) > _LONGEST_PATH:
        return _held(decode_image(text), "the image")
    return at(text) if text else ()


def _held(data: Any, label: str) -> tuple[ImageSource, ...]:
    if not isinstance(data, bytes):
        raise ImageProblem(f"expected the bytes of an image, found {type(data).__name__}")
    if len(data) > MAX_BYTES:
        raise ImageProblem(f"expected an image of at most {MAX_BYTES >> 20} MiB, found a bigger one")
    return (ImageSource(data=data, label=label),)
