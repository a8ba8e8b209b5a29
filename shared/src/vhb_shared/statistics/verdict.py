"""A difference in words."""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from vhb_shared.contracts.comparison import Difference, Test

ALPHA = 0.05

_BEATS = "%(winner)s beats %(loser)s on %(metric)s by %(lead)s, %(documents)s"
_HIGHER = "%(winner)s is higher than %(loser)s on %(metric)s by %(lead)s, %(documents)s"
_LOWER = "%(winner)s is lower than %(loser)s on %(metric)s by %(lead)s, %(documents)s"
_EQUAL = "no difference between %(candidate)s and %(baseline)s on %(metric)s: equal in every document, %(documents)s"
_SAME = (
    "no difference between %(candidate)s and %(baseline)s on %(metric)s: equal whichever documents count, %(documents)s"
)
_UNTESTED = "no difference can be shown between %(candidate)s and %(baseline)s on %(metric)s: %(lead)s, %(documents)s"
_NOT_SHOWN = "no difference shown between %(candidate)s and %(baseline)s on %(metric)s: %(lead)s, %(documents)s"
_UNPAIRED = "%(candidate)s and %(baseline)s cannot be compared on %(metric)s: no sample has a score on both sides"
_DETECTABLE = "; the smallest difference this many documents would show is %(amount)s"
_FAILED = "; %(failed)s failed, with them the difference could be anything from %(low)s to %(high)s"
_RANGE = "%(value)s (%(low)s to %(high)s)"
_SAMPLES = " (%(samples)s samples)"
_DOCUMENTS = ("n=%(documents)s document", "n=%(documents)s documents")
SENTENCES = (
    _BEATS, _HIGHER, _LOWER, _EQUAL, _SAME, _UNTESTED, _NOT_SHOWN, _UNPAIRED, _DETECTABLE, _FAILED, _RANGE, _SAMPLES,
)  # fmt: skip
"""All that `Wording.one` is asked for."""
PLURALS = (_DOCUMENTS,)
"""All that `Wording.many` is asked for."""


def _english(one: str, many: str, number: int) -> str:
    return one if number == 1 else many


class Wording(NamedTuple):
    """The language of a verdict: functions after `gettext`."""

    one: Callable[[str], str] = str
    """The translation of a pattern, with the same places."""
    many: Callable[[str, str, int], str] = _english
    """The same, in the form that a number asks for."""


ENGLISH = Wording()


def distinguishable(found: Difference) -> bool:
    """Whether the difference counts as shown: its p, corrected for all comparisons made together, is below 0.05."""
    return found.p_holm is not None and found.p_holm < ALPHA


Code = Literal["beats", "higher", "lower", "equal", "same", "untested", "not_shown", "unpaired"]
_PATTERNS: dict[Code, str] = {
    "beats": _BEATS,
    "higher": _HIGHER,
    "lower": _LOWER,
    "equal": _EQUAL,
    "same": _SAME,
    "untested": _UNTESTED,
    "not_shown": _NOT_SHOWN,
    "unpaired": _UNPAIRED,
}


class Verdict(BaseModel):
    """What is said of a difference, for who writes the sentence in a language of their own."""

    code: Code
    """beats: one is better; higher, lower: one has the larger or smaller value, and which is better is not known;
    equal: in every document; same: whichever documents count; untested: there is no test; not_shown: it may be chance;
    unpaired: no sample has a score on both sides."""
    first: str
    """The winner, or the one with the higher or lower value; else the candidate."""
    second: str
    metric: str
    level: str | None = None
    """The column whose value is `group`; null: all samples."""
    group: str | None = None
    lead: float | None = None
    """Of a difference that is shown how large it is, without a sign; else candidate - baseline."""
    low: float | None = None
    """95% interval of the lead; null where the data do not say."""
    high: float | None = None
    digits: int | None = None
    """Decimal places of the lead and its interval; null: three significant digits of the lead."""
    p_value: float | None = None
    p_holm: float | None = None
    """Corrected for all comparisons made together: whether a difference counts as shown goes by it."""
    test: Test | None = None
    documents: int = 0
    samples: int = 0
    detectable: float | None = None
    """The smallest difference this many documents would show; where none is shown."""
    detectable_digits: int = 0
    failed: int = 0
    """Samples that failed on either side, where that could change the difference to anything between the next two."""
    failed_low: float | None = None
    failed_high: float | None = None
    failed_digits: int = 0


def judged(found: Difference, baseline: str, candidate: str) -> Verdict:
    """The parts of a verdict: who is better on what by how much, how certain that is, and on how many documents.

    Args:
        found: the difference; see `distinguishable`.
        baseline: what the baseline is called.
        candidate: what the candidate is called.
    """
    parts: dict[str, Any] = {"first": candidate, "second": baseline, "metric": found.metric}
    if found.level != "general":
        parts |= {"level": found.level, "group": found.group}
    if found.difference is None:
        return Verdict(code="unpaired", **parts)
    parts |= {"p_value": found.p_value, "p_holm": found.p_holm, "test": found.test}
    parts |= {"documents": found.n_documents, "samples": found.n_pairs}
    turn = 1  # -1: the winner's lead is said, which is the difference the other way round
    code: Code
    if distinguishable(found):
        up = found.difference > 0
        if found.higher_is_better is None:
            code = "higher" if up else "lower"
        else:
            code = "beats"
            if up != found.higher_is_better:
                parts |= {"first": baseline, "second": candidate}
        turn = 1 if up else -1
        parts |= _lead(found, turn)
    elif found.difference == 0 and found.ci_low is None and found.p_value == 1.0:
        code = "same" if found.test == "bootstrap" else "equal"
    elif found.p_holm is None:
        code = "untested"
        parts |= {"lead": found.difference}
    else:
        code = "not_shown"
        parts |= _lead(found, turn)
        if found.smallest_detectable is not None:
            places = decimals(found.smallest_detectable)
            parts |= {"detectable": found.smallest_detectable, "detectable_digits": places}
    return Verdict(code=code, **parts, **_failures(found, turn))


def verdict(found: Difference, baseline: str, candidate: str, wording: Wording = ENGLISH) -> str:
    """`judged` as one sentence.

    Args:
        found: the difference.
        baseline: what the baseline is called.
        candidate: what the candidate is called.
        wording: the language.
    """
    parts = judged(found, baseline, candidate)
    say = wording.one
    won = parts.code in ("beats", "higher", "lower")
    places = {
        "candidate": candidate,
        "baseline": baseline,
        "winner": parts.first,
        "loser": parts.second,
        "metric": parts.metric if parts.level is None else f"{parts.metric} ({parts.level} {parts.group})",
        "lead": _lead_text(parts, say, "" if won else "+"),
        "documents": _documents(parts, wording),
    }
    said = say(_PATTERNS[parts.code]) % places
    if parts.detectable is not None:
        said += say(_DETECTABLE) % {"amount": f"{parts.detectable:.{parts.detectable_digits}f}"}
    if parts.failed_low is not None:
        digits = parts.failed_digits
        ends = {"low": f"{parts.failed_low:.{digits}f}", "high": f"{parts.failed_high:.{digits}f}"}
        said += say(_FAILED) % {"failed": f"{parts.failed:,}", **ends}
    return said


def _documents(parts: Verdict, wording: Wording) -> str:
    said = wording.many(*_DOCUMENTS, parts.documents) % {"documents": f"{parts.documents:,}"}
    if parts.samples != parts.documents:
        said += wording.one(_SAMPLES) % {"samples": f"{parts.samples:,}"}
    return said


def p_text(p: float) -> str:
    """`p<0.001`, `p=0.012`, `p=0.4`."""
    return "p<0.001" if p < 0.001 else f"p={p:.2g}" if p < 0.995 else "p=1"


def decimals(width: float) -> int:
    """Decimal places that show two digits of an amount."""
    return min(9, max(2, 1 - math.floor(math.log10(width)))) if width > 0 else 3


def _lead(found: Difference, turn: int) -> dict[str, float]:
    """The lead with its interval, times `turn`."""
    assert found.difference is not None
    if found.ci_low is None or found.ci_high is None:
        return {"lead": found.difference * turn}
    low, high = sorted((found.ci_low * turn, found.ci_high * turn))
    return {"lead": found.difference * turn, "low": low, "high": high, "digits": decimals(high - low)}


def _lead_text(parts: Verdict, say: Callable[[str], str], sign: str) -> str:
    """`0.042 (0.031 to 0.052), p<0.001`."""
    if parts.lead is None:
        return ""
    if parts.low is None or parts.digits is None:
        said = f"{parts.lead:{sign}.3g}"
    else:
        ends = {"low": f"{parts.low:.{parts.digits}f}", "high": f"{parts.high:.{parts.digits}f}"}
        said = say(_RANGE) % {"value": f"{parts.lead:{sign}.{parts.digits}f}", **ends}
    return said if parts.p_holm is None else f"{said}, {p_text(parts.p_holm)}"


def _failures(found: Difference, turn: int) -> dict[str, float]:
    failed = found.n_failed_baseline + found.n_failed_candidate
    if not failed or found.low_if_failed is None or found.high_if_failed is None:
        return {}
    low, high = sorted((found.low_if_failed * turn, found.high_if_failed * turn))
    return {"failed": failed, "failed_low": low, "failed_high": high, "failed_digits": decimals(high - low)}
