"""Tree edit distance of tables."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import polars as pl
from apted import APTED
from apted import Config as Costs
from pydantic import Field
from rapidfuzz.distance import Levenshtein

from vhb_evaluator.metrics.base import MetricOptions
from vhb_evaluator.metrics.structured import StructuredMetric, Verdict, not_scored
from vhb_evaluator.metrics.tables import Node, read_table
from vhb_evaluator.normalisation import normalised


class TedsOptions(MetricOptions):
    """What a job may set."""

    max_nodes: int = Field(500, ge=1, le=2000)
    """Nodes (table, sections, rows, cells) of the largest reference that is compared. Time grows with their product:
    500 against 500 take about 4 s, 1000 against 1000 half a minute."""


class Teds(StructuredMetric):
    """1 - tree edit distance / nodes of the larger tree, between the answer's table and the nearest reference's.

    A table is a tree of sections, rows and cells. Inserting and deleting a node cost 1; so does renaming one to
    another tag or span; a cell becomes another for the normalised Levenshtein distance of their texts, which are
    compared after white space was collapsed (and under a normalisation that the job names).

    The first table of a text counts: HTML, else Markdown. An answer without one scores 0 and is unparsable; likewise
    one of more than twice `max_nodes` nodes, which cannot be compared in bounded time. A reference without a table, or
    of more than `max_nodes`, cannot be compared with: its sample is not scored.

    The paper's data has no `th`: it is read as `td`. Sections are nodes, as there. Profile `rows` leaves them out, so
    that tables compare by their rows and cells alone.
    """

    name = "teds"
    summary = "tree-edit-distance-based similarity of tables"
    direction = "higher"
    source = "Zhong et al. 2020, Image-based table recognition: data, model, and evaluation (arXiv:1911.10683)"
    profiles = ("rows",)
    options_type = TedsOptions
    with_text = True

    def verdicts(self, pairs: pl.DataFrame) -> Iterator[Verdict]:
        """See `StructuredMetric.verdicts`."""
        assert isinstance(self.options, TedsOptions)
        limit = self.options.max_nodes
        for answer, references in zip(pairs["raw_answer"], pairs["raw_references"], strict=True):
            truths = [self._read(reference) for reference in references]
            if None in truths:
                yield not_scored("the reference holds no table, in HTML or Markdown")
                continue
            sizes = [len(each) for each in truths if each is not None]
            if max(sizes) > limit:
                yield not_scored(f"the reference table has {max(sizes)} nodes, more than `max_nodes`: {limit}")
                continue
            found = self._read(answer)
            reason = "no table" if found is None else f"a table of {len(found)} nodes" if len(found) > 2 * limit else ""
            if found is None or reason:
                yield Verdict(0.0, unparsable=True, detail={"unparsable": reason})
                continue
            value = max(similarity(found, each) for each in truths if each is not None)
            yield Verdict(value, detail={"nodes": len(found), "expected": sizes[0]})

    def _read(self, text: str) -> Node | None:
        table = read_table(text)
        if table is None:
            return None
        if self.profile == "rows":
            rows = ([child] if child.tag == "tr" else child.children for child in table.children)
            table = Node("table", list(chain.from_iterable(rows)))
        cells = [cell for row in _rows(table) for cell in row.children]
        if self.with_text:
            texts = pl.DataFrame({"text": pl.Series([cell.text for cell in cells], dtype=pl.String)})
            new = texts.select(normalised(pl.col("text"), self.normalised_by))["text"]
            for cell, text_ in zip(cells, new, strict=True):
                cell.text = text_
        else:
            for cell in cells:
                cell.text = ""
        return table


class TedsStructure(Teds):
    """TEDS with all cells taken as empty: the structure alone. Otherwise as `teds`."""

    name = "teds_s"
    summary = "tree-edit-distance-based similarity of tables, structure alone"
    with_text = False


def _rows(table: Node) -> Iterator[Node]:
    for child in table.children:
        yield from [child] if child.tag == "tr" else child.children


class _TableCosts(Costs):  # type: ignore[misc] # the library has no types
    valuecls = float

    def rename(self, left: Any, right: Any) -> float:
        """Between two nodes."""
        if (left.tag, left.columns, left.rows) != (right.tag, right.columns, right.rows):
            return 1.0
        return float(Levenshtein.normalized_distance(left.text, right.text)) if left.tag == "td" else 0.0


def similarity(answer: Node, truth: Node) -> float:
    """TEDS of two tables."""
    if answer == truth:
        return 1.0
    distance = APTED(answer, truth, _TableCosts()).compute_edit_distance()
    return max(0.0, 1.0 - float(distance) / max(len(answer), len(truth)))
