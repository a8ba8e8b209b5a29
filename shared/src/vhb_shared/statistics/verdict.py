"""A difference in words."""

import math
from collections.abc import Callable
from typing import NamedTuple

from vhb_shared.contracts.comparison import Difference

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


def verdict(found: Difference, baseline: str, candidate: str, wording: Wording = ENGLISH) -> str:
    """One sentence: who is better on what by how much, how certain that is, and on how many documents.

    Args:
        found: the difference; see `distinguishable`.
        baseline: what the baseline is called.
        candidate: what the candidate is called.
        wording: the language.
    """
    say = wording.one
    metric = found.metric if found.level == "general" else f"{found.metric} ({found.level} {found.group})"
    places = {"candidate": candidate, "baseline": baseline, "metric": metric}
    if found.difference is None:
        return say(_UNPAIRED) % places
    places["documents"] = _documents(found, wording)
    turn = 1  # -1: the sentence says the winner's lead, which is the difference the other way round
    if distinguishable(found):
        up = found.difference > 0
        if found.higher_is_better is None:
            winner, loser = candidate, baseline
            pattern, ahead = (_HIGHER if up else _LOWER), up
        else:
            winner, loser = (candidate, baseline) if up == found.higher_is_better else (baseline, candidate)
            pattern, ahead = _BEATS, up
        turn = 1 if ahead else -1
        places |= {"winner": winner, "loser": loser, "lead": _lead(found, say, turn)}
        said = say(pattern) % places
    elif found.difference == 0 and found.ci_low is None and found.p_value == 1.0:
        said = say(_SAME if found.test == "bootstrap" else _EQUAL) % places
    elif found.p_holm is None:
        said = say(_UNTESTED) % (places | {"lead": f"{found.difference:+.3g}"})
    else:
        said = say(_NOT_SHOWN) % (places | {"lead": _lead(found, say)})
        if found.smallest_detectable is not None:
            digits = decimals(found.smallest_detectable)
            said += say(_DETECTABLE) % {"amount": f"{found.smallest_detectable:.{digits}f}"}
    return said + _failures(found, say, turn)


def _documents(found: Difference, wording: Wording) -> str:
    said = wording.many(*_DOCUMENTS, found.n_documents) % {"documents": f"{found.n_documents:,}"}
    if found.n_pairs != found.n_documents:
        said += wording.one(_SAMPLES) % {"samples": f"{found.n_pairs:,}"}
    return said


def p_text(p: float) -> str:
    """`p<0.001`, `p=0.012`, `p=0.4`."""
    return "p<0.001" if p < 0.001 else f"p={p:.2g}" if p < 0.995 else "p=1"


def decimals(width: float) -> int:
    """Decimal places that show two digits of an amount."""
    return min(9, max(2, 1 - math.floor(math.log10(width)))) if width > 0 else 3


def _lead(found: Difference, say: Callable[[str], str], turn: int | None = None) -> str:
    """`0.042 (0.031 to 0.052), p<0.001`; times `turn`, so that the winner's lead is positive. Without it as candidate -
    baseline, with its sign."""
    assert found.difference is not None and found.p_holm is not None
    sign = "+" if turn is None else ""
    turn = turn or 1
    value = found.difference * turn
    if found.ci_low is None or found.ci_high is None:
        return f"{value:{sign}.3g}, {p_text(found.p_holm)}"
    low, high = sorted((found.ci_low * turn, found.ci_high * turn))
    digits = decimals(high - low)
    ends = {"value": f"{value:{sign}.{digits}f}", "low": f"{low:.{digits}f}", "high": f"{high:.{digits}f}"}
    return f"{say(_RANGE) % ends}, {p_text(found.p_holm)}"


def _failures(found: Difference, say: Callable[[str], str], turn: int) -> str:
    failed = found.n_failed_baseline + found.n_failed_candidate
    if not failed or found.low_if_failed is None or found.high_if_failed is None:
        return ""
    low, high = sorted((found.low_if_failed * turn, found.high_if_failed * turn))
    digits = decimals(high - low)
    return say(_FAILED) % {"failed": f"{failed:,}", "low": f"{low:.{digits}f}", "high": f"{high:.{digits}f}"}
