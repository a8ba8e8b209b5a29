"""`vhb run` with a stack of its own: a package of somebody else, a secret, bad rows, and the same command again."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from person import remote, table, typed, until, vhb, write_folder, write_job

from vhb_shared.testing.endpoint_process import EndpointProcess

METRIC = """
import polars as pl
from vhb_evaluator.metrics.base import Metric


class Vowels(Metric):
    name = "vowels"
    version = "2"
    summary = "vowels of the answer for each of the reference"
    direction = "higher"
    source = "made for this test"
    normalisation = "text-lower@1"
    pooled = True

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        return pairs.select(
            "row",
            pl.col("answer").str.count_matches("[aeiou]").cast(pl.Float64).alias("numerator"),
            pl.lit(1.0).alias("denominator"),
        )
"""
SECRET = "sk-never-to-be-seen-7f3a91c2"
KEY = {"SOME_KEY": SECRET}


@pytest.fixture
def package(tmp_path: Path) -> dict[str, str]:
    """Variables that make an installed package with a metric visible, as a site directory would."""
    site = tmp_path / "site"
    info = site / "vowel_metric-1.2.dist-info"
    info.mkdir(parents=True)
    (site / "vowel_metric.py").write_text(METRIC)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vowel-metric\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[vhb.metrics]\nvowels = vowel_metric:Vowels\n")
    (info / "RECORD").write_text("")
    return {"PYTHONPATH": str(site)}


def everywhere(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    """The content of all files below, and of the command lines of all processes."""
    for folder in (*folders, Path("/proc")):
        for path in folder.glob("[0-9]*/cmdline") if folder == Path("/proc") else folder.rglob("*"):
            with suppress(OSError):
                if path.is_file():
                    yield path, path.read_bytes()


def leaks(secret: str, *folders: Path) -> list[Path]:
    """Where a secret can be read."""
    return [path for path, content in everywhere(*folders) if secret.encode() in content]


def test_everything_in_one_command(tmp_path: Path, endpoint: EndpointProcess, package: dict[str, str]) -> None:
    endpoint.control(api_key=SECRET)

    def spoil(rows: list[list[str]]) -> None:
        rows[1][2] = "images/none.png"

    write_folder(tmp_path / "data", 6, change=spoil)
    models = [remote(endpoint.base_url, api_key_env="SOME_KEY"), "echo"]
    models[1] = remote(endpoint.base_url, api_key_env="SOME_KEY", name="other", stream=False)
    tasks = [
        {"name": "ask", "dataset": "./data", "metrics": ["cer", "vowels"]},
        {
            "name": "read",
            "dataset": "./data",
            "prompt": "Читай",
            "metrics": ["VOWELS"],
            "filter": {"doc_class": "паспорт"},
        },
    ]
    job = write_job(tmp_path / "both.json", models, tasks)
    assert "vowel-metric 1.2" in vhb("metrics", "list", cwd=tmp_path, env=package).stdout
    given = ("run", job, "--out", "out", "--workdir", "wd")
    refused = vhb(*given, cwd=tmp_path, env=package | KEY, code=2)
    assert "images/none.png" in refused.stderr and not (tmp_path / "out").exists()

    done = vhb(*given, "--skip-bad-rows", cwd=tmp_path, env=package | KEY)
    assert "both-" in done.stderr and "file://" in done.stderr
    assert endpoint.stats()["total"] == 2 * (5 + 3)
    rows = table(tmp_path / "out/runs/remote__ask/answers.csv")
    assert [row["id"] for row in rows] == ["0", "2", "3", "4", "5"]
    assert not any(row["ttft_ms"] for row in table(tmp_path / "out/runs/other__ask/answers.csv"))
    values = {
        (row["run"], row["metric"]): row for row in table(tmp_path / "out/metrics.csv") if row["level"] == "general"
    }
    assert values["remote__ask", "vowels"]["metric_version"] == "2"
    assert set(values) == {(f"{m}__{t}", n) for m in ("remote", "other")
                           for t, n in (("ask", "cer"), ("ask", "vowels"), ("read", "vowels"))}  # fmt: skip
    assert "1 bad row" in (tmp_path / "out/report.md").read_text()
    password = (tmp_path / "wd/nats/credentials.json").read_text().split('"password": "')[1].split('"')[0]

    again = vhb(*given, "--skip-bad-rows", cwd=tmp_path, env=package | KEY)
    assert "is complete; nothing is asked again" in again.stderr
    assert endpoint.stats()["total"] == 2 * (5 + 3)
    other = vhb(*given, "--skip-bad-rows", "--limit", "1", cwd=tmp_path, env=package | KEY, code=2)
    assert "holds the results of another job" in other.stderr and "--overwrite" in other.stderr

    assert leaks(SECRET, tmp_path) == []
    holders = leaks(password, tmp_path)
    assert holders and all(path.stat().st_mode & 0o077 == 0 for path in holders)


@pytest.mark.slow
def test_a_server_that_refuses(tmp_path: Path, endpoint: EndpointProcess) -> None:
    """Checked before the first sample; what was wrong can be mended, and the same command goes on."""
    write_folder(tmp_path / "data", 4)
    endpoint.control(api_key="another one")
    job = write_job(
        tmp_path / "job.yaml", [remote(endpoint.base_url, api_key_env="SOME_KEY")], [{"name": "a", "dataset": "data"}]
    )
    with typed("up", cwd=tmp_path, env=KEY) as stack:
        assert stack.stdout is not None and stack.stdout.readline().startswith("ready")
        done = vhb("run", job, "--out", "out", cwd=tmp_path, env=KEY, code=1)
        assert "SOME_KEY" in done.stderr and endpoint.stats()["total"] == 0
        rows = table(tmp_path / "out/runs/remote__a/answers.csv")
        assert [row["outcome"] for row in rows] == ["failed"] * 4 and all(row["error"] for row in rows)
        assert leaks(SECRET, tmp_path) == []

        endpoint.control(api_key=SECRET, models=["another"])
        unknown = vhb("run", job, "--out", "out", cwd=tmp_path, env=KEY, code=1)
        assert "does not know 'stand-in'" in unknown.stderr and "another" in unknown.stderr
        endpoint.control(api_key=SECRET, models=["stand-in"])
        mended = vhb("run", job, "--out", "out", cwd=tmp_path, env=KEY)
        assert "4 samples without an answer will be asked again" in mended.stderr

        gone = write_job(tmp_path / "gone.yaml", [remote("http://127.0.0.1:9/v1")], [{"name": "a", "dataset": "data"}])
        down = vhb("run", gone, "--out", "gone", cwd=tmp_path, code=1)
        assert "No server can be reached at http://127.0.0.1:9/v1" in down.stderr


def test_interrupted_and_run_again(tmp_path: Path, endpoint: EndpointProcess) -> None:
    write_folder(tmp_path / "data", 40)
    endpoint.control(delay_ms=400)
    job = write_job(
        tmp_path / "job.yaml", [remote(endpoint.base_url, concurrency=4)], [{"name": "a", "dataset": "data"}]
    )
    with typed("run", job, "--out", "out", "--workdir", "wd", cwd=tmp_path) as running:
        until(lambda: endpoint.stats()["total"] >= 12)
        started = time.monotonic()
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
        assert time.monotonic() - started < 15
        assert running.stderr is not None
        assert "run the same command again to go on" in running.stderr.read()
    assert not any(str(tmp_path).encode() in content for path, content in everywhere() if "cmdline" in path.name)
    endpoint.control(delay_ms=0)
    done = vhb("run", job, "--out", "out", "--workdir", "wd", cwd=tmp_path)
    assert "Going on with job-" in done.stderr
    assert endpoint.stats()["total"] <= 40 + 4
    assert [row["outcome"] for row in table(tmp_path / "out/runs/remote__a/answers.csv")] == ["answered"] * 40


@pytest.mark.slow
def test_interrupted_twice_ends_at_once(tmp_path: Path, endpoint: EndpointProcess) -> None:
    write_folder(tmp_path / "data", 20)
    endpoint.control(delay_ms=2000)
    job = write_job(
        tmp_path / "job.yaml", [remote(endpoint.base_url, concurrency=2)], [{"name": "a", "dataset": "data"}]
    )
    with typed("run", job, "--workdir", "wd", cwd=tmp_path) as running:
        until(lambda: endpoint.stats()["total"] >= 2)
        os.kill(running.pid, signal.SIGINT)
        time.sleep(0.2)
        os.kill(running.pid, signal.SIGINT)
        assert running.wait(10) == 130
    until(lambda: leaks(str(tmp_path)) == [], 10)
