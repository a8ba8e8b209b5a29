"""What went wrong, as it is told over HTTP."""

import traceback

_LINES = 12
_LONGEST = 2000


class Problem(Exception):  # noqa: N818 - what is told, not only raised
    """A failure with a kind: `import_failed`, `metric_failed`, `wrong_reply`, `bad_request`."""

    def __init__(self, kind: str, message: str, lines: "tuple[str, ...]" = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.lines = list(lines)

    def content(self) -> "dict[str, object]":
        """As JSON."""
        return {"kind": self.kind, "message": str(self)[:_LONGEST], "traceback": self.lines}


def raised(kind: str, error: BaseException) -> Problem:
    """A problem out of what foreign code raised, with the last lines of its traceback."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    lines = tuple(line[:500] for line in text.rstrip().splitlines()[-_LINES:])
    return Problem(kind, f"{type(error).__name__}: {error}", lines)
