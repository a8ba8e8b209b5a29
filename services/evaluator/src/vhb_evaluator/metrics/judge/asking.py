"""Asks judges: a client of its own, in a thread and event loop of its own."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from openai import APIConnectionError, APIStatusError, AsyncOpenAI, DefaultAioHttpClient, OpenAIError

from vhb_evaluator.metrics.context import Images, NoImage
from vhb_evaluator.metrics.json_answers import Unreadable, whole_text
from vhb_evaluator.metrics.judge.options import JudgeModel, JudgeOptions
from vhb_evaluator.metrics.judge.prompt import Messages, Ruling, read_ruling
from vhb_shared.errors import UserError
from vhb_shared.redaction import Redactor

GIVE_UP_AFTER = 5
"""Failures in a row, without one reply between them, after which a judge is not asked any more in this batch."""
MAX_IMAGE_BYTES = 20 << 20
"""Of one sample's image files; what the services of strong judges take of a request, more or less."""
_WITH_IMAGES_AT_ONCE = 8
"""Requests in flight that carry images: together they are what bounds the memory."""
_LONGEST = 300
MAX_REPLY = 20_000
"""Characters of a judge's words that are kept."""
_NO_KEY = "none"


class Question(NamedTuple):
    """One request to one judge."""

    judge: JudgeModel
    messages: Messages
    images: tuple[str, ...]
    """Names of those that go with it."""
    fingerprint: str


class Reply(NamedTuple):
    """What came of it: a ruling, or why there is none."""

    ruling: Ruling | None
    raw: str | None
    """The judge's words."""
    failure: str | None
    """What went wrong on the judge's side."""

    def stored(self) -> bytes:
        """As it is kept."""
        return json.dumps({"raw": self.raw}).encode()

    @classmethod
    def read(cls, stored: bytes, options: JudgeOptions) -> "Reply | None":
        """A kept reply, read again; None where it cannot be."""
        try:
            raw = json.loads(stored)["raw"]
            return cls(read_ruling(raw, options), raw, None)
        except (ValueError, KeyError, TypeError, AttributeError, Unreadable):
            return None


def ask(questions: Sequence[Question], options: JudgeOptions, images: Images | None = None) -> list[Reply]:
    """Asks all of them, at most `concurrency` at once. Blocks.

    Args:
        questions: what is asked.
        options: how.
        images: where those that go with questions come from.

    Raises:
        UserError: a variable for a key is not set here.
        Unavailable: images have to come from storage, which does not answer.
    """
    keys = {question.judge: _key(question.judge) for question in questions}
    with ThreadPoolExecutor(1, thread_name_prefix="judges") as thread:
        return thread.submit(lambda: asyncio.run(_ask_all(questions, options, keys, images))).result()


def _key(judge: JudgeModel) -> str:
    if judge.api_key_env is None:
        return _NO_KEY
    key = os.environ.get(judge.api_key_env)
    if not key:
        raise UserError(
            f"the judge {judge.model!r} takes its key from the variable {judge.api_key_env}, which is not set for the "
            "evaluator: set it there and evaluate again"
        )
    return key


class _Line:
    """One judge's client, and how it has been doing."""

    def __init__(self, client: AsyncOpenAI, key: str) -> None:
        self.client = client
        self.redactor = Redactor()
        """A server may repeat its key in an error."""
        if key != _NO_KEY:
            self.redactor.register(key)
        self.failures = 0
        self.last = ""


async def _ask_all(
    questions: Sequence[Question], options: JudgeOptions, keys: dict[JudgeModel, str], images: Images | None
) -> list[Reply]:
    turns = asyncio.Semaphore(min(options.concurrency, _WITH_IMAGES_AT_ONCE) if options.images else options.concurrency)
    async with AsyncExitStack() as stack:
        lines = {judge: _Line(await stack.enter_async_context(_client(judge, key, options)), key)
                 for judge, key in keys.items()}  # fmt: skip

        async def one(question: Question) -> Reply:
            async with turns:
                return await _ask_one(question, options, lines[question.judge], images)

        return list(await asyncio.gather(*map(one, questions)))


def _client(judge: JudgeModel, key: str, options: JudgeOptions) -> AsyncOpenAI:
    loopback = urlsplit(judge.base_url).hostname in ("127.0.0.1", "localhost", "::1")
    return AsyncOpenAI(
        base_url=judge.base_url,
        api_key=key,
        max_retries=options.attempts - 1,
        timeout=options.timeout_s,
        http_client=DefaultAioHttpClient(trust_env=not loopback),
    )


async def _ask_one(question: Question, options: JudgeOptions, line: _Line, images: Images | None) -> Reply:
    if line.failures >= GIVE_UP_AFTER:
        return Reply(None, None, f"not asked: it failed {line.failures} times in a row, last with: {line.last}")
    try:
        asked = await _with_images(question, images)
    except NoImage as error:
        return Reply(None, None, f"not asked: {error}"[:_LONGEST])  # no fault of the judge: it goes on being asked
    try:
        async with asyncio.timeout(options.timeout_s * options.attempts + 30):
            completion = await line.client.chat.completions.create(
                model=question.judge.model,
                messages=asked,  # type: ignore[arg-type] # plain dicts of the protocol
                temperature=0,
                max_tokens=options.max_tokens,
            )
        raw = line.redactor.clean(whole_text(completion.choices[0].message.content or ""))[:MAX_REPLY]
    except (OpenAIError, TimeoutError) as error:
        line.failures += 1
        line.last = line.redactor.clean(_described(error))[:_LONGEST]
        return Reply(None, None, line.last)
    except (AttributeError, IndexError, TypeError, ValueError):
        # The client takes what it got for a completion without looking.
        return Reply(None, None, "it replied with something that is no chat completion")
    line.failures = 0
    try:
        return Reply(read_ruling(raw, options), raw, None)
    except Unreadable as error:
        return Reply(None, raw, str(error))


async def _with_images(question: Question, images: Images | None) -> Sequence[Mapping[str, Any]]:
    """The request's messages, the images before the text of the last one."""
    if not question.images:
        return question.messages
    if images is None:
        raise NoImage("the images of the data set cannot be reached here")
    urls = await asyncio.to_thread(images.data_urls, question.images, MAX_IMAGE_BYTES)
    *before, last = question.messages
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return [*before, {"role": last["role"], "content": [*parts, {"type": "text", "text": last["content"]}]}]


def _described(error: Exception) -> str:
    if isinstance(error, APIStatusError):
        return f"HTTP {error.status_code}: {error.message}"
    if isinstance(error, TimeoutError):
        return "it did not reply in time"
    if isinstance(error, APIConnectionError) and error.__cause__ is not None:
        return f"{error.message} {error.__cause__}"
    return str(error) or type(error).__name__
