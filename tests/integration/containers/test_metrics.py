"""A metric with packages of its own, in a container: scored, died, started again, gone at the end."""

import asyncio
import os
from pathlib import Path

import docker
import polars as pl
import pytest

from vhb_evaluator.isolation.pool import WorkerPool
from vhb_evaluator.isolation.threads import PooledWorkers
from vhb_evaluator.metrics.context import MetricContext
from vhb_evaluator.metrics.isolated import metric_environments
from vhb_evaluator.metrics.registry import bind_all
from vhb_evaluator.scoring import score_bound
from vhb_evaluator.settings import EvaluatorSettings
from vhb_evaluator.threads import threaded
from vhb_shared.contracts.job import MetricSpec
from vhb_shared.contracts.metric_entry import MetricEntry
from vhb_shared.jobs.metric_entries import bundled_entry
from vhb_shared.store.cache import ObjectCache
from vhb_shared.store.directory import DirectoryStore
from vhb_shared.testing.wheels import make_wheel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CODE = """
import os, platform, in_a_container

class Same:
    def __init__(self, factor=1.0):
        self.factor = factor

    def score(self, samples):
        if os.getpid() != 1 and not os.path.exists("/.dockerenv"):
            raise RuntimeError("not in a container")
        right = [sample["answer"] in sample["references"] for sample in samples]
        return [{"row": sample["row"], "value": self.factor * in_a_container.WORTH * hit, "detail": platform.node()}
                for sample, hit in zip(samples, right)]
"""


def rows(*answers: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    keys = {"index": range(len(answers)), "id": [str(n) for n in range(len(answers))]}
    samples = pl.DataFrame({**keys, "references": [["right"]] * len(answers)})
    empty = (pl.lit(None, dtype=pl.String).alias(name) for name in ("doc_class", "question_type"))
    return samples.with_columns(empty), pl.DataFrame(
        {**keys, "model_answer": answers, "outcome": ["answered"] * len(answers)}
    )


async def test_a_metric_runs_in_a_container(
    tmp_path: Path, base_image: str, docker_network: str, client: "docker.DockerClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("BASE_IMAGE", base_image), ("NETWORK", docker_network), ("PACKAGE_CACHE", docker_network)):
        monkeypatch.setenv(f"VHB_DOCKER_{name}", value)
    monkeypatch.setenv("VHB_DOCKER_PULL", "never")
    (wheels := tmp_path / "wheels").mkdir()
    version = f"1.{os.getpid()}"
    make_wheel(wheels, "in_a_container", version, "WORTH = 0.5\n")
    (tmp_path / "same.py").write_text(CODE)
    store = DirectoryStore(tmp_path / "store")
    entry = await bundled_entry(
        MetricEntry(
            name="same", summary="s", direction="higher", source="this test", target="same:Same", path="same.py",
            packages=(f"in_a_container=={version}",), environment="docker", image=base_image, range=(0, 1),
            options={"factor": 1.0},
        ),
        tmp_path,
        store,
    )  # fmt: skip
    settings = EvaluatorSettings(
        name=docker_network, environments=tmp_path / "environments", wheels=wheels, metric_idle_s=300
    )
    async with WorkerPool(settings, ObjectCache(store, tmp_path / "cache")) as pool:
        workers = PooledWorkers(pool, asyncio.get_running_loop())
        specs = (MetricSpec(name="same", entry=entry), MetricSpec(name="same", entry=entry, options={"factor": 2.0}))
        bound = bind_all(specs, MetricContext(workers=workers))
        scores = await threaded(score_bound, *rows("right", "wrong"), bound)
        assert scores["value"].to_list() == [0.5, 1.0, 0.0, 0.0]
        found = await threaded(metric_environments, bound)
        about = next(iter(found.values()))
        assert about["environment"] == "docker" and about["packages"]["in_a_container"] == version
        assert about["image"]["id"].startswith("sha256:")

        # Killed between two batches: another one is started.
        running = client.containers.list(filters={"label": "vhb.metric=worker"})
        assert len(running) == 2
        for container in running:
            container.kill()
        again = await threaded(score_bound, *rows("right", "wrong"), bound)
        assert again.drop("detail").equals(scores.drop("detail"))
    assert not client.containers.list(all=True, filters={"label": "vhb.metric=worker"})
