"""The metric `judge`."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import polars as pl

from vhb_evaluator.metrics.context import ModelReply
from vhb_evaluator.metrics.json_answers import Unreadable, whole_text
from vhb_evaluator.metrics.judge.asking import MAX_REPLY, Question, Reply, ask
from vhb_evaluator.metrics.judge.options import OF_ADDRESSES, JudgeOptions
from vhb_evaluator.metrics.judge.prompt import Case, fingerprint, messages, read_ruling
from vhb_evaluator.metrics.structured import StructuredMetric, Verdict
from vhb_shared.datasets.questions import ModelQuestion
from vhb_shared.errors import UserError

_AT_ONCE = 256
"""Samples asked about before their judgements are kept: what a kill in between costs."""
_RAW_SHOWN = 2000
_NOBODY_ASKED = "not asked: the job was cancelled"


class Judge(StructuredMetric):
    """The mean score of one or several judge models, each as (score - lowest) / (highest - lowest), in 0 to 1.

    Judges are models that agents serve (`models` of the metric), or are asked at an address, at temperature 0: rubric,
    question, references and answer, delimited so that the answer cannot speak to it. They reply with a score and a
    reason. `detail` holds each judge's model, score, reason and words, and the hash of the request.

    A judge that does not answer, or answers without a score on the scale, fails: that sample is `not_scored`, whatever
    other judges said, because means of different judges do not compare. It is never 0. Judgements are kept by the hash
    of the request; evaluating again asks only what failed or is new. With `images` judges see those of the sample.
    """

    name = "judge"
    summary = "score of judge models on a rubric, scaled to 0 to 1"
    direction = "higher"
    source = "Zheng et al. 2023, Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena (arXiv:2306.05685)"
    needs = ("text",)
    options_type = JudgeOptions
    extremes = (0.0, 1.0)
    asks_models = True

    def check(self) -> None:
        """See `Metric.check`."""
        assert isinstance(self.options, JudgeOptions)
        if not self.context.models:
            if not self.options.at_addresses():
                raise UserError(
                    "metric 'judge': say who judges: `models` that agents serve, or in its options `model` and "
                    "`base_url`, or a list of `judges`"
                )
            return
        useless = sorted(self.options.model_fields_set & OF_ADDRESSES)
        if useless:
            raise UserError(
                f"metric 'judge': option {useless[0]!r} is for judges at an address, and those under `models` are "
                "served by agents: set it in the model's entry (`generation`, `concurrency`, `retries`), or leave "
                "`models` out"
            )

    def comparable(self) -> pl.Expr:
        """See `Metric.comparable`: every answer; a rubric may need no reference."""
        return pl.lit(True)

    def verdicts(self, pairs: pl.DataFrame) -> Iterator[Verdict]:
        """See `StructuredMetric.verdicts`."""
        assert isinstance(self.options, JudgeOptions)
        shown = self.options.images
        rows = pairs.select("question", "raw_references", "raw_answer", "images").iter_rows()
        cases = [
            Case(question or self.context.prompt, tuple(found), answer, tuple(images) if shown else ())
            for question, found, answer, images in rows
        ]
        for start in range(0, len(cases), _AT_ONCE):
            some = cases[start : start + _AT_ONCE]
            yield from self._judged_by_models(some) if self.context.models else self._judged(some)

    def _judged_by_models(self, cases: Sequence[Case]) -> Iterator[Verdict]:
        """The verdicts of judges that agents serve."""
        assert isinstance(self.options, JudgeOptions)
        questions = []
        for case in cases:
            system, user = messages(case, self.options)
            questions.append(ModelQuestion(system["content"], user["content"], case.images))
        names = [model.name for model in self.context.models]
        if self.context.asked is None:
            replies = [tuple(ModelReply(None, _NOBODY_ASKED) for _ in names)] * len(questions)
        else:
            replies = self.context.asked.replies(self.context.label, questions)
        for question, said in zip(questions, replies, strict=True):
            seats = [
                _Seat(name, question.id, _read(reply, self.options)) for name, reply in zip(names, said, strict=True)
            ]
            yield _verdict(seats, self.options)

    def _judged(self, cases: Sequence[Case]) -> Iterator[Verdict]:
        assert isinstance(self.options, JudgeOptions)
        options = self.options
        panel = options.at_addresses()
        questions = [
            Question(judge, asked, case.images, fingerprint(judge, asked, options, case.images))
            for case, asked in ((case, messages(case, options)) for case in cases)
            for judge in panel
        ]
        replies = self._replies(questions)
        for start in range(0, len(questions), len(panel)):
            of_case = questions[start : start + len(panel)]
            yield _verdict(
                [_Seat(each.judge.model, each.fingerprint, replies[each.fingerprint]) for each in of_case], options
            )

    def _replies(self, questions: Sequence[Question]) -> dict[str, Reply]:
        """By fingerprint: kept ones, and those of the judges."""
        assert isinstance(self.options, JudgeOptions)
        wanted = {question.fingerprint: question for question in questions}
        kept = self.context.judgements
        found: dict[str, Reply] = {}
        if kept is not None:
            for key, stored in kept.find(list(wanted)).items():
                reply = Reply.read(stored, self.options)
                if reply is not None:
                    found[key] = reply
        missing = [question for key, question in wanted.items() if key not in found]
        replies = ask(missing, self.options, self.context.images)
        asked = dict(zip((each.fingerprint for each in missing), replies, strict=True))
        if kept is not None:
            kept.keep({key: reply.stored() for key, reply in asked.items() if reply.ruling is not None})
        return found | asked


class _Seat(NamedTuple):
    """A judge on a panel, and what it said about one case."""

    model: str
    fingerprint: str
    reply: Reply


def _read(reply: ModelReply, options: JudgeOptions) -> Reply:
    if reply.text is None:
        return Reply(None, None, reply.failure or "it did not reply")
    raw = whole_text(reply.text)[:MAX_REPLY]
    try:
        return Reply(read_ruling(raw, options), raw, None)
    except Unreadable as error:
        return Reply(None, raw, str(error))


def _verdict(seats: Sequence[_Seat], options: JudgeOptions) -> Verdict:
    judges: list[dict[str, Any]] = []
    for model, fingerprint_, reply in seats:
        said: dict[str, Any] = {"model": model, "fingerprint": fingerprint_}
        if reply.ruling is not None:
            said |= {"score": reply.ruling.score, "reason": reply.ruling.reason}
        if reply.raw is not None:
            said["raw"] = reply.raw[:_RAW_SHOWN]
        if reply.failure is not None:
            said["failure"] = reply.failure
        judges.append(said)
    detail = {"judges": judges}
    failed = [f"judge {model}: {reply.failure}" for model, _, reply in seats if reply.failure]
    if failed:
        return Verdict(0.0, detail=detail, not_scored="; ".join(failed))
    scores = [seat.reply.ruling.score for seat in seats if seat.reply.ruling is not None]
    mean = sum(scores) / len(scores)
    return Verdict((mean - options.lowest) / (options.highest - options.lowest), detail=detail)
