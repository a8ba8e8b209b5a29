"""From what the endpoint said to the row that is kept."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from vhb_inference_agent.runner.failures import RequestFailed
from vhb_inference_agent.runner.replies import MAX_ANSWER_CHARS, Reply
from vhb_inference_agent.runner.requester import Asked
from vhb_shared.asking.questions import Question
from vhb_shared.contracts.results import Answer, Outcome

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time now."""
    return datetime.now(UTC)


def outcome_of(reply: Reply, text: str) -> Outcome:
    """How the answer ended. A refusal is one whatever else it says; an answer that ran out of tokens before its first
    word is truncated rather than empty, because more tokens would mend it."""
    if reply.refusal or reply.finish_reason == "content_filter":
        return "refused"
    if reply.finish_reason == "length" or reply.cut_off:
        return "truncated"
    return "answered" if text.strip() else "empty"


def answer_to(
    question: Question, asked: Asked, *, replica: str, timeout_s: float, secret: str, now: Clock = utc_now
) -> Answer:
    """The row of a question that was asked.

    Args:
        question: what was asked.
        asked: how it ended.
        replica: which replica answered.
        timeout_s: seconds one attempt was given, for the error's sentence.
        secret: the API key, which must not appear in an error.
        now: the clock.
    """
    ended = now()
    answered_at = ended.isoformat(timespec="milliseconds")
    if asked.reply is None:
        failure = asked.failure or RequestFailed("connection", "")
        return Answer(
            index=question.index,
            id=question.id,
            outcome="failed",
            error=storable(failure.sentence(asked.attempts, timeout_s=timeout_s, secret=secret)),
            latency_ms=asked.latency_ms,
            attempts=asked.attempts,
            answered_at=answered_at,
            replica=replica,
            fingerprint=question.fingerprint,
            started_at=_started_at(asked, ended),
        )
    reply = asked.reply
    text = storable(reply.text or reply.refusal)
    return Answer(
        index=question.index,
        id=question.id,
        model_answer=text,
        outcome=outcome_of(reply, text),
        error=f"the answer was cut off after {MAX_ANSWER_CHARS} characters" if reply.cut_off else None,
        latency_ms=asked.latency_ms,
        ttft_ms=asked.ttft_ms,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        attempts=asked.attempts,
        finish_reason=storable(reply.finish_reason) if reply.finish_reason else None,
        answered_at=answered_at,
        replica=replica,
        fingerprint=question.fingerprint,
        tpot_ms=time_per_output_token(asked.latency_ms, asked.ttft_ms, reply),
        started_at=_started_at(asked, ended),
        cached_tokens=reply.cached_tokens,
    )


def time_per_output_token(latency_ms: float | None, ttft_ms: float | None, reply: Reply) -> float | None:
    """Milliseconds per token after the first; None where one of the figures is unknown, there is no second token, or
    the answer came in one piece: then it was held back until it was complete, and a time near 0 would be no speed."""
    tokens = reply.completion_tokens
    if latency_ms is None or ttft_ms is None or tokens is None or tokens < 2 or reply.pieces < 2:
        return None
    return round((latency_ms - ttft_ms) / (tokens - 1), 4)


def _started_at(asked: Asked, ended: datetime) -> str:
    """Reckoned back from the end with the clock that the latency was measured with."""
    return (ended - timedelta(seconds=asked.elapsed_s)).isoformat(timespec="milliseconds")


def unasked(question: Question, problem: str, *, replica: str, now: Clock = utc_now) -> Answer:
    """The row of a question that could not be asked: its image or its prompt is at fault."""
    sentence = RequestFailed("sample", problem).sentence(0, timeout_s=0, secret="")
    return Answer(
        index=question.index,
        id=question.id,
        outcome="failed",
        error=storable(sentence),
        answered_at=now().isoformat(timespec="milliseconds"),
        replica=replica,
        fingerprint=question.fingerprint,
    )


def storable(text: str) -> str:
    """The text as every table can hold it: halves of surrogate pairs and NUL become U+FFFD."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
