"""What hypothesis draws: a data set in one of the formats, a task on it, and what becomes of every question."""

import re
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from vhb_shared.contracts.results import OUTCOMES

FORMATS = ("folder", "csv", "jsonl", "tsv", "parquet")
FAULTS = ("image", "id", "text", "line")
"""Why a row is bad: its image is not there, its id was there before, a NUL in a text, a line that is no row."""
CLASSES = ("receipt", "счёт", "=1+1", "<b>x</b>")
TYPES = ("total", "имя")
OPTIONS = ("red", "green", "=blue", "синий")
METRICS: dict[str, tuple[Any, ...]] = {
    "texts": ("exact_match", "cer", {"name": "cer", "normalisation": "text-lower"}, "anls", "bleu"),
    "classes": ({"name": "f1_macro", "options": {"classes": OPTIONS}}, "exact_match"),
    "records": ("field_f1", "field_accuracy", "cer"),
    "choices": ("choice_accuracy", "exact_match"),
}
"""By what the references are: metrics that sum, average, and count by class, and such as compare fields."""
NO_ANSWER = ("failed", "withdrawn")
NUMBERS = ("value", "ci_low", "ci_high", "value_if_failed_worst", "value_if_failed_best")
DERIVED = re.compile(r"\[(pass@[^\]]*|circular|epoch_sd)\]$")
"""Metrics made of what several answers to a sample say together."""

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
AWKWARD = st.sampled_from(["a\r\nb", "\r", "\n", '"', '";"', ",", "=1+1", "<script>", "\x1b[0m", "\ufeff", " ", "~e2"])
RECORDS = st.sampled_from(['{"a": "x"}', '{"a": "x", "b": ["1", "2"]}', '{"b": ["2"]}'])
SAID = st.one_of(TEXT, AWKWARD, RECORDS, st.sampled_from([*OPTIONS, "A", "B"]))


@dataclass(frozen=True)
class Row:
    """One row of the data set, as it is written."""

    id: str
    fault: str | None
    image: str
    question: str
    references: list[str]
    choices: list[str]
    doc_class: str | None
    question_type: str | None
    document: str | None


@dataclass(frozen=True)
class Reply:
    """What is stored for a question: a model's words or what replaced them."""

    outcome: str
    text: str | None

    @property
    def settled(self) -> "Reply":
        """As results have it: an answer without a character is empty."""
        return Reply("empty", "") if self == Reply("answered", "") else self


@dataclass(frozen=True)
class Shard:
    """What becomes of a shard: `replies` in turn for its questions, None where there is no row."""

    stored: bool
    scored_ahead: bool
    replies: list[Reply | None]
    strangers: bool
    """Rows of questions that the shard does not have, and a second one for its first question."""
    backwards: bool


@dataclass(frozen=True)
class Benchmark:
    """Data, task and fate."""

    kind: str
    format: str
    rows: list[Row]
    metrics: list[Any]
    shard_size: int
    epochs: int
    circular: bool
    limit: int | None
    classes: list[str]
    """Of the filter; none: no filter."""
    ending: str
    """How inference ended: completed, failed, cancelled."""
    models: list[list[Shard]] = field(default_factory=list)
    """Of each model: what becomes of its shards, in turn."""
    imported: bool = False
    """Nobody is asked: a file has the replies of the first model's first shard, for all models."""

    @property
    def good(self) -> list[Row]:
        """The rows that can be used."""
        return [row for row in self.rows if row.fault is None]

    @property
    def selected(self) -> list[Row]:
        """Of those, the ones that the task asks."""
        kept = [row for row in self.good if not self.classes or row.doc_class in self.classes]
        return kept[: self.limit]

    def turns(self, row: Row) -> list[tuple[int, int]]:
        """Epoch and rotation of every time that a row is asked, in order."""
        rotations = max(1, len(row.choices)) if self.circular else 1
        return [(epoch, turn) for epoch in range(self.epochs) for turn in range(rotations)]

    @property
    def asked(self) -> list[tuple[str, Row]]:
        """Id and row of every question, in order."""
        return [
            (row.id + (f"~e{epoch + 1}" if epoch else "") + (f"~r{turn}" if turn else ""), row)
            for row in self.selected
            for epoch, turn in self.turns(row)
        ]


@st.composite
def _rows(draw: st.DrawFn, kind: str, fmt: str) -> list[Row]:
    ids = draw(st.lists(st.sampled_from([*"abcdefgh", "7", "ид", "=x", "x\"y'z", "a;b,c"]), min_size=1, max_size=7,
                        unique=True))  # fmt: skip
    # An empty cell of TSV is an empty reference, which is neither a class nor a record.
    fewest = 1 if fmt == "tsv" else 0
    references = {
        "texts": st.lists(st.one_of(TEXT, AWKWARD), max_size=3),
        "classes": st.lists(st.sampled_from(OPTIONS), min_size=fewest, max_size=1),
        "records": st.lists(RECORDS, min_size=fewest, max_size=1),
    }
    rows: list[Row] = []
    for name in ids:
        choices: list[str] = []
        if kind == "choices":
            choices = draw(st.lists(st.sampled_from(OPTIONS), min_size=2 * fewest, max_size=4, unique=True))
            said = draw(st.lists(st.sampled_from(choices), min_size=fewest, max_size=1)) if choices else []
        else:
            said = draw(references[kind])
        first = not any(row.fault is None for row in rows)
        faults = st.sampled_from([fault for fault in FAULTS if not (fault == "id" and first)])
        fault = draw(st.one_of(st.none(), st.none(), st.none(), faults))
        if fault == "line" and fmt == "parquet":
            fault = "text"
        rows.append(
            Row(
                id=next(row.id for row in rows if row.fault is None) if fault == "id" else name,
                fault=fault,
                image="missing.png" if fault == "image" else draw(st.sampled_from(["a.png", "b.png", "c.png"])),
                question="\0" if fault == "text" else "What?" + draw(st.one_of(TEXT, AWKWARD)),
                references=said,
                choices=choices,
                doc_class=draw(st.one_of(st.none(), st.sampled_from(CLASSES))),
                question_type=draw(st.one_of(st.none(), st.sampled_from(TYPES))),
                document=draw(st.one_of(st.none(), st.sampled_from(["one", "two"]))),
            )
        )
    return rows


def _replies() -> st.SearchStrategy[Reply | None]:
    def reply(outcome: str) -> st.SearchStrategy[Reply]:
        text = st.none() if outcome in NO_ANSWER else st.sampled_from(["", " "]) if outcome == "empty" else SAID
        return text.map(lambda said: Reply(outcome, said))

    return st.one_of(*map(reply, OUTCOMES), reply("answered"), reply("answered"), st.none())


_SHARDS = st.builds(
    Shard,
    stored=st.sampled_from([True, True, True, False]),
    scored_ahead=st.booleans(),
    replies=st.lists(_replies(), min_size=1, max_size=5),
    strangers=st.booleans(),
    backwards=st.booleans(),
)


@st.composite
def benchmarks(draw: st.DrawFn, fmt: str) -> Benchmark:
    """A whole benchmark on a data set in some format."""
    kind = draw(st.sampled_from(list(METRICS)))
    metrics = draw(st.lists(st.sampled_from(METRICS[kind]), min_size=1, max_size=4))
    return Benchmark(
        kind=kind,
        format=fmt,
        rows=draw(_rows(kind, fmt)),
        metrics=metrics,
        shard_size=draw(st.integers(1, 4)),
        epochs=draw(st.sampled_from([1, 1, 2, 3])),
        circular=kind == "choices" and draw(st.booleans()),
        limit=draw(st.one_of(st.none(), st.integers(1, 5))),
        classes=draw(st.one_of(st.just([]), st.lists(st.sampled_from(CLASSES), unique=True, max_size=3))),
        ending=draw(st.sampled_from(["completed", "completed", "failed", "cancelled"])),
        models=draw(st.lists(st.lists(_SHARDS, min_size=1, max_size=3), min_size=1, max_size=2)),
        imported=draw(st.sampled_from([False, False, True])),
    )
