"""A difference in words."""

import math

from vhb_shared.contracts.comparison import Difference

ALPHA = 0.05


def verdict(found: Difference, baseline: str, candidate: str) -> str:
    """One sentence: who is better on what by how much, how certain that is, and on how many documents.

    A difference counts as shown when its p, corrected for all comparisons made together, is below 0.05.

    Args:
        found: the difference.
        baseline: what the baseline is called.
        candidate: what the candidate is called.
    """
    metric = found.metric if found.level == "general" else f"{found.metric} ({found.level} {found.group})"
    if found.difference is None:
        return f"{candidate} and {baseline} cannot be compared on {metric}: no sample has a score on both sides"
    documents = f"n={found.n_documents:,} document{'s' if found.n_documents != 1 else ''}"
    if found.n_pairs != found.n_documents:
        documents += f" ({found.n_pairs:,} samples)"
    if found.p_holm is not None and found.p_holm < ALPHA:
        up = found.difference > 0
        if found.higher_is_better is None:
            winner, loser = candidate, baseline
            doing, ahead = ("is higher than" if up else "is lower than"), up
        else:
            winner, loser = (candidate, baseline) if up == found.higher_is_better else (baseline, candidate)
            doing, ahead = "beats", up
        lead = f"{_amount(found, positive=ahead)}, {p_text(found.p_holm)}"
        said = f"{winner} {doing} {loser} on {metric} by {lead}, {documents}"
    elif found.difference == 0 and found.ci_low is None and found.p_value == 1.0:
        said = f"no difference between {candidate} and {baseline} on {metric}: equal in every document, {documents}"
    elif found.p_holm is None:
        said = (
            f"no difference can be shown between {candidate} and {baseline} on {metric}: {found.difference:+.3g}, "
            f"{documents}"
        )
    else:
        said = (
            f"no difference shown between {candidate} and {baseline} on {metric}: {_amount(found)}, "
            f"{p_text(found.p_holm)}, {documents}"
        )
        if found.smallest_detectable is not None:
            places = decimals(found.smallest_detectable)
            said += (
                f"; the smallest difference this many documents would show is {found.smallest_detectable:.{places}f}"
            )
    return said + _failures(found)


def p_text(p: float) -> str:
    """`p<0.001`, `p=0.012`, `p=0.4`."""
    return "p<0.001" if p < 0.001 else f"p={p:.2g}" if p < 0.995 else "p=1"


def decimals(width: float) -> int:
    """Decimal places that show two digits of an amount."""
    return min(9, max(2, 1 - math.floor(math.log10(width)))) if width > 0 else 3


def _amount(found: Difference, *, positive: bool | None = None) -> str:
    """`0.042 (0.031 to 0.052)`; turned so that the winner's lead is positive, or as candidate - baseline."""
    assert found.difference is not None
    turn = 1 if positive is None or positive else -1
    value = found.difference * turn
    sign = "+" if positive is None else ""
    if found.ci_low is None or found.ci_high is None:
        return f"{value:{sign}.3g}"
    low, high = sorted((found.ci_low * turn, found.ci_high * turn))
    places = decimals(high - low)
    return f"{value:{sign}.{places}f} ({low:.{places}f} to {high:.{places}f})"


def _failures(found: Difference) -> str:
    failed = found.n_failed_baseline + found.n_failed_candidate
    if not failed or found.low_if_failed is None or found.high_if_failed is None:
        return ""
    places = decimals(found.high_if_failed - found.low_if_failed)
    return (
        f"; {failed:,} failed, with them the difference could be anything from {found.low_if_failed:.{places}f} to "
        f"{found.high_if_failed:.{places}f}"
    )
