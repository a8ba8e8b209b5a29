"""Scopes and indexes of answers: what finds an answer again, and what is not believed."""

import hashlib
import io
from typing import Any

import polars as pl
import pytest

from vhb_shared.contracts.job import Generation, ModelEntry
from vhb_shared.reuse.count import count_reused
from vhb_shared.reuse.index import AnswerIndex, IndexObject, decode_index, encode_index, is_index_key, part_rows
from vhb_shared.reuse.scope import reuse_scope

SCOPE = "0123456789abcdef"
MODEL = ModelEntry(name="m", backend="openai", base_url="http://127.0.0.1:8000/v1")


def fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def answers(*texts: str, **columns: Any) -> pl.DataFrame:
    rows = len(texts)
    return pl.DataFrame(
        {
            "fingerprint": [fingerprint(text) for text in texts],
            "outcome": ["answered"] * rows,
            "answered_at": ["2026-01-01T00:00:00+00:00"] * rows,
            "reused_from": pl.Series([None] * rows, dtype=pl.String),
        }
        | columns
    )


def index(run_id: str, *texts: str, shard: int = 0, token: str = "a" * 12, at: str = "2026-01-01") -> IndexObject:
    rows, _ = part_rows(answers(*texts), shard, token)
    found = encode_index(SCOPE, run_id, [rows], at)
    assert found is not None
    return found


def merged(*objects: IndexObject) -> AnswerIndex:
    return AnswerIndex({each.key: decode_index(each.key, each.data) for each in objects})


def test_an_answer_is_found_where_it_is() -> None:
    found = merged(index("j-0", "a", "b", shard=3), index("k-1", "c", token="00000000000b"))
    assert len(found) == 3
    places = found.find([fingerprint(text) for text in ("c", "a", "unknown", "a")] + ["no fingerprint"])
    assert set(places) == {fingerprint("a"), fingerprint("c")}
    assert places[fingerprint("a")].key == "runs/j-0/answers/part-00003.aaaaaaaaaaaa.parquet"
    assert places[fingerprint("c")].key == "runs/k-1/answers/part-00000.00000000000b.parquet"
    assert AnswerIndex({}).find([fingerprint("a")]) == {}


def test_the_latest_of_several_answers_counts() -> None:
    found = merged(index("zz-0", "a", at="2026-01-01T00:00:00Z"), index("aa-0", "a", at="2026-01-02T00:00:00+00:00"))
    assert found.find([fingerprint("a")])[fingerprint("a")].run_id == "aa-0"
    assert len(found) == 1


def test_only_answers_of_the_run_itself_and_of_the_model_are_indexed() -> None:
    table = answers(
        "a", "b", "c", "d", "e", "f",
        outcome=["failed", "withdrawn", "empty", "truncated", "refused", "answered"],
        reused_from=[None, None, None, None, None, "other-0"],
    )  # fmt: skip
    rows, latest = part_rows(table, 0, "a" * 12)
    assert rows.height == 3 and latest.startswith("2026-01-01")
    assert encode_index(SCOPE, "j-0", [rows.clear()], "") is None
    strange = answers("a", fingerprint=["../../etc"])
    assert part_rows(strange, 0, "a" * 12)[0].is_empty()


def test_the_same_answers_give_the_same_object() -> None:
    assert index("j-0", "a", "b") == index("j-0", "a", "b")
    assert index("j-0", "a", "b").key != index("j-0", "a", "c").key
    assert is_index_key(index("j-0", "a").key)


@pytest.mark.parametrize(
    "key",
    [
        f"reuse/{SCOPE}/1.j-0.{'a' * 12}.parquet",
        f"reuse/{SCOPE}/0000000001.../../x.{'a' * 12}.parquet",
        f"reuse/{SCOPE}/0000000001.J 0.{'a' * 12}.parquet",
        f"reuse/{SCOPE}/0000000001.j-0.{'a' * 12}.parquet\n",
    ],
)
def test_names_that_are_not_ours_are_passed_over(key: str) -> None:
    assert not is_index_key(key)


def test_what_is_not_an_index_is_refused() -> None:
    good = index("j-0", "a")
    with pytest.raises(ValueError, match="does not match its name"):
        decode_index(good.key, good.data[:-1] + b"x")

    def named(data: bytes) -> str:
        return f"reuse/{SCOPE}/0000000001.j-0.{hashlib.sha256(data).hexdigest()[:12]}.parquet"

    with pytest.raises(ValueError, match="cannot be read"):
        decode_index(named(b"junk"), b"junk")
    buffer = io.BytesIO()
    pl.DataFrame({"fingerprint": ["a"], "shard": [0], "token": [1]}).write_parquet(buffer)
    with pytest.raises(ValueError, match="other columns"):
        decode_index(named(buffer.getvalue()), buffer.getvalue())


@pytest.mark.parametrize(
    "change",
    [
        {"revision": "2"},
        {"model": "other"},
        {"image": "x@sha256:1"},
        {"env": {"A": "1"}},
        {"packages": ("a==1",)},
        {"engine_args": {"dtype": "float16"}},
        {"base_url": "http://127.0.0.1:8001/v1"},
        {"generation": Generation(temperature=1)},
        {"concurrency": 1},
    ],
)
def test_what_can_change_an_answer_has_another_scope(change: dict[str, Any]) -> None:
    assert reuse_scope(MODEL.model_copy(update=change)) != reuse_scope(MODEL)


@pytest.mark.parametrize(
    "change",
    [{"name": "n", "model": "m"}, {"concurrency": 4}, {"stream": False}, {"replicas": 3}, {"description": "d"}],
)
def test_what_cannot_has_the_same(change: dict[str, Any]) -> None:
    assert reuse_scope(MODEL.model_copy(update=change)) == reuse_scope(MODEL)


def test_reused_answers_are_counted_by_job() -> None:
    origins = ["j-a-0", "j-a-1", "k-0", None, "k-0", "k-3"]
    reused = count_reused(pl.LazyFrame({"reused_from": origins}))
    assert (reused.count, reused.jobs) == (5, ("k", "j-a"))
    assert count_reused(pl.LazyFrame({"reused_from": [None]}, schema={"reused_from": pl.String})).jobs == ()
