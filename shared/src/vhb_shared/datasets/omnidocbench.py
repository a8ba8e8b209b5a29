"""OmniDocBench: one JSON file with all pages and their blocks, images in a folder beside it."""

import codecs
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vhb_shared.datasets.base import BadRow, DatasetReader, ImageSource, Origin, Sample
from vhb_shared.datasets.image_problem import ImageProblem
from vhb_shared.datasets.pages import images_at
from vhb_shared.errors import UserError

ANNOTATION = "OmniDocBench.json"
LONGEST = 64 * 1024 * 1024
"""Characters of one page's annotation."""
_CHUNK = 1 << 20
_LEFT_OUT = (
    "header", "footer", "page_number", "page_footnote", "abandon", "figure", "text_mask", "table_mask", "need_mask",
)  # fmt: skip
"""Blocks that are no part of a page's text."""
_ATTRIBUTES = ("language", "layout", "subset", "watermark", "fuzzy_scan", "colorful_backgroud")


class OmniDocBenchReader(DatasetReader):
    """The reference is the page in Markdown: its blocks by `order`, titles with `#`, tables as HTML, formulas as LaTeX;
    headers, footers, page numbers and figures are left out. The document class is the data source; attributes of the
    page are kept as fields. The sample id is the image's name.
    """

    name = "omnidocbench"
    describe = f"with `reader: omnidocbench`, a folder with {ANNOTATION} and images/"
    asked_only = True

    def accepts(self, source: str, path: Path | None) -> bool:
        return path is not None and path.is_dir()

    def read(self, source: str, path: Path | None) -> Iterator[Sample | BadRow]:
        assert path is not None
        annotation = path / ANNOTATION
        if not annotation.is_file():
            raise UserError(f"{path}: no {ANNOTATION}")
        root = os.path.realpath(path)
        for index, page in enumerate(_array(annotation)):
            yield _page(index, page, root)


def _page(index: int, page: Any, root: str) -> Sample | BadRow:
    origin = Origin(ANNOTATION, index + 1, "page_info.image_path", "page")
    info = page.get("page_info") if isinstance(page, Mapping) else None
    if not isinstance(info, Mapping) or not isinstance(name := info.get("image_path"), str):
        return BadRow.at(origin, "page_info.image_path", "expected the name of an image")
    blocks = page.get("layout_dets")
    if not isinstance(blocks, list):
        return BadRow.at(origin, "layout_dets", "expected a list of blocks")
    try:
        images: tuple[ImageSource, ...] = images_at(root, f"images/{name}", dpi=0)
    except ImageProblem as problem:
        return BadRow.at(origin, origin.image_column, str(problem))
    about = info.get("page_attribute")
    about = about if isinstance(about, Mapping) else {}
    return Sample(
        index=index,
        id=name,
        origin=origin,
        images=images,
        references=(_markdown(blocks),),
        doc_class=_text(about.get("data_source")) or None,
        fields={name: text for name in _ATTRIBUTES if (text := _text(about.get(name)))},
    )


def _markdown(blocks: list[Any]) -> str:
    shown = [
        block
        for block in blocks
        if isinstance(block, Mapping)
        and isinstance(block.get("order"), int | float)
        and not block.get("ignore")
        and block.get("category_type") not in _LEFT_OUT
    ]
    parts = (_block(block) for block in sorted(shown, key=lambda block: float(block["order"])))
    return "\n\n".join(filter(None, parts)).replace("\0", "")


def _block(block: Mapping[str, Any]) -> str:
    kind = block.get("category_type")
    if kind == "table":
        return _text(block.get("html")) or _text(block.get("latex")) or _text(block.get("text"))
    if kind == "equation_isolated":
        return _text(block.get("latex")) or _text(block.get("text"))
    text = _text(block.get("text")) or _text(block.get("latex"))
    return f"# {text}" if kind == "title" and text else text


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode("utf-8").strip()


def _array(path: Path) -> Iterator[Any]:
    """The items of a JSON array, one at a time: the file has more than would be good to hold.

    Raises:
        UserError: it is no such array.
    """
    decoder = json.JSONDecoder()
    text, started, ended = "", False, False
    with path.open("rb") as file:
        characters = codecs.getincrementaldecoder("utf-8-sig")("replace")
        while not ended:
            chunk = file.read(_CHUNK)
            text = (text + characters.decode(chunk, final=not chunk)).lstrip()
            if not started and text:
                if text[0] != "[":
                    raise UserError(f"{path}: expected a JSON array of pages")
                text, started = text[1:].lstrip(), True
            while text := text.lstrip(" \t\r\n,"):
                if text[0] == "]":
                    ended = True
                    break
                try:
                    item, length = decoder.raw_decode(text)
                except json.JSONDecodeError:
                    break  # the rest of it is still to come
                except RecursionError as error:
                    raise UserError(f"{path}: is nested too deeply") from error
                if length == len(text) and chunk:
                    break  # a number may go on
                yield item
                text = text[length:]
            if not ended and (not chunk or len(text) > LONGEST):
                raise UserError(f"{path}: is cut off, malformed, or holds more than {LONGEST} characters for a page")
