"""A million pairs through CER, WER and ANLS, beside a loop over a plain implementation; and the memory it takes."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import polars as pl

from bench.figures import Figures
from bench.peak import peak_mib
from vhb_evaluator.metrics.registry import BoundMetric, bind_all
from vhb_evaluator.scoring import score_bound
from vhb_shared.contracts.job import MetricSpec

PAIRS = 1_000_000
SMALL = 50_000
"""Pairs that memory is compared with."""
BATCH = 20_000
"""Pairs scored at once: about what an evaluator takes, 32 MiB of answers at most."""
SAMPLE = 500
"""Pairs that the plain loop is timed on; its time for all is in proportion."""
WORDS = (5, 60)
"""In a reference, evenly spread: a line up to a paragraph. A third of the answers are right."""


def measure() -> Figures:
    """Each metric in a process of its own, for the most memory it held."""
    rows = []
    for name, plain in PLAIN.items():
        seconds = _plain_seconds(plain)
        small, large = _in_process(name, SMALL), _in_process(name, PAIRS)
        rows.append((
            name, f"{large['seconds']:.1f}", f"{PAIRS / large['seconds']:,.0f}", f"{large['scoring']:.1f}",
            f"{seconds:,.0f}", f"{seconds / large['seconds']:.0f}", f"{small['mib']:.0f}", f"{large['mib']:.0f}",
        ))  # fmt: skip
    return Figures(
        name="metrics",
        title=f"{PAIRS:,} pairs scored, beside a loop over a plain implementation",
        goal="Goal: at least 20 times faster; memory flat.",
        columns=("metric", "metric, s", "pairs/s", "whole scoring, s", "plain loop, s", "times faster",
                 f"{SMALL:,}: MiB", f"{PAIRS:,}: MiB"),
        rows=rows,
        note="CPU seconds of all threads, which other work on the machine changes little. References of "
        f"{WORDS[0]} to {WORDS[1]} words; a third of the answers are right, the others have a word and a letter wrong. "
        f"The plain loop is a Levenshtein distance in Python, a pair at a time, timed on {SAMPLE:,} pairs and taken in "
        "proportion; texts come to it normalised, as they come to the metric. `whole scoring` adds normalisation, the "
        "joins by id and the table of scores. Memory: the most that a process of its own held while it scored them in "
        f"batches of {BATCH:,}, each the same texts.",
    )  # fmt: skip


def pairs(count: int) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Samples and answers in batches: the same texts in each, with ids of their own."""
    chance = random.Random(1)
    letters = "абвгдежзиклмнопрстabcdefghiklmnoprst0123456789"
    vocabulary = ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(20_000)]
    wanted = [" ".join(chance.choices(vocabulary, k=chance.randint(*WORDS))) for _ in range(min(BATCH, count))]
    texts = pl.DataFrame({
        "references": [[text] for text in wanted],
        "model_answer": [_misread(text, chance, vocabulary) for text in wanted],
    }).with_columns(
        pl.lit(None, dtype=pl.String).alias("doc_class"), pl.lit(None, dtype=pl.String).alias("question_type"),
        pl.lit("answered").alias("outcome"),
    )  # fmt: skip
    for start in range(0, count, BATCH):
        batch = (
            texts.head(count - start).with_row_index("index", start).with_columns(id=pl.col("index").cast(pl.String))
        )
        yield batch.drop("model_answer", "outcome"), batch.drop("references")


def _misread(text: str, chance: random.Random, vocabulary: list[str]) -> str:
    if chance.random() < 1 / 3:
        return text
    words = text.split()
    words[chance.randrange(len(words))] = chance.choice(vocabulary)
    place = chance.randrange(len(text))
    changed = " ".join(words)
    return changed[:place] + "x" + changed[place + 1 :]


def _in_process(name: str, count: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.metrics", name, str(count)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def _timed(name: str, count: int) -> dict[str, float]:
    """Seconds in the metric, in all of the scoring, and the most memory in MiB."""
    (bound,) = bind_all((MetricSpec(name=name),))
    inside, whole = 0.0, 0.0
    score = bound.metric.score

    def timed(batch: pl.DataFrame) -> pl.DataFrame:
        nonlocal inside
        started = time.process_time()
        found = score(batch)
        inside += time.process_time() - started
        return found

    bound.metric.score = timed  # type: ignore[method-assign]
    for samples, answers in pairs(count):
        started = time.process_time()
        _scored(samples, answers, bound)
        whole += time.process_time() - started
    most = peak_mib()
    return {"seconds": inside, "scoring": whole, "mib": most}


def _scored(samples: pl.DataFrame, answers: pl.DataFrame, bound: BoundMetric) -> None:
    assert score_bound(samples, answers, (bound,)).height == samples.height


def _plain_seconds(plain: Callable[[str, str], float]) -> float:
    samples, answers = next(pairs(SAMPLE))
    both = list(zip(answers["model_answer"], samples["references"].list.first(), strict=True))
    started = time.process_time()
    for answer, reference in both:
        plain(answer, reference)
    return (time.process_time() - started) / SAMPLE * PAIRS


def _levenshtein(left: str | list[str], right: str | list[str]) -> int:
    row = list(range(len(right) + 1))
    for place, item in enumerate(left, 1):
        last, row[0] = row[0], place
        for other, wanted in enumerate(right, 1):
            last, row[other] = row[other], min(row[other] + 1, row[other - 1] + 1, last + (item != wanted))
    return row[-1]


def _cer(answer: str, reference: str) -> float:
    return _levenshtein(answer, reference) / len(reference)


def _wer(answer: str, reference: str) -> float:
    words = reference.split()
    return _levenshtein(answer.split(), words) / len(words)


def _anls(answer: str, reference: str) -> float:
    distance = _levenshtein(answer, reference) / max(len(answer), len(reference))
    return 1 - distance if distance < 0.5 else 0.0


PLAIN: dict[str, Callable[[str, str], float]] = {"cer": _cer, "wer": _wer, "anls": _anls}


if __name__ == "__main__":
    print(json.dumps(_timed(sys.argv[1], int(sys.argv[2]))))
