"""Judges that see the images of a sample, asked for real over HTTP by the real evaluator with its own rights."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from vhb_evaluator.metrics.judge import asking
from vhb_shared.contracts.job import MetricSpec
from vhb_shared.errors import Unavailable
from vhb_shared.store import layout
from vhb_shared.testing.endpoint_process import EndpointProcess

RED, BLUE, LOST, HUGE = b"a red image", b"a blue image", b"not in storage", b"x" * 100
DIGESTS = {content: hashlib.sha256(content).hexdigest() for content in (RED, BLUE, LOST, HUGE)}
RULES = [
    {"match": DIGESTS[RED], "action": "answer", "text": '{"score": 5}'},
    {"match": DIGESTS[BLUE], "action": "answer", "text": '{"score": 3}'},
    {"match": "", "action": "answer", "text": '{"score": 1}'},
]


def name(content: bytes) -> str:
    return f"{DIGESTS[content]}.png"


@pytest.fixture(scope="module")
def process() -> Iterator[EndpointProcess]:
    with EndpointProcess("--model=judge") as started:
        yield started


@pytest.fixture
def endpoint(process: EndpointProcess) -> EndpointProcess:
    process.control(reset=True, rules=RULES)
    return process


def judge(endpoint: EndpointProcess, **options: Any) -> MetricSpec:
    return MetricSpec(name="judge", options={"model": "judge", "base_url": endpoint.base_url, "attempts": 1, **options})


async def start(bench, tmp_path, make_samples, make_answers, images, metric):
    for content in (RED, BLUE, HUGE):
        await bench.store.put(layout.dataset_media(bench.digest, name(content)), content)
    shown = [[name(each) for each in found] for found in images]
    samples = make_samples([["x"]] * len(images), question=["q"] * len(images), images=shown)
    await bench.start(tmp_path, samples, shard_size=len(images), metrics=[metric])
    rows = [(place, "the same answer", "answered") for place in range(len(images))]
    await bench.commit(tmp_path, 0, make_answers(rows))


async def evaluated(bench) -> tuple[list[float | None], list[dict[str, Any]]]:
    await bench.handlers.evaluate_run(bench.completed())
    scores = await bench.table("scores.parquet")
    return scores["value"].to_list(), [json.loads(each)["judges"][0] for each in scores["detail"]]


async def test_a_judge_sees_the_images(bench, tmp_path, make_samples, make_answers, endpoint):
    images = [[RED], [BLUE], [], [BLUE, RED]]
    await start(bench, tmp_path, make_samples, make_answers, images, judge(endpoint, images=True))
    values, details = await evaluated(bench)
    # The texts are the same: only the images tell the samples apart. The first rule that fits any image counts.
    assert values == [1, 0.5, 0, 1]
    assert len({each["fingerprint"] for each in details}) == 4
    (report,) = json.loads(await bench.store.get(layout.run_file(bench.run_id, "judges.json"))).values()
    assert report["images"] is True and "The images are" in report["prompt"][0]["content"]
    endpoint.control(reset=True)
    assert (await evaluated(bench))[0] == values
    assert endpoint.stats()["total"] == 0  # rulings on images are kept like others


async def test_without_the_option_no_image_leaves(bench, tmp_path, make_samples, make_answers, endpoint):
    await start(bench, tmp_path, make_samples, make_answers, [[RED], [BLUE]], judge(endpoint))
    values, details = await evaluated(bench)
    assert values == [0, 0]
    assert len({each["fingerprint"] for each in details}) == 1
    assert endpoint.stats()["total"] == 1


async def test_images_that_cannot_be_shown_are_not_scored(
    bench, tmp_path, make_samples, make_answers, endpoint, monkeypatch
):
    monkeypatch.setattr(asking, "MAX_IMAGE_BYTES", 60)
    # More in a row than a judge may fail: it is not the judge that fails.
    images = [[LOST]] * asking.GIVE_UP_AFTER + [[HUGE], [RED, HUGE], [RED]]
    metric = judge(endpoint, images=True, concurrency=1)
    await start(bench, tmp_path, make_samples, make_answers, images, metric)
    values, details = await evaluated(bench)
    assert values == [None] * (len(images) - 1) + [1]
    assert details[0]["failure"] == f"not asked: the image {name(LOST)} is not in storage; load the data set again"
    assert all("the sample's images are larger than" in each["failure"] for each in details[-3:-1])
    assert endpoint.stats()["total"] == 1


async def test_a_storage_that_does_not_answer_is_waited_for(
    bench, tmp_path, make_samples, make_answers, endpoint, monkeypatch
):
    await start(bench, tmp_path, make_samples, make_answers, [[RED]], judge(endpoint, images=True))
    media, path = layout.dataset_media(bench.digest, name(RED)), bench.handlers._cache.path

    async def silent(key: str) -> Any:
        if key == media:
            raise Unavailable("the storage does not answer")
        return await path(key)

    monkeypatch.setattr(bench.handlers._cache, "path", silent)
    with pytest.raises(Unavailable, match="does not answer"):
        await bench.handlers.evaluate_run(bench.completed())
    monkeypatch.undo()
    assert (await evaluated(bench))[0] == [1]


async def test_requests_with_images_are_few_at_once(bench, tmp_path, make_samples, make_answers, endpoint):
    endpoint.control(delay_ms=20, rules=[{"match": "", "action": "answer", "text": '{"score": 5}'}])
    images = [[RED]] * 24
    metric = judge(endpoint, images=True, concurrency=64)
    await start(bench, tmp_path, make_samples, make_answers, images, metric)
    samples = make_samples([["x"]] * 24, question=[f"q{n}" for n in range(24)], images=[[name(RED)]] * 24)
    await bench.put_table(layout.dataset_samples(bench.digest), samples, tmp_path)
    await bench.handlers.evaluate_run(bench.completed())
    stats = endpoint.stats()
    assert stats["total"] == 24 and stats["max_in_flight"] <= 8
