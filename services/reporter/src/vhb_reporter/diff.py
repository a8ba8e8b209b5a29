"""Character differences between a reference and an answer, for people to see."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from rapidfuzz.distance import Levenshtein

SegmentKind = Literal["equal", "missing", "extra"]

DIFF_LIMIT = 1200
"""Characters of either text that are compared; beyond that a reader looks at the files."""
_TOO_DIFFERENT = 0.3
"""Similarity under which a character diff is confetti and plain text is easier to read."""


class Segment(NamedTuple):
    """A stretch of text that both have, that the answer lacks, or that the answer adds."""

    kind: SegmentKind
    text: str


def closest(references: Sequence[str], answer: str) -> str | None:
    """The reference with the least normalised edit distance to the answer; None without references."""
    if not references:
        return None
    start = answer[:DIFF_LIMIT]
    return min(references, key=lambda text: Levenshtein.normalized_distance(text[:DIFF_LIMIT], start))


def compare(reference: str, answer: str) -> tuple[Segment, ...] | None:
    """The answer as a sequence of segments against the reference, both cut at `DIFF_LIMIT` characters.

    Returns:
        None when the two have too little in common for a diff to help.
    """
    reference, answer = reference[:DIFF_LIMIT], answer[:DIFF_LIMIT]
    if Levenshtein.normalized_similarity(reference, answer) < _TOO_DIFFERENT:
        return None
    segments: list[Segment] = []
    for op in Levenshtein.opcodes(reference, answer):
        if op.tag == "equal":
            segments.append(Segment("equal", answer[op.dest_start : op.dest_end]))
            continue
        if op.src_end > op.src_start:
            segments.append(Segment("missing", reference[op.src_start : op.src_end]))
        if op.dest_end > op.dest_start:
            segments.append(Segment("extra", answer[op.dest_start : op.dest_end]))
    return _joined(_without_crumbs(segments))


def _without_crumbs(segments: list[Segment]) -> list[Segment]:
    """Turns a single equal character between two edits into part of them: `a|b|c` reads better as one replacement."""
    result: list[Segment] = []
    for position, segment in enumerate(segments):
        crumb = segment.kind == "equal" and len(segment.text) == 1 and 0 < position < len(segments) - 1
        if crumb and segment.text.isalnum() and _edit_size(segments, position) > 3:
            result += [Segment("missing", segment.text), Segment("extra", segment.text)]
        else:
            result.append(segment)
    return result


def _edit_size(segments: list[Segment], position: int) -> int:
    around = segments[max(position - 2, 0) : position] + segments[position + 1 : position + 3]
    return sum(len(segment.text) for segment in around if segment.kind != "equal")


def _joined(segments: list[Segment]) -> tuple[Segment, ...]:
    """Within one stretch of edits: all that is missing, then all that is extra."""
    result: list[Segment] = []
    missing = extra = ""

    def flush() -> None:
        nonlocal missing, extra
        if missing:
            result.append(Segment("missing", missing))
        if extra:
            result.append(Segment("extra", extra))
        missing = extra = ""

    for kind, text in segments:
        if kind == "missing":
            missing += text
        elif kind == "extra":
            extra += text
        else:
            flush()
            if result and result[-1].kind == "equal":
                result[-1] = Segment("equal", result[-1].text + text)
            else:
                result.append(Segment("equal", text))
    flush()
    return tuple(result)
