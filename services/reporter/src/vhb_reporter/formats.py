"""How numbers, times and digests are written for people."""

from datetime import UTC, datetime

from markupsafe import Markup

from vhb_reporter.inert import clip, visible
from vhb_reporter.language import gettext
from vhb_reporter.measures import MetricRow

NOTHING = "\u2014"
"""What a cell says when there is no value: never 0."""


def number(value: float | None, digits: int = 4) -> str:
    """A metric's value."""
    if value is None:
        return NOTHING
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    return f"{value:.{digits}f}" if abs(value) < 10 else f"{value:,.{max(digits - 2, 0)}f}"


def interval(row: MetricRow | None) -> str:
    """The confidence interval of a value: `[0.0312, 0.0524]`; empty where none was computed."""
    if row is None or row.ci_low is None or row.ci_high is None:
        return ""
    return f"[{number(row.ci_low)}, {number(row.ci_high)}]"


def bounds(row: MetricRow | None) -> str:
    """Where a value could lie if every failed sample had been answered, the better end first; empty without any."""
    if row is None or not row.n_failed or row.worst is None or row.best is None:
        return ""
    return f"({number(row.best)} {gettext('to')} {number(row.worst)})"


def count(value: int | None) -> str:
    """A whole number with thousands separators."""
    return NOTHING if value is None else f"{value:,}"


def percent(part: float | None, whole: float | None = 1.0) -> str:
    """A share; small ones that are not zero never read 0 %."""
    if part is None or not whole:
        return NOTHING
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "<0.1\u202f%"
    if 99.9 < share < 100:
        return ">99.9\u202f%"
    return f"{share:.1f}\u202f%".replace(".0\u202f", "\u202f")


def milliseconds(value: float | None) -> str:
    """A duration given in milliseconds."""
    if value is None:
        return NOTHING
    if value < 10:
        return f"{value:.1f} {gettext('ms')}"
    return f"{value:.0f} {gettext('ms')}" if value < 1000 else seconds(value / 1000)


def seconds(value: float | None) -> str:
    """A duration given in seconds."""
    if value is None:
        return NOTHING
    if value < 60:
        return f"{value:.{2 if value < 10 else 1}f} {gettext('s')}"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    h, minute, s = gettext("h"), gettext("min"), gettext("s")
    return f"{hours} {h} {minutes:02d} {minute}" if hours else f"{minutes} {minute} {rest:02d} {s}"


def size(value: float | None) -> str:
    """Bytes, in MiB or GiB."""
    if value is None:
        return NOTHING
    return f"{value / 2**30:.1f} {gettext('GiB')}" if value >= 2**30 else f"{value / 2**20:.0f} {gettext('MiB')}"


def moment(value: datetime | str | None) -> str:
    """A point in time, in UTC, to the second."""
    if not value:
        return NOTHING
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return str(value)
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def short_digest(value: str) -> str:
    """The start of a digest: enough to recognise it by."""
    return value[:12]


def code_block(text: str, limit: int = 2000) -> Markup:
    """Text as a fenced Markdown block that nothing inside can close."""
    shown = visible(clip(text, limit))
    longest = max((len(run) for run in _backticks(shown)), default=0)
    fence = "`" * max(longest + 1, 3)
    return Markup(f"{fence}text\n{shown}\n{fence}")  # noqa: S704 - inert inside its fence


def _backticks(text: str) -> list[str]:
    runs, current = [], ""
    for character in text + " ":
        if character == "`":
            current += character
        elif current:
            runs.append(current)
            current = ""
    return runs
