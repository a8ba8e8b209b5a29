"""Tables out of answers: HTML or Markdown, as trees of table, rows and cells."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from lxml import etree, html

from vhb_evaluator.metrics.json_answers import whole_text

_SECTIONS = ("thead", "tbody", "tfoot")
_CELLS = ("td", "th")
_MAX_SPAN = 1000
MAX_ROWS = 5_000
"""Rows, and cells of a row, that are read: more than any metric compares."""
_TABLE = re.compile(r"<table\b", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_RULE_CELL = re.compile(r"\s*:?-+:?\s*\Z")


@dataclass
class Node:
    """A node of a table's tree: `table`, `thead`, `tbody`, `tfoot`, `tr` or `td`."""

    tag: str
    children: list["Node"] = field(default_factory=list)
    text: str = ""
    """Of a cell; white space collapsed, as a browser shows it."""
    columns: int = 1
    rows: int = 1
    """Spans of a cell."""

    def __len__(self) -> int:
        return 1 + sum(map(len, self.children))


def read_table(text: str) -> Node | None:
    """The first table of a text, HTML before Markdown; None where there is none.

    HTML is parsed by lxml, which mends what is not well formed, and fetches and runs nothing; scripts, styles and
    comments are no text. `th` is read as `td`. A table in a cell is that cell's text.

    Args:
        text: untrusted, of bounded length.
    """
    start = _TABLE.search(text)
    if start is not None:
        found = _html_table(text[start.start() :])
        if found is not None:
            return found
    return _markdown_table(text)


def _html_table(text: str) -> Node | None:
    parser = html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=False)
    clean = _CONTROL.sub(" ", whole_text(text))
    try:
        root = html.document_fromstring(clean.encode("utf-8"), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None
    table = next(root.iter("table"), None)
    if table is None:
        return None
    etree.strip_elements(table, "script", "style", with_tail=False)
    return Node("table", [node for child in islice(table, MAX_ROWS) for node in _structure(child)])


def _structure(element: Any) -> Iterator[Node]:
    """What is directly in a table; parts that do not belong there are passed through, as are captions."""
    tag = element.tag if isinstance(element.tag, str) else ""
    if tag in _SECTIONS:
        yield Node(tag, [row for child in islice(element, MAX_ROWS) for row in _rows(child)])
    elif tag == "tr":
        yield from _rows(element)


def _rows(element: Any) -> Iterator[Node]:
    if element.tag == "tr":
        yield Node("tr", [_cell(cell) for cell in islice(element, MAX_ROWS) if cell.tag in _CELLS])


def _cell(element: Any) -> Node:
    return Node(
        "td",
        text=" ".join("".join(element.itertext()).split()),
        columns=_span(element.get("colspan")),
        rows=_span(element.get("rowspan")),
    )


def _span(written: str | None) -> int:
    text = (written or "").strip()
    return max(1, min(int(text), _MAX_SPAN)) if text.isascii() and text.isdigit() and len(text) < 10 else 1


def _markdown_table(text: str) -> Node | None:
    """A GitHub-flavoured table: a header, a rule of dashes, and rows; a header becomes thead, the rest tbody."""
    lines = text.splitlines()
    for place in range(1, len(lines)):
        if "|" not in lines[place] or "|" not in lines[place - 1]:
            continue
        rule = _cells(lines[place])
        header = _cells(lines[place - 1])
        if len(rule) != len(header) or not all(map(_RULE_CELL.match, rule)):
            continue
        body = []
        for line in lines[place + 1 : place + 1 + MAX_ROWS]:
            if "|" not in line:
                break
            cells = _cells(line)[: len(header)]
            body.append(_row(cells + [""] * (len(header) - len(cells))))
        head = Node("thead", [_row(header)])
        return Node("table", [head, Node("tbody", body)] if body else [head])
    return None


def _row(cells: list[str]) -> Node:
    return Node("tr", [Node("td", text=" ".join(cell.split())) for cell in cells])


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [cell.replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]
