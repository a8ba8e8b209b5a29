"""A job submitted again asks only what is new. Each test has data of its own, which nothing else answered."""

import csv
from pathlib import Path
from typing import Any

import pytest
from person import HEADER, remote, table, vhb, write_csv, write_folder, write_job
from PIL import Image

from vhb_shared.testing.endpoint_process import EndpointProcess

RUN = "runs/remote__ask"


class Asker:
    """Submits jobs about one data set and counts what the endpoint is asked."""

    def __init__(self, place: Path, endpoint: EndpointProcess, name: str, samples: int) -> None:
        self.place = place
        self.endpoint = endpoint
        self.name = name
        self.data = write_folder(place / name, samples, change=self._own)
        self.jobs: list[str] = []

    def _own(self, rows: list[list[str]]) -> None:
        for row in rows:
            row[3] = f"{self.name} {row[3]}"

    def ask(
        self, *flags: str, models: list[Any] | None = None, code: int = 0, **task: Any
    ) -> tuple[int, list[dict[str, str]], str]:
        """(requests, rows of the first run, what the command said)"""
        self.endpoint.control(reset=True)
        reuse = task.pop("reuse", True)
        number = len(self.jobs)
        job = write_job(
            self.place / f"{self.name}-{number}.yaml",
            models or [remote(self.endpoint.base_url)],
            [{"name": "ask", "dataset": f"./{self.name}", "metrics": ["cer"], **task}],
            reuse=reuse,
            shard_size=4,
        )
        done = vhb("submit", job, "--wait", *flags, cwd=self.place, code=code)
        self.jobs.append(done.stdout.strip())
        requests = int(self.endpoint.stats()["total"])
        out = self.place / f"out-{self.name}-{number}"
        vhb("results", self.jobs[-1], "--out", out, cwd=self.place)
        return requests, table(out / RUN / "answers.csv"), done.stderr

    def out(self, number: int) -> Path:
        return self.place / f"out-{self.name}-{number}"


@pytest.fixture
def asker(place: Path, endpoint: EndpointProcess, request: pytest.FixtureRequest) -> Asker:
    return Asker(place, endpoint, request.node.name.replace("_", "-"), 10)


def said(rows: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    return [(row["id"], row["model_answer"], row["outcome"]) for row in rows]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_only_what_is_new_is_asked(asker: Asker, place: Path) -> None:
    requests, first, _ = asker.ask()
    assert requests == 10 and not any(row["reused_from"] for row in first)

    requests, rows, screen = asker.ask()
    assert requests == 0 and said(rows) == said(first)
    assert {row["reused_from"] for row in rows} == {f"{asker.jobs[0]}-0"}
    assert [row["latency_ms"] for row in rows] == [row["latency_ms"] for row in first]
    assert f"10 of 10 answers re-used from job {asker.jobs[0]}" in screen
    metrics = [(asker.out(n) / "metrics.csv").read_text() for n in (0, 1)]
    assert metrics[0] == metrics[1]
    report = (asker.out(1) / "report.md").read_text()
    assert "10 of 10 answers" in report and asker.jobs[0] in report

    requests, rows, _ = asker.ask("--limit", "7", metrics=["anls", "exact_match"])
    assert requests == 0 and said(rows) == said(first)[:7]
    requests, _, screen = asker.ask(
        models=[
            remote(asker.endpoint.base_url),
            remote(asker.endpoint.base_url, name="b", engine_args={}, generation={"seed": 1}),
        ]
    )
    assert requests == 10 and "10 of 20 answers re-used" in screen

    with (asker.data / "annotation.csv").open(encoding="utf-8-sig", newline="") as file:
        annotation = list(csv.reader(file, delimiter=";"))[1:]
    Image.new("RGB", (8, 8), (1, 2, 3)).save(asker.data / "images/new.png")
    annotation.insert(3, ["10", "test", "images/new.png", "new?", "x", "паспорт", "ФИО", ""])
    write_csv(asker.data / "annotation.csv", HEADER, annotation)
    requests, rows, _ = asker.ask()
    assert requests == 1 and len(rows) == 11
    assert [row["id"] for row in rows if not row["reused_from"]] == ["3"]

    requests, _, _ = asker.ask(prompt="Another prompt: {{ question }}")
    assert requests == 11
    requests, rows, _ = asker.ask(reuse=False)
    assert requests == 11 and not any(row["reused_from"] for row in rows)
    requests, _, _ = asker.ask("--no-reuse")
    assert requests == 11
