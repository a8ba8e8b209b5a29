"""Chooses the samples that a report shows, and puts every run's answer beside its references and images."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import polars as pl

from vhb_reporter import results
from vhb_reporter.diff import closest
from vhb_reporter.files import ReportFiles
from vhb_reporter.language import gettext
from vhb_reporter.model import AnswerView, ComparisonGroup, RunView, SampleCard, SampleChoice, SampleView, Thumbnail
from vhb_reporter.thumbnails import thumbnail
from vhb_shared.datasets.options import MOST_CHOICES, question_of
from vhb_shared.datasets.selection import run_samples

PER_RUN = 12
"""Worst samples of each run."""
PER_GROUP = 24
"""Samples of one comparison, over all its runs."""
CARDS = 48
IMAGES_PER_CARD = 4
_REFERENCES = 4
_IMAGES_AT_ONCE = 2


class Tables(NamedTuple):
    """Local files of one run's results; None where there is none."""

    answers: Path | None
    scores: Path | None
    replicates: Path | None = None


class _Choice(NamedTuple):
    sample: int
    pickers: frozenset[str]
    """Ids of the runs that this is one of the worst samples of."""


class SamplePicker:
    """Picks samples of a report.

    Args:
        files: where images come from.
        tables: run id -> files.
    """

    def __init__(self, files: ReportFiles, tables: Mapping[str, Tables]) -> None:
        self._files = files
        self._tables = tables

    async def pick(
        self, groups: Sequence[ComparisonGroup], *, with_images: bool
    ) -> tuple[tuple[SampleCard, ...], SampleChoice]:
        """The samples worth a look, as cards with the images they share."""
        scored = any(run.scored for group in groups for run in group.runs)
        by_images: dict[tuple[str, tuple[str, ...]], list[SampleView]] = {}
        for group in groups:
            dataset = group.runs[0].spec.dataset
            digest, samples = dataset.media_digest, await self._files.samples(dataset.digest)
            if samples is None:
                continue
            for images, view in await asyncio.to_thread(self._views, group, samples):
                # Samples without an image have nothing to share: a card each.
                key = (digest, images) if images else (f"{group.title}#{view.index}", ())
                by_images.setdefault(key, []).append(view)
        chosen = list(by_images.items())[:CARDS]
        shown: dict[tuple[str, str], Thumbnail] = {}
        if with_images:
            names = [(digest, name) for (digest, images), _ in chosen for name in images[:IMAGES_PER_CARD]]
            shown = await self._thumbnails(dict.fromkeys(names))
        cards = tuple(
            SampleCard(
                images=tuple(shown[digest, name] for name in images[:IMAGES_PER_CARD]) if with_images else (),
                more_images=max(len(images) - IMAGES_PER_CARD, 0) if with_images else len(images),
                samples=tuple(views),
            )
            for (digest, images), views in chosen
        )
        return cards, "worst" if scored else "first"

    def _views(self, group: ComparisonGroup, samples: Path) -> list[tuple[tuple[str, ...], SampleView]]:
        choices = _choose(group, self._tables)
        if not choices:
            return []
        indices = [choice.sample for choice in choices]
        rows = _sample_rows(samples, group.runs[0], indices)
        answers = {run.name: _answers(self._tables[run.spec.run_id], indices) for run in group.runs}
        return [_view(group, choice, rows[choice.sample], answers) for choice in choices if choice.sample in rows]

    async def _thumbnails(self, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], Thumbnail]:
        """Each image is read and encoded once; only a few are in memory at a time."""
        gate = asyncio.Semaphore(_IMAGES_AT_ONCE)

        async def one(digest: str, name: str) -> Thumbnail:
            async with gate:
                path = await self._files.media(digest, name)
                if path is None:
                    return Thumbnail(name, problem=gettext("is missing from storage, or damaged"))
                return await asyncio.to_thread(thumbnail, path, name)

        made = await asyncio.gather(*(one(*key) for key in names))
        return dict(zip(names, made, strict=True))


def _choose(group: ComparisonGroup, tables: Mapping[str, Tables]) -> list[_Choice]:
    """The worst of every run in turn (everyone's worst, everyone's second worst, ...), without repeats."""
    ranked: list[list[tuple[int, str]]] = []
    for run in group.runs:
        scores, answers = tables[run.spec.run_id].scores, tables[run.spec.run_id].answers
        if scores is not None and group.metrics:
            metric = group.metrics[0]
            if (higher := group.higher_is_better.get(metric)) is None:
                continue
            worst = results.worst_indices(scores, metric, higher, PER_RUN)
            ranked.append([(index, run.spec.run_id) for index in worst])
        elif answers is not None and not any(tables[other.spec.run_id].scores for other in group.runs):
            ranked.append([(index, run.spec.run_id) for index in results.first_indices(answers, PER_RUN)])
    pickers: dict[int, set[str]] = {}
    for turn in zip_longest(*ranked):
        for pick in turn:
            if pick is not None and (pick[0] in pickers or len(pickers) < PER_GROUP):
                pickers.setdefault(pick[0], set()).add(pick[1])
    return [_Choice(index, frozenset(runs)) for index, runs in pickers.items()]


def _sample_rows(samples: Path, run: RunView, indices: Sequence[int]) -> dict[int, dict[str, object]]:
    frame = (
        run_samples(samples, run.spec)
        .filter(pl.col("index").is_in(indices))
        .select(
            "index", "id", "images", "doc_class", "question_type",
            pl.col("question").str.slice(0, results.TEXT_LIMIT),
            pl.col("choices").list.head(MOST_CHOICES).list.eval(pl.element().str.slice(0, results.TEXT_LIMIT)),
            pl.col("references").list.len().alias("reference_count"),
            # The first few: a sample with a thousand accepted answers is still one line in a report.
            pl.col("references").list.head(64).list.eval(pl.element().str.slice(0, results.TEXT_LIMIT)),
        )
        .collect(engine="streaming")
    )  # fmt: skip
    return {row["index"]: row for row in frame.iter_rows(named=True)}


class _Answers(NamedTuple):
    answers: Mapping[int, results.AnswerRow]
    scores: Mapping[int, dict[str, results.ScoreRow]]


def _answers(tables: Tables, indices: Sequence[int]) -> _Answers:
    return _Answers(
        results.read_answers(tables.answers, indices) if tables.answers else {},
        results.read_scores(tables.scores, indices) if tables.scores else {},
    )


def _view(
    group: ComparisonGroup, choice: _Choice, row: Mapping[str, object], answers: Mapping[str, _Answers]
) -> tuple[tuple[str, ...], SampleView]:
    references = [str(text) for text in _sequence(row["references"])]
    views = []
    for run in group.runs:
        answer = answers[run.name].answers.get(choice.sample)
        if answer is None:
            continue
        scores = answers[run.name].scores.get(choice.sample, {})
        views.append(
            AnswerView(
                run=run,
                outcome=answer.outcome,
                text=answer.text,
                length=answer.length,
                error=answer.error,
                scores={metric: scores[metric].value for metric in group.metrics if metric in scores},
                unparsable=tuple(metric for metric, score in scores.items() if score.status == "unparsable"),
                picked=run.spec.run_id in choice.pickers,
            )
        )
    texts = [view.text for view in views if view.text]
    if texts and (best := closest(references, texts[0])):
        references.remove(best)
        references.insert(0, best)
    view = SampleView(
        group=group,
        index=choice.sample,
        id=str(row["id"]),
        question=question_of(row) or None,
        references=tuple(references[:_REFERENCES]),
        reference_count=int(str(row["reference_count"])),
        doc_class=_text(row["doc_class"]),
        question_type=_text(row["question_type"]),
        answers=tuple(views),
    )
    return tuple(str(name) for name in _sequence(row["images"])), view


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, (list, tuple)) else ()


def _text(value: object) -> str | None:
    return None if value is None else str(value)
