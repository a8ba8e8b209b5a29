"""The rows that samples become: asked several times, options rotated or shuffled; the same however they are cut."""

import string
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vhb_shared.contracts.asking import ShuffleOptions
from vhb_shared.contracts.job import Filter, ModelEntry, TaskEntry
from vhb_shared.contracts.plan import DatasetRef, RunSpec
from vhb_shared.datasets.options import shown_order, shown_reference
from vhb_shared.datasets.records import SAMPLE_SCHEMA
from vhb_shared.datasets.selection import count_rows, run_samples, select_samples, shard_samples, slice_samples
from vhb_shared.datasets.variants import RUN_SCHEMA, check_variants
from vhb_shared.errors import UserError

TEXTS = ("red", "green", "blue", "white", "black")


def written(path: Path, *rows: dict[str, object]) -> Path:
    records = [dict.fromkeys(SAMPLE_SCHEMA) | {"index": n, "id": f"s{n}"} | row for n, row in enumerate(rows)]
    pl.DataFrame(records, schema=SAMPLE_SCHEMA).write_parquet(path)
    return path


def choice(count: int, *references: str, **more: object) -> dict[str, object]:
    return {"question": "q", "choices": list(TEXTS[:count]), "references": list(references)} | more


def run(samples: Path, shard_size: int = 64, **task: object) -> RunSpec:
    entry = TaskEntry(name="t", dataset="d", **task)
    rows = count_rows(select_samples(samples, entry.filter, entry.limit), entry)
    return RunSpec(
        job_id="j", run_id="j-0", name="m__t", model=ModelEntry(name="m"), task=entry,
        dataset=DatasetRef(digest="d" * 64, name="d", source="d", samples=1), samples=rows, shard_size=shard_size,
        shards=-(-rows // shard_size), backend_id="b", stages=("inference",), results_run_id="j-0",
    )  # fmt: skip


def rows_of(samples: Path, **task: object) -> list[dict[str, object]]:
    return run_samples(samples, run(samples, **task)).collect().to_dicts()


def test_a_sample_asked_once_is_a_row_as_it_is(tmp_path: Path) -> None:
    samples = written(tmp_path / "s.parquet", {"question": "a"}, {"question": "b", "document": "doc"})
    rows = rows_of(samples)
    assert [(row["index"], row["id"], row["sample"], row["document"]) for row in rows] == [
        (0, "s0", "s0", "s0"),
        (1, "s1", "s1", "doc"),
    ]
    assert run_samples(samples, run(samples)).collect_schema() == pl.Schema(RUN_SCHEMA)


def test_epochs(tmp_path: Path) -> None:
    samples = written(tmp_path / "s.parquet", {"doc_class": "a"}, {"doc_class": "b"}, {"doc_class": "a"})
    rows = rows_of(samples, epochs=3, filter=Filter(doc_class=("a",)))
    assert [row["id"] for row in rows] == ["s0", "s0~e2", "s0~e3", "s2", "s2~e2", "s2~e3"]
    assert [row["sample"] for row in rows] == ["s0"] * 3 + ["s2"] * 3
    assert [row["document"] for row in rows] == ["s0"] * 3 + ["s2"] * 3
    assert [row["index"] for row in rows] == [0, 1, 2, 6, 7, 8]
    assert [row["epoch"] for row in rows] == [0, 1, 2] * 2
    assert len(rows_of(samples, epochs=3, limit=1)) == 3  # the limit counts samples


def test_circular_asks_every_rotation_of_every_question(tmp_path: Path) -> None:
    samples = written(tmp_path / "s.parquet", choice(3, "B"), {"question": "open"}, choice(2, "green"))
    rows = rows_of(samples, circular=True)
    assert [row["id"] for row in rows] == ["s0", "s0~r1", "s0~r2", "s1", "s2", "s2~r1"]
    assert [row["choices"] for row in rows] == [
        ["red", "green", "blue"],
        ["green", "blue", "red"],
        ["blue", "red", "green"],
        [],
        ["red", "green"],
        ["green", "red"],
    ]
    assert [row["references"] for row in rows] == [["B"], ["A"], ["C"], None, ["green"], ["green"]]
    assert len({row["index"] for row in rows}) == len(rows)
    assert [row["index"] for row in rows] == sorted(row["index"] for row in rows)


def test_epochs_of_rotations(tmp_path: Path) -> None:
    samples = written(tmp_path / "s.parquet", choice(2, "A"))
    rows = rows_of(samples, circular=True, epochs=2)
    assert [(row["id"], row["epoch"], row["rotation"]) for row in rows] == [
        ("s0", 0, 0), ("s0~r1", 0, 1), ("s0~e2", 1, 0), ("s0~e2~r1", 1, 1),
    ]  # fmt: skip
    assert [row["references"] for row in rows] == [["A"], ["B"]] * 2


def test_shuffled_options_keep_what_is_right(tmp_path: Path) -> None:
    samples = written(tmp_path / "s.parquet", *(choice(5, "C", "(c)", "blue") for _ in range(40)))
    rows = rows_of(samples, shuffle_options=ShuffleOptions(seed=1))
    orders = {tuple(row["choices"]) for row in rows}
    assert len(orders) > 20
    for row in rows:
        assert sorted(row["choices"]) == sorted(TEXTS)
        letter = string.ascii_uppercase[row["choices"].index("blue")]
        assert row["references"] == [letter, f"({letter.lower()})", "blue"]
    assert rows == rows_of(samples, shuffle_options=ShuffleOptions(seed=1))
    assert rows != rows_of(samples, shuffle_options=ShuffleOptions(seed=2))


def test_the_order_of_a_seed_is_fixed_for_ever() -> None:
    """Answers are joined with options by it: a change would mix up runs of two versions."""
    assert shown_order("s0", 5, seed=0, rotation=0) == [3, 0, 2, 1, 4]
    assert shown_order("вопрос", 4, seed=7, rotation=0) == [3, 1, 2, 0]
    assert shown_order("s0", 5, seed=0, rotation=2) == [2, 1, 4, 3, 0]


@given(st.integers(1, 26), st.integers(0, 60), st.one_of(st.none(), st.integers()), st.text(max_size=8))
def test_letters_follow_their_options(count: int, rotation: int, seed: int | None, sample: str) -> None:
    choices = [f"option {place}" for place in range(count)]
    order = shown_order(sample, count, seed=seed, rotation=rotation)
    assert sorted(order) == list(range(count))
    for place, letter in enumerate(string.ascii_uppercase[:count]):
        shown = shown_reference(letter, choices, order)
        assert [choices[at] for at in order][string.ascii_uppercase.index(shown)] == choices[place]
    assert shown_reference("option 0", choices, order) == "option 0"


def test_letters_that_are_texts() -> None:
    letters = ["b", "(C)", "A"]
    assert shown_reference("A", letters, [2, 0, 1]) == "B"  # alone, it is a letter
    assert shown_reference("b", letters, [2, 0, 1]) == "c"
    assert shown_reference("(C)", letters, [2, 0, 1]) == "(C)"  # the text of an option
    assert shown_reference("D", letters, [2, 0, 1]) == "D"  # no such option


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
    st.integers(1, 4),
    st.booleans(),
    st.integers(1, 7),
    st.one_of(st.none(), st.integers(1, 12)),
)
def test_shards_together_are_the_run(
    tmp_path_factory: pytest.TempPathFactory,
    counts: list[int],
    epochs: int,
    circular: bool,
    shard_size: int,
    limit: int | None,
) -> None:
    path = tmp_path_factory.mktemp("s") / "s.parquet"
    samples = written(path, *(choice(count, "A") for count in counts))
    spec = run(samples, shard_size, epochs=epochs, circular=circular, limit=limit, shuffle_options=ShuffleOptions())
    whole = run_samples(samples, spec).collect()
    assert whole.height == spec.samples
    assert whole["id"].n_unique() == whole["index"].n_unique() == whole.height
    assert whole["index"].is_sorted()
    shards = [shard_samples(samples, spec, shard) for shard in range(spec.shards)]
    assert pl.concat(shards).equals(whole)
    middle = slice_samples(samples, spec, spec.samples // 2, 3, ("id", "choices"))
    assert middle.equals(whole.slice(spec.samples // 2, 3).select("id", "choices"))


@pytest.mark.parametrize("option", [{"circular": True}, {"shuffle_options": ShuffleOptions()}])
def test_a_data_set_without_options_is_refused(tmp_path: Path, option: dict[str, object]) -> None:
    samples = written(tmp_path / "s.parquet", {"question": "open"})
    with pytest.raises(UserError, match=f"`{next(iter(option))}` moves the options .* its data set has none"):
        check_variants(TaskEntry(name="t", **option), pl.scan_parquet(samples))


def test_references_that_would_not_fit_any_more_are_refused(tmp_path: Path) -> None:
    rows = [choice(3, "2"), choice(3, "A"), choice(3, " Blue "), choice(3, "A, B"), choice(2, "C")]
    samples = pl.scan_parquet(written(tmp_path / "s.parquet", *rows))
    with pytest.raises(UserError, match=r'"2" is neither a letter \(A to C\) nor the text') as caught:
        check_variants(TaskEntry(name="t", circular=True), samples)
    assert [line.split("'")[3] for line in caught.value.problems] == ["s0", "s3", "s4"]
    check_variants(TaskEntry(name="t", epochs=2), samples)  # nothing is moved


def test_ids_that_repetitions_would_take_are_refused(tmp_path: Path) -> None:
    clash = pl.scan_parquet(written(tmp_path / "a.parquet", {"id": "5"}, {"id": "5~e2"}))
    with pytest.raises(UserError, match="'5~e2' has the id that a repetition of sample '5' would get"):
        check_variants(TaskEntry(name="t", epochs=2), clash)
    check_variants(TaskEntry(name="t"), clash)
    nested = pl.scan_parquet(written(tmp_path / "c.parquet", {"id": "5~e2~r1"}, {"id": "5~e2"}))
    with pytest.raises(UserError, match="'5~e2~r1' has the id that a repetition of sample '5~e2'"):
        check_variants(TaskEntry(name="t", circular=True), nested)
    free = pl.scan_parquet(written(tmp_path / "b.parquet", {"id": "4"}, {"id": "5~e2"}, {"id": "~r1"}))
    check_variants(TaskEntry(name="t", epochs=2), free)


def test_more_rows_than_numbers_are_refused(tmp_path: Path) -> None:
    samples = pl.scan_parquet(written(tmp_path / "s.parquet", {"index": 2**32 - 1}))
    with pytest.raises(UserError, match="more rows than can be numbered"):
        check_variants(TaskEntry(name="t", epochs=2), samples)
