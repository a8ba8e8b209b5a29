"""What can go wrong with one request: whether it is worth another try, and the sentence a user reads."""

from dataclasses import dataclass
from typing import Literal

PERMANENT_STATUS = frozenset({400, 401, 403, 404, 405, 413, 414, 415, 422})
"""What an endpoint says with these will not change by asking again."""
MAX_ERROR_CHARS = 500

FailureKind = Literal["status", "timeout", "connection", "malformed", "sample"]

_REMEDIES = {
    400: "the endpoint rejects the request; check the model entry's generation parameters and the prompt's length",
    401: "the endpoint does not accept the API key; check the variable that `api_key_env` names",
    403: "the API key has no access to this model; check the variable that `api_key_env` names",
    404: "the endpoint does not know the model or the path; check `model` and `base_url`",
    413: "the request is too large for the endpoint; use smaller images or raise the server's limit",
    422: "the endpoint rejects the request; check the model entry's generation parameters and the prompt",
    429: "the endpoint keeps limiting the rate; lower `concurrency` or raise `retries.max_wait_s`",
}


@dataclass
class RequestFailed(Exception):  # noqa: N818 - says what happened to the request
    """One attempt at a request failed."""

    kind: FailureKind
    detail: str
    """What the endpoint or the connection said."""
    status: int | None = None
    retry_after_s: float | None = None
    """What the endpoint asked for with Retry-After."""

    @property
    def retryable(self) -> bool:
        """Whether another attempt may end differently."""
        if self.kind == "sample":
            return False
        return self.kind != "status" or self.status not in PERMANENT_STATUS

    def sentence(self, attempts: int, *, timeout_s: float, secret: str) -> str:
        """The error as it stands in an answer: what happened and what to do, bounded, without the key.

        Args:
            attempts: how many attempts were made.
            timeout_s: seconds that one attempt was given.
            secret: the API key, blanked out wherever an endpoint echoes it.
        """
        tries = f" ({attempts} attempts)" if attempts > 1 else ""
        if self.kind == "status":
            remedy = _REMEDIES.get(self.status or 0) or (
                "the endpoint rejects the request"
                if not self.retryable
                else "the endpoint failed; look into the engine's log"
            )
            text = f"status {self.status}: {remedy}{tries}"
        elif self.kind == "timeout":
            text = (
                f"timeout: no complete answer within {timeout_s:g} s{tries}; "
                "raise `retries.timeout_s` or lower `max_tokens`"
            )
        elif self.kind == "connection":
            text = f"connection: the endpoint could not be reached or broke off its answer{tries}"
        elif self.kind == "malformed":
            text = f"malformed: the endpoint's reply is not a chat completion{tries}; check `base_url`"
        else:
            text = "sample: cannot be asked"
        detail = " ".join(blank_out(self.detail, secret).split())
        if detail:
            text = f"{text}: {detail}"
        return text if len(text) <= MAX_ERROR_CHARS else text[: MAX_ERROR_CHARS - 1] + "…"


def blank_out(text: str, secret: str) -> str:
    """The text without the key. Very short keys are stand-ins ("none") and words of their own."""
    return text.replace(secret, "***") if len(secret) > 4 else text
