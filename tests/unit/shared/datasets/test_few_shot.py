"""Which solved samples come before a question."""

import json
from pathlib import Path

import polars as pl
import pytest

from vhb_shared.contracts.asking import FewShot, ShuffleOptions
from vhb_shared.contracts.job import Filter, TaskEntry
from vhb_shared.datasets.few_shot import Examples, examples_digest
from vhb_shared.datasets.records import SAMPLE_SCHEMA
from vhb_shared.errors import UserError

OWN, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    rows = [
        {
            "question": f"question {n}",
            "references": [f"answer {n}"] if n != 3 else ["", " "],
            "images": [f"{n:064x}.png"],
            "doc_class": "invoice" if n % 2 else "receipt",
        }
        for n in range(12)
    ]
    return written(tmp_path / "s.parquet", *rows)


def written(path: Path, *rows: dict[str, object]) -> Path:
    records = [dict.fromkeys(SAMPLE_SCHEMA) | {"index": n, "id": f"s{n}"} | row for n, row in enumerate(rows)]
    pl.DataFrame(records, schema=SAMPLE_SCHEMA).write_parquet(path)
    return path


def examples(samples: Path, few_shot: FewShot, *, digest: str = OWN, **task: object) -> Examples:
    return Examples(TaskEntry(name="t", dataset="d", few_shot=few_shot, **task), digest, samples)


def test_named_examples_in_their_order(samples: Path) -> None:
    asked = examples(samples, FewShot(ids=("s5", "s2")), prompt="Q: {{ question }}")
    first, second = asked.before("s0")
    assert (first.id, first.text, first.answer, first.images) == (
        "s5", "Q: question 5", "answer 5", (f"{5:064x}.png",),
    )  # fmt: skip
    assert second.id == "s2"


def test_a_sample_is_no_example_of_itself(samples: Path) -> None:
    asked = examples(samples, FewShot(ids=("s5", "s2")))
    assert [example.id for example in asked.before("s5")] == ["s2"]
    drawn = examples(samples, FewShot(count=4, seed=3))
    for n in range(12):
        ids = [example.id for example in drawn.before(f"s{n}")]
        assert len(ids) == 4 and f"s{n}" not in ids and "s3" not in ids  # s3 has no reference to show


def test_a_sample_of_other_data_with_the_same_id_is_another_sample(samples: Path) -> None:
    few_shot = FewShot(dataset=f"sha256:{OTHER}", ids=("s5",))
    assert examples_digest(few_shot, OWN) == OTHER
    assert [example.id for example in examples(samples, few_shot).before("s5")] == ["s5"]
    # The same data under its own name is the same data.
    same = FewShot(dataset=f"sha256:{OWN}", ids=("s5",))
    assert examples(samples, same).before("s5") == ()


def test_drawing_depends_on_the_seed_alone(samples: Path) -> None:
    ids = [example.id for example in examples(samples, FewShot(count=4, seed=3)).before("none")]
    assert ids == [example.id for example in examples(samples, FewShot(count=4, seed=3)).before("other")]
    assert ids == [example.id for example in examples(samples, FewShot(count=5, seed=3)).before("none")][:4]
    drawn = {tuple(e.id for e in examples(samples, FewShot(count=4, seed=s)).before("none")) for s in range(5)}
    assert len(drawn) > 1


def test_drawn_examples_are_of_the_kind_that_is_asked(samples: Path) -> None:
    asked = examples(samples, FewShot(count=3), filter=Filter(doc_class=("invoice",)), limit=1)
    assert all(int(example.id[1:]) % 2 for example in asked.before("s1"))
    other = FewShot(dataset=f"sha256:{OTHER}", count=11)
    assert len(examples(samples, other, filter=Filter(doc_class=("invoice",))).before("s1")) == 11


def test_options_of_examples_are_shown_as_the_task_shows_them(tmp_path: Path) -> None:
    choices = ["red", "green", "blue"]
    path = written(tmp_path / "m.parquet", *({"question": "q", "choices": choices, "references": ["B"]},) * 6)
    asked = examples(path, FewShot(count=5), shuffle_options=ShuffleOptions(), circular=True, epochs=2)
    shown = asked.before("s0")
    assert len({example.text for example in shown}) > 1
    assert all(f"{example.answer}. green" in example.text for example in shown)


@pytest.mark.parametrize(
    ("few_shot", "said"),
    [
        (FewShot(ids=("s55",)), "names sample 's55', which its data set has not; did you mean"),
        (FewShot(ids=("s3",)), "names sample 's3', which has no reference"),
        (FewShot(count=11), "draws 11 examples, and only 10 other samples with a reference"),
    ],
)
def test_examples_that_are_not_there(samples: Path, few_shot: FewShot, said: str) -> None:
    with pytest.raises(UserError, match=said):
        examples(samples, few_shot)


def test_an_example_without_a_prompt(tmp_path: Path) -> None:
    path = written(tmp_path / "s.parquet", {"references": ["x"], "images": ["i.png"]}, {"question": "q"})
    with pytest.raises(UserError, match=r"sample 's0' cannot be an example: .*no prompt for sample s0"):
        examples(path, FewShot(ids=("s0",)))


@pytest.mark.parametrize("given", [{}, {"ids": ["a"], "count": 1}, {"ids": ["a", "a"]}, {"count": 0}])
def test_either_ids_or_a_count(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"ids|count"):
        FewShot.model_validate_json(json.dumps(given))
