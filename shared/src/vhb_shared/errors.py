"""The kinds of error that matter across modules."""


class VhbError(Exception):
    """Base of our own errors."""


class UserError(VhbError):
    """The user can mend this: one sentence that says what, where and how. Shown without traceback; exit code 2.

    `problems` holds further sentences when there are several mistakes.
    """

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems or (message,)

    @property
    def lines(self) -> tuple[str, ...]:
        """What to show: a line for each problem, each once, below what is said of all of them."""
        message = str(self)
        if len(self.problems) == 1:
            return (message if self.problems[0] in message else self.problems[0],)
        if "\n" in message or self.problems[0] in message:
            return self.problems
        return (message, *self.problems)


class Unavailable(VhbError):  # noqa: N818 - a condition, not a mistake
    """Something we depend on does not answer now (storage, bus, disk full): wait and go on; nothing is wrong with
    the work itself, so no attempt is counted."""


class NotFound(VhbError):  # noqa: N818
    """No object of that key."""


class Conflict(VhbError):  # noqa: N818
    """A compare-and-set lost against another writer."""
