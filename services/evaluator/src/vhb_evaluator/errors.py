"""What the evaluator reports as a failure of a run's evaluation."""

from vhb_shared.errors import VhbError

_LONGEST = 2000


class EvaluationFailed(VhbError):  # noqa: N818 - named after the event it becomes
    """The answers could not be collected or scored, and trying again would not help.

    Becomes `run.evaluation.failed`. The message is a sentence a user can act on; it is made fit for JSON (no lone
    surrogates, bounded), because it may quote what a third-party metric or a file said.
    """

    def __init__(self, message: str, *, kind: str = "evaluation_failed") -> None:
        super().__init__(wire_text(message))
        self.kind = kind


def wire_text(text: str) -> str:
    """The text without lone surrogates and of bounded length, fit for JSON and for Polars."""
    return text[:_LONGEST].encode("utf-8", "replace").decode("utf-8")
