"""The metric `judge`."""

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from vhb_evaluator.metrics.judge.asking import Question, Reply, ask
from vhb_evaluator.metrics.judge.options import JudgeOptions
from vhb_evaluator.metrics.judge.prompt import Case, fingerprint, messages
from vhb_evaluator.metrics.structured import StructuredMetric, Verdict

_AT_ONCE = 256
"""Samples asked about before their judgements are kept: what a kill in between costs."""
_RAW_SHOWN = 2000


class Judge(StructuredMetric):
    """The mean score of one or several judge models, each as (score - lowest) / (highest - lowest), in 0 to 1.

    A judge is asked through the OpenAI-compatible protocol, at temperature 0: rubric, question, references and answer,
    delimited so that the answer cannot speak to it. It replies with a score and a reason. `detail` holds each judge's
    model, score, reason and words, and the hash of the request.

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
            yield from self._judged(cases[start : start + _AT_ONCE])

    def _judged(self, cases: Sequence[Case]) -> Iterator[Verdict]:
        assert isinstance(self.options, JudgeOptions)
        options = self.options
        panel = options.panel()
        questions = [
            Question(judge, asked, case.images, fingerprint(judge, asked, options, case.images))
            for case, asked in ((case, messages(case, options)) for case in cases)
            for judge in panel
        ]
        replies = self._replies(questions)
        for start in range(0, len(questions), len(panel)):
            yield _verdict(
                [(each, replies[each.fingerprint]) for each in questions[start : start + len(panel)]], options
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


def _verdict(replies: Sequence[tuple[Question, Reply]], options: JudgeOptions) -> Verdict:
    judges: list[dict[str, Any]] = []
    for question, reply in replies:
        said: dict[str, Any] = {"model": question.judge.model, "fingerprint": question.fingerprint}
        if reply.ruling is not None:
            said |= {"score": reply.ruling.score, "reason": reply.ruling.reason}
        if reply.raw is not None:
            said["raw"] = reply.raw[:_RAW_SHOWN]
        if reply.failure is not None:
            said["failure"] = reply.failure
        judges.append(said)
    detail = {"judges": judges}
    failed = [f"judge {question.judge.model}: {reply.failure}" for question, reply in replies if reply.failure]
    if failed:
        return Verdict(0.0, detail=detail, not_scored="; ".join(failed))
    scores = [reply.ruling.score for _, reply in replies if reply.ruling is not None]
    mean = sum(scores) / len(scores)
    return Verdict((mean - options.lowest) / (options.highest - options.lowest), detail=detail)
