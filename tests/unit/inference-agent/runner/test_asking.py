"""What reaches a server: turns before the question, repetitions with seeds of their own, options as they are scored.
Over a real HTTP connection; the server answers with what it was asked."""

import io
import json
from typing import Any

import polars as pl
import pytest

from vhb_inference_agent.runner.reuse import KnownAnswers
from vhb_shared.contracts.asking import FewShot, ShuffleOptions
from vhb_shared.contracts.job import Generation
from vhb_shared.contracts.plan import DatasetRef
from vhb_shared.datasets.records import SAMPLE_SCHEMA
from vhb_shared.datasets.selection import run_samples
from vhb_shared.reuse.index import encode_index, part_rows
from vhb_shared.reuse.scope import reuse_scope
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore
from vhb_shared.store.cache import ObjectCache
from vhb_shared.testing.samples import store_samples


@pytest.fixture(autouse=True)
def echoing(endpoint: Any) -> None:
    endpoint.control(echo=True)


async def said(desk: Any, run: Any) -> dict[str, dict[str, Any]]:
    """What was asked for each row, by its id."""
    rows = await desk.rows(await desk.answer(run))
    assert [row["outcome"] for row in rows] == ["answered"] * run.samples, [row["error"] for row in rows]
    return {row["id"]: json.loads(row["model_answer"]) | {"fingerprint": row["fingerprint"]} for row in rows}


async def images_of(store: ObjectStore, dataset: DatasetRef) -> list[str]:
    table = pl.read_parquet(io.BytesIO(await store.get(layout.dataset_samples(dataset.digest))))
    return [f"sha256:{names[0].partition('.')[0]}" for names in table["images"]]


async def test_examples_come_as_turns_before_the_question(desk) -> None:
    dataset = await store_samples(desk.store, 4)
    images = await images_of(desk.store, dataset)
    task = {"system_prompt": "Be exact.", "prompt": "Q: {{ question }}", "few_shot": FewShot(ids=("s00002", "s00000"))}
    asked = await said(desk, desk.run(dataset, task=task))
    assert asked["s00001"]["messages"] == [
        ["system", "Be exact."],
        ["user", images[2], "Q: question 2"],
        ["assistant", "reference 2"],
        ["user", images[0], "Q: question 0"],
        ["assistant", "reference 0"],
        ["user", images[1], "Q: question 1"],
    ]
    assert [message[-1] for message in asked["s00002"]["messages"]] == [
        "Be exact.", "Q: question 0", "reference 0", "Q: question 2",
    ]  # fmt: skip


async def test_examples_of_other_data_bring_their_own_images(desk) -> None:
    dataset, other = await store_samples(desk.store, 2), await store_samples(desk.store, 3, side=24)
    images = await images_of(desk.store, other)
    few_shot = FewShot(dataset=f"sha256:{other.digest}", ids=("s00001",))
    asked = await said(desk, desk.run(dataset, task={"few_shot": few_shot}))
    # The same id in other data is another sample.
    assert asked["s00001"]["messages"][:2] == [["user", images[1], "question 1"], ["assistant", "reference 1"]]
    assert len(asked["s00001"]["messages"]) == 3


async def test_images_of_examples_are_read_once(desk) -> None:
    dataset, other = await store_samples(desk.store, 30), await store_samples(desk.store, 2, side=24)
    copies = ObjectCache(desk.store, desk.state_dir / "counted")
    read: list[str] = []

    class Counting:
        async def path(self, key: str):
            read.append(key)
            return await copies.path(key)

    from vhb_inference_agent.runner.media import ImageEncoder

    desk.images = ImageEncoder(Counting())
    few_shot = FewShot(dataset=f"sha256:{other.digest}", count=2)
    await said(desk, desk.run(dataset, task={"few_shot": few_shot}))
    assert len(read) == len(set(read)) == 32


async def test_repetitions_have_rows_and_seeds_of_their_own(desk) -> None:
    dataset = await store_samples(desk.store, 2)
    run = desk.run(dataset, samples=6, task={"epochs": 3}, generation=Generation(temperature=1, seed=10))
    asked = await said(desk, run)
    assert list(asked) == ["s00000", "s00000~e2", "s00000~e3", "s00001", "s00001~e2", "s00001~e3"]
    assert [each["seed"] for each in asked.values()] == [10, 11, 12] * 2
    assert len({each["fingerprint"] for each in asked.values()}) == 6
    once = await said(desk, desk.run(dataset, generation=Generation(temperature=1, seed=10)))
    assert once["s00001"] == asked["s00001"]  # the first time is the same request as without repetitions
    unseeded = await said(desk, desk.run(dataset, samples=4, task={"epochs": 2}, generation=Generation(temperature=1)))
    assert {each["seed"] for each in unseeded.values()} == {None}
    assert len({each["fingerprint"] for each in unseeded.values()}) == 4


async def test_a_repetition_is_never_answered_by_another_one(desk, endpoint) -> None:
    """Re-use finds the very same request: more epochs cost only the new ones."""
    dataset = await store_samples(desk.store, 3)
    model = {"generation": Generation(temperature=1)}
    first = desk.run(dataset, samples=6, task={"epochs": 2}, **model)
    event = await desk.answer(first)
    part = pl.read_parquet(io.BytesIO(await desk.store.get(event.part_key)))
    rows, latest = part_rows(part, 0, event.token)
    index = encode_index(reuse_scope(first.model), first.run_id, [rows], latest)
    await desk.store.put(index.key, index.data)
    endpoint.control(reset=True)
    desk.known = KnownAnswers(desk.store, ObjectCache(desk.store, desk.state_dir / "known"))
    more = desk.run(dataset, samples=12, task={"epochs": 4}, **model).model_copy(
        update={"reuse": True, "run_id": "run2"}
    )
    rows = await desk.rows(await desk.answer(more, desk.work().model_copy(update={"run_id": "run2"})))
    assert endpoint.stats()["total"] == 6
    assert [row["reused_from"] for row in rows] == ["run", "run", None, None] * 3


async def store_choices(store: ObjectStore, count: int) -> DatasetRef:
    dataset = await store_samples(store, count)
    table = pl.read_parquet(io.BytesIO(await store.get(layout.dataset_samples(dataset.digest))))
    rows = [
        dict.fromkeys(SAMPLE_SCHEMA) | row | {"choices": ["red", "green", "blue"], "references": ["B"]}
        for row in table.iter_rows(named=True)
    ]
    buffer = io.BytesIO()
    pl.DataFrame(rows, schema=SAMPLE_SCHEMA).write_parquet(buffer)
    await store.put(layout.dataset_samples(dataset.digest), buffer.getvalue())
    return dataset


async def test_options_are_sent_as_they_are_scored(desk) -> None:
    dataset = await store_choices(desk.store, 3)
    run = desk.run(dataset, samples=9, task={"circular": True, "shuffle_options": ShuffleOptions(seed=5)})
    asked = await said(desk, run)
    path = await ObjectCache(desk.store, desk.state_dir / "c").path(layout.dataset_samples(dataset.digest))
    rows = run_samples(path, run).collect().to_dicts()
    assert list(asked) == [row["id"] for row in rows]
    for row in rows:
        lines = asked[row["id"]]["messages"][-1][-1].splitlines()
        assert lines[0] == f"question {row['sample'][-1]}"
        assert lines[1:] == [f"{letter}. {text}" for letter, text in zip("ABC", row["choices"], strict=True)]
        assert f"{row['references'][0]}. green" in lines
    assert len({each["fingerprint"] for each in asked.values()}) == 9
