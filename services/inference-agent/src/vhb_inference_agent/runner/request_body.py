"""The body of the request that asks a question."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from vhb_inference_agent.runner.failures import RequestFailed
from vhb_shared.asking.questions import Question, epoch_parameters


def request_body(
    served_model: str,
    parameters: Mapping[str, Any],
    question: Question,
    images: Sequence[bytes],
    turn_images: Sequence[Sequence[bytes]] = (),
) -> bytes:
    """The request as JSON bytes.

    Images are spliced in as they are (a data URL needs no escaping): an encoder would copy and scan megabytes per
    request on the event loop.

    Args:
        served_model: the name that the backend knows.
        parameters: see `request_parameters`.
        question: what is asked.
        images: data URLs of the question's images.
        turn_images: the same for each of its turns.

    Raises:
        RequestFailed: the parameters cannot be written as JSON.
    """
    try:
        head = _dumps({"model": served_model, **epoch_parameters(parameters, question.epoch)})
    except (TypeError, ValueError) as error:
        raise RequestFailed("sample", f"generation parameters are not JSON: {error}") from error
    messages = [_dumps({"role": "system", "content": question.system})] if question.system else []
    for turn, shown in zip(question.turns, turn_images, strict=True):
        messages += [_user(turn.text, shown), _dumps({"role": "assistant", "content": turn.answer})]
    messages.append(_user(question.text, images))
    return head[:-1] + b',"messages":[' + b",".join(messages) + b"]}"


def _user(text: str, images: Sequence[bytes]) -> bytes:
    parts = [b'{"type":"image_url","image_url":{"url":"' + image + b'"}}' for image in images]
    if text:
        parts.append(_dumps({"type": "text", "text": text}))
    return b'{"role":"user","content":[' + b",".join(parts) + b"]}"


def _dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")
