"""Conditions under which a comparison fails: `cer > baseline + 0.01`. Parsed, never evaluated as code."""

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from vhb_shared.contracts.comparison import Comparison, GateResult
from vhb_shared.errors import UserError

FAILED = "failed"
"""Stands where a metric would: the share of samples that failed or were withdrawn."""
MAX_CHARS = 300
EXAMPLE = '"cer > baseline + 0.01"'

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION = re.compile(r"(?P<metric>.+?)\s*(?P<compare>>=|<=|>|<)(?P<limit>[^<>=]*)", re.DOTALL)
_NUMBER = r"(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,2})?)"
_TOKEN = re.compile(rf"\s*(?:{_NUMBER}|(?P<baseline>baseline\b)|(?P<sign>[-+*]))")


@dataclass(frozen=True)
class Condition:
    """What makes a comparison fail."""

    text: str
    """As it was written."""
    metric: str
    """A label, or `failed`."""
    compare: str
    limit: tuple[tuple[float, int], ...]
    """Terms that add up: factor, and how often it is multiplied by the baseline's value."""

    def bound(self, baseline: float | None) -> float | None:
        """The value that the candidate is compared with; None where it needs a baseline that there is not."""
        if baseline is None:
            if any(power for _, power in self.limit):
                return None
            baseline = 0.0
        return sum(factor * math.prod([baseline] * power) for factor, power in self.limit)

    def holds(self, candidate: float, bound: float) -> bool:
        """Whether the comparison fails."""
        return _COMPARE[self.compare](candidate, bound)


def parse_condition(text: str) -> Condition:
    """Reads a condition: METRIC > | >= | < | <= LIMIT, where LIMIT is made of numbers, `baseline`, +, - and *.

    Raises:
        UserError: it is not one; says what was expected.
    """
    found = _CONDITION.fullmatch(text.strip()) if len(text) <= MAX_CHARS else None
    if found is None or found["metric"].rstrip()[-1] in "<>=":
        raise UserError(
            f"--fail-if {text[:60]!r} is not a condition: write a metric, a comparison and a limit, as in {EXAMPLE}."
        )
    return Condition(text.strip(), found["metric"].strip(), found["compare"], _terms(text, found["limit"]))


def _terms(text: str, limit: str) -> tuple[tuple[float, int], ...]:
    def wrong(at: int, expected: str = "a number or `baseline`") -> UserError:
        rest = limit[at:].strip()
        near = f"at {rest[:20]!r}" if rest else "at its end"
        return UserError(f"--fail-if {text!r}: {near}, {expected} was expected, as in {EXAMPLE}.")

    terms: list[tuple[float, int]] = []
    factor, power, at = 1.0, 0, 0
    open_ = True  # a number or `baseline` has to come
    while limit[at:].strip():
        token = _TOKEN.match(limit, at)
        if token is None or (not open_ and token["sign"] is None):
            raise wrong(at, "a number or `baseline`" if open_ else "one of + - *")
        if open_:
            if token["sign"] in ("-", "+"):
                factor *= -1 if token["sign"] == "-" else 1
            elif token["sign"]:
                raise wrong(at)
            else:
                factor, power = (factor, power + 1) if token["baseline"] else (factor * float(token["number"]), power)
                open_ = False
        else:
            if token["sign"] != "*":
                terms.append((factor, power))
                factor, power = (-1.0 if token["sign"] == "-" else 1.0), 0
            open_ = True
        at = token.end()
    if open_:
        raise wrong(at)
    return (*terms, (factor, power))


def apply_condition(condition: Condition, compared: Comparison) -> GateResult:
    """Applies a condition to all samples that pair. Without a value on the candidate's side it fails.

    Raises:
        UserError: the comparison does not have the metric.
    """
    candidate, baseline = _values(condition.metric, compared)
    bound = condition.bound(baseline)
    if candidate is None or bound is None:
        side = compared.candidate if candidate is None else compared.baseline
        failed, message = True, f"{condition.text}: {side} has no value of {condition.metric}"
    else:
        failed = condition.holds(candidate, bound)
        against = f" (baseline {baseline:.6g})" if baseline is not None else ""
        message = (
            f"{condition.text}: {compared.candidate} has {candidate:.6g}, the limit is {bound:.6g}{against}: "
            f"{'failed' if failed else 'passed'}"
        )
    return GateResult(condition=condition.text, candidate=compared.candidate, failed=failed, message=message)


def _values(metric: str, compared: Comparison) -> tuple[float | None, float | None]:
    """Of candidate and baseline."""
    overall = {each.metric: each for each in compared.differences if each.level == "general"}
    if metric == FAILED and metric not in overall:
        found = next(iter(overall.values()))
        asked = ((found.n_failed_candidate, compared.n_candidate), (found.n_failed_baseline, compared.n_baseline))
        candidate, baseline = (failed / count if count else None for failed, count in asked)
        return candidate, baseline
    if metric not in overall:
        known = ", ".join((*overall, FAILED))
        raise UserError(f"--fail-if names {metric!r}, which was not compared; there are: {known}.")
    return overall[metric].candidate, overall[metric].baseline
