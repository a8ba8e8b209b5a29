"""Metrics with packages of their own, scored by real workers in real environments, without a network."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.isolation.pool import WorkerPool
from vhb_evaluator.isolation.threads import PooledWorkers
from vhb_evaluator.metrics.context import MetricContext
from vhb_evaluator.metrics.declared import declared
from vhb_evaluator.metrics.isolated import metric_environments
from vhb_evaluator.metrics.registry import bind_all, higher_is_better
from vhb_evaluator.scoring import score_bound
from vhb_evaluator.settings import EvaluatorSettings
from vhb_evaluator.threads import threaded
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import MetricSpec
from vhb_shared.contracts.metric_entry import MetricEntry, MetricResources
from vhb_shared.environments.base import EnvironmentFailed
from vhb_shared.environments.process import ProcessEnvironment
from vhb_shared.errors import Unavailable, UserError
from vhb_shared.jobs.metric_entries import bundled_entry
from vhb_shared.store.cache import ObjectCache
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.wheels import make_wheel

CODE = """
import os, time, unlike_anything

class Same:
    def __init__(self, factor=1.0):
        self.factor = factor

    def score(self, samples):
        scores = []
        for sample in samples:
            right = sample["answer"] in sample["references"]
            scores.append({"row": sample["row"], "value": right * self.factor * unlike_anything.WORTH,
                           "detail": {"pid": os.getpid()}})
        return scores

class Dies(Same):
    def score(self, samples):
        if any(sample["answer"] == "die" for sample in samples):
            os._exit(9)
        return super().score(samples)

class Hangs(Same):
    def score(self, samples):
        time.sleep(600)

class Eats(Same):
    def score(self, samples):
        self.eaten = [bytearray(os.urandom(1 << 20)) for _ in range(2000)]
        time.sleep(60)

class Breaks(Same):
    def score(self, samples):
        raise ValueError("the model is not mine")

class Unready:
    def __init__(self):
        raise OSError("no weights")
"""


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels of two versions, code, and environments that the tests of this file share: they are built once."""
    folder = tmp_path_factory.mktemp("isolated")
    (folder / "wheels").mkdir()
    make_wheel(folder / "wheels", "unlike_anything", "1.0", "WORTH = 1")
    make_wheel(folder / "wheels", "unlike_anything", "2.0", "WORTH = 2")
    (folder / "same.py").write_text(CODE)
    return folder


@pytest.fixture
async def pool(shared_folder: Path) -> AsyncIterator[WorkerPool]:
    settings = EvaluatorSettings(
        environments=shared_folder / "environments", wheels=shared_folder / "wheels", metric_workers=2
    )
    store = DirectoryStore(shared_folder / "store")
    async with WorkerPool(settings, ObjectCache(store, shared_folder / "cache")) as made:
        yield made


async def entry(folder: Path, target: str = "Same", **changes: Any) -> MetricEntry:
    """As a job brings it."""
    fields: dict[str, Any] = {
        "name": "same", "summary": "is it the same", "direction": "higher", "source": "here",
        "target": f"same:{target}", "path": str(folder / "same.py"), "packages": ("unlike_anything==1.0",),
        "options": {"factor": 1.0},
    }  # fmt: skip
    return await bundled_entry(MetricEntry(**(fields | changes)), None, DirectoryStore(folder / "store"))


async def scored(pool: WorkerPool, *specs: MetricSpec, answers: tuple[str, ...] = ("a", "x", "c")) -> pl.DataFrame:
    keys = {"index": range(len(answers)), "id": [str(n) for n in range(len(answers))]}
    samples = pl.DataFrame({**keys, "doc_class": None, "question_type": None, "references": [["a"]] * len(answers)})
    given = pl.DataFrame({**keys, "model_answer": answers, "outcome": "answered"})
    metrics = bind_all(specs, MetricContext(workers=PooledWorkers(pool, asyncio.get_running_loop())))
    return await threaded(score_bound, samples, given, metrics)


async def test_two_versions_of_one_package_at_once(pool: WorkerPool, shared_folder: Path) -> None:
    one = await entry(shared_folder)
    two = await entry(shared_folder, name="twice", packages=("unlike_anything==2.0",), range=(0, 2))
    table = await scored(
        pool,
        MetricSpec(name="same", entry=one),
        MetricSpec(name="twice", entry=two),
        MetricSpec(name="same", entry=one, options={"factor": 0.5}),
    )
    values = {label: part["value"].to_list() for (label,), part in table.group_by("metric")}
    assert values == {"same": [1, 0, 0], "twice": [2, 0, 0], 'same{"factor":0.5}': [0.5, 0, 0]}
    assert set(table["metric_version"]) == {one.full_version, two.full_version} and one.full_version.startswith("1+")
    bound = bind_all(
        (MetricSpec(name="twice", entry=two),),
        MetricContext(workers=PooledWorkers(pool, asyncio.get_running_loop())),
    )
    recorded = await threaded(metric_environments, bound)
    assert recorded["twice"]["packages"]["unlike_anything"] == "2.0" and recorded["twice"]["entry"] == two.digest


async def test_a_killed_worker_is_replaced_and_the_batch_asked_again(pool: WorkerPool, shared_folder: Path) -> None:
    spec = MetricSpec(name="same", entry=await entry(shared_folder))
    before = await scored(pool, spec)
    pid = int(before["detail"].str.json_path_match("$.pid")[0])
    again = await scored(pool, spec)
    assert again["detail"].equals(before["detail"]), "the worker was not kept"
    os.kill(pid, signal.SIGKILL)
    after = await scored(pool, spec)
    assert after.drop("detail").equals(before.drop("detail"))
    assert int(after["detail"].str.json_path_match("$.pid")[0]) != pid


@pytest.mark.parametrize(
    ("target", "changes", "words"),
    [
        ("Dies", {}, "died 3 times, the last time it exited with code 9"),
        ("Hangs", {"timeout_s": 0.5}, r"within 0.5 s and was ended: raise `timeout_s`"),
        ("Breaks", {}, r"ValueError: the model is not mine .*last lines"),
        ("Unready", {"options": {}}, "cannot be loaded: OSError: no weights"),
        (
            "Same",
            {"packages": ("unlike_anything==3.0",)},
            r"you require unlike-anything==3\.0.*check the entry's `packages`",
        ),
        ("Eats", {"resources": MetricResources(memory_gib=0.2)}, "ran out of memory: raise `resources: memory_gib`"),
    ],
)
async def test_what_fails_is_said_and_never_a_score(
    pool: WorkerPool, shared_folder: Path, target: str, changes: dict[str, Any], words: str
) -> None:
    spec = MetricSpec(name="same", entry=await entry(shared_folder, target, **changes))
    with pytest.raises(EvaluationFailed, match=words):
        await scored(pool, spec, answers=("die",))


async def test_code_that_was_not_stored_is_refused(pool: WorkerPool, shared_folder: Path) -> None:
    own = (await entry(shared_folder)).model_copy(update={"path": "/etc"})
    with pytest.raises(EvaluationFailed, match="was not stored with the job"):
        await scored(pool, MetricSpec(name="same", entry=own))


async def test_an_evaluator_may_refuse_them(shared_folder: Path) -> None:
    settings = EvaluatorSettings(environments=shared_folder / "environments", metric_environments="none")
    store = DirectoryStore(shared_folder / "store")
    async with WorkerPool(settings, ObjectCache(store, shared_folder / "cache")) as pool:
        with pytest.raises(EvaluationFailed, match=r"no metrics in environment 'process'; allowed: none"):
            await scored(pool, MetricSpec(name="same", entry=await entry(shared_folder)))


async def test_packages_out_of_reach_wait_and_then_fail(
    pool: WorkerPool, shared_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    async def away(*_: Any) -> Any:
        nonlocal tries
        tries += 1
        raise EnvironmentFailed(Failure(kind="environment_failed", message="no network", retryable=True))

    monkeypatch.setattr(ProcessEnvironment, "prepare", away)
    spec = MetricSpec(name="same", entry=await entry(shared_folder))
    for _ in range(10):
        with pytest.raises(Unavailable, match="no network"):
            await scored(pool, spec)
    with pytest.raises(EvaluationFailed, match="cannot run: no network"):
        await scored(pool, spec)
    assert tries == 11
    with pytest.raises(EvaluationFailed, match="no network"):
        await scored(pool, spec)
    assert tries == 11, "a known failure was tried again at once"


async def test_places_are_checked_without_building_anything(shared_folder: Path) -> None:
    for changes, words in (
        ({"environment": "dockr"}, r"unknown environment 'dockr'.*docker"),
        ({"environment": "docker"}, r"needs an `image`"),
        ({"image": "python:3.12"}, r"runs no images"),
        ({"normalisation": "odd"}, r"odd"),
    ):
        spec = MetricSpec(name="same", entry=await entry(shared_folder, **changes))
        with pytest.raises(UserError, match=words):
            bind_all((spec,))


async def test_idle_workers_make_room(pool: WorkerPool, shared_folder: Path) -> None:
    specs = [
        MetricSpec(name="same", entry=await entry(shared_folder), options={"factor": factor}) for factor in (1, 2, 3)
    ]
    table = await scored(pool, *specs)
    pids = [int(pid) for pid in table["detail"].str.json_path_match("$.pid").unique(maintain_order=True)]
    assert len(pids) == 3
    assert [psutil.pid_exists(pid) for pid in pids] == [False, True, True]


async def test_names_belong_to_the_job(shared_folder: Path) -> None:
    lower = await entry(shared_folder, direction="lower")
    with declared([lower]):
        assert not higher_is_better('same{"factor":2}')
        with declared([await entry(shared_folder)]):
            assert higher_is_better("same")
    with pytest.raises(UserError, match="unknown metric 'same'"):
        higher_is_better("same")


async def test_options_are_checked_without_building_anything(shared_folder: Path) -> None:
    own = await entry(shared_folder)
    with pytest.raises(UserError, match=r"option 'facto' of metric 'same'.*known options: factor"):
        bind_all((MetricSpec(name="same", entry=own, options={"facto": 2}),))
    with pytest.raises(UserError, match="option 'factor"):
        bind_all((MetricSpec(name="same", entry=own, options={"factor": "much"}),))
    (bound,) = bind_all((MetricSpec(name="same", entry=own, options={"factor": 2}),))
    assert bound.metric.extremes is None and bound.label == 'same{"factor":2}'


LIFE = """
import asyncio, sys
from pathlib import Path
from vhb_evaluator.isolation.pool import WorkerPool
from vhb_evaluator.settings import EvaluatorSettings
from vhb_shared.contracts.metric_entry import MetricEntry
from vhb_shared.store.cache import ObjectCache
from vhb_shared.store.directory import DirectoryStore

async def main(folder):
    settings = EvaluatorSettings(environments=folder / "environments", wheels=folder / "wheels")
    pool = WorkerPool(settings, ObjectCache(DirectoryStore(folder / "store"), folder / "cache"))
    reply = await pool.score(MetricEntry.model_validate_json(sys.argv[2]), {}, sys.argv[3].encode())
    print(reply.content()["scores"][0]["detail"], flush=True)
    await asyncio.sleep(60)

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_a_worker_dies_with_its_evaluator(shared_folder: Path) -> None:
    own = await entry(shared_folder)
    body = json.dumps({"samples": [{"row": 0, "answer": "a", "references": ["a"]}]})
    evaluator = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LIFE, str(shared_folder), own.model_dump_json(), body, stdout=asyncio.subprocess.PIPE
    )
    assert evaluator.stdout is not None
    while not (line := await evaluator.stdout.readline()).startswith(b"{"):
        assert line, "it ended"
    worker = psutil.Process(json.loads(line)["pid"])
    evaluator.kill()
    await evaluator.wait()
    await asyncio.to_thread(worker.wait, 20)
