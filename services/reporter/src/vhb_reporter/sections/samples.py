"""Samples with their images, references and every model's answer side by side, differences marked."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from vhb_reporter.diff import DIFF_LIMIT, Segment, closest, compare
from vhb_reporter.language import noted
from vhb_reporter.model import AnswerView, Report, SampleView, Thumbnail
from vhb_reporter.sections.template import TemplateSection

QUESTION_LIMIT = 600
MARKDOWN_CARDS = 12


class ShownAnswer(NamedTuple):
    """An answer as displayed: segments against the closest reference, or plain text."""

    answer: AnswerView
    segments: tuple[Segment, ...] | None
    text: str
    cut: bool


class ShownSample(NamedTuple):
    """One question of a card."""

    sample: SampleView
    question: str | None
    asked: bool
    """Whether `question` was put to the models; else it is the data set's, and the task had prompts of its own."""
    references: tuple[str, ...]
    answers: tuple[ShownAnswer, ...]


class ShownCard(NamedTuple):
    """Samples that share their images."""

    images: tuple[Thumbnail, ...]
    more_images: int
    samples: tuple[ShownSample, ...]


class Samples(TemplateSection):
    """The worst samples of each run by its first metric, or the first ones where nothing was scored."""

    name: ClassVar[str] = "samples"
    title: ClassVar[str] = noted("Worst samples")
    order: ClassVar[int] = 700

    def wanted(self, report: Report) -> bool:
        return bool(report.cards)

    def context(self, report: Report) -> Mapping[str, object]:
        cards = [
            ShownCard(card.images, card.more_images, tuple(_sample(sample) for sample in card.samples))
            for card in report.cards
        ]
        return {
            "cards": cards,
            "markdown_cards": MARKDOWN_CARDS,
            "limit": DIFF_LIMIT,
            "question_limit": QUESTION_LIMIT,
            "many_tasks": len(report.groups) > 1,
        }


def _sample(sample: SampleView) -> ShownSample:
    tasks = [run.spec.task for run in sample.group.runs]
    task = tasks[0]
    # A prompt without placeholders is what every sample was asked, unless runs with other prompts are beside it.
    same = all((other.prompt, other.prompts) == (task.prompt, task.prompts) for other in tasks)
    plain = task.prompt if same and task.prompt and task.prompts is None and "{" not in task.prompt else None
    return ShownSample(
        sample,
        plain or sample.question,
        plain is not None or (same and task.prompt is None and task.prompts is None),
        tuple(text[:DIFF_LIMIT] for text in sample.references),
        tuple(_answer(sample, answer) for answer in sample.answers),
    )


def _answer(sample: SampleView, answer: AnswerView) -> ShownAnswer:
    text = answer.text[:DIFF_LIMIT]
    reference = closest(sample.references, text) if text else None
    segments = compare(reference, text) if reference else None
    return ShownAnswer(answer, segments, text, answer.length > len(text))
