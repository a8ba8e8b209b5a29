"""Judges that agents serve: a job asks them about its answers, and is evaluated when they have replied."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from person import remote, until, vhb, write_job
from PIL import Image

from vhb_shared.testing.endpoint_process import EndpointProcess

SAMPLES = 6
LABEL = 'judge{"models":["jack","jill"]}'


def write_data(folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    with (folder / "annotation.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["image_path", "question", "answer"])
        for n in range(SAMPLES):
            Image.new("RGB", (8, 8), (n, 5, 7)).save(folder / f"images/{n}.png")
            writer.writerow([f"images/{n}.png", f"{folder.name} {n}?", f"right {n}"])


def rulings(name: str, scores: dict[int, int]) -> list[dict[str, Any]]:
    """The stand-in as a judge, told apart by the delimiters around the question."""
    return [
        {"match": f"{name} {n}?\n</question", "action": "answer", "text": json.dumps({"score": score, "reason": "so"})}
        for n, score in scores.items()
    ]


def judged_job(place: Path, endpoint: EndpointProcess, name: str, **options: Any) -> Path:
    write_data(place / name)
    judges = [remote(endpoint.base_url, name="jack"), remote(endpoint.base_url, name="jill", generation={"seed": 4})]
    metric = {"name": "judge", "models": judges, "options": options}
    task = {"name": "read", "dataset": f"./{name}", "metrics": ["exact_match", metric]}
    return write_job(place / f"{name}.yaml", [remote(endpoint.base_url)], [task], shard_size=2)


def general(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["metric"]: row for row in csv.DictReader(file) if row["level"] == "general"}


def test_judges_are_asked_by_agents(place: Path, endpoint: EndpointProcess) -> None:
    away = {"match": "by-agents 5?\n</question", "action": "status", "status": 400}
    endpoint.control(rules=[*rulings("by-agents", dict(enumerate([1, 2, 3, 4, 5]))), away])
    job_id = vhb("submit", judged_job(place, endpoint, "by-agents"), "--wait", cwd=place).stdout.strip()
    vhb("results", job_id, "--out", "by-agents-out", cwd=place)
    rows = general(place / "by-agents-out/metrics.csv")
    assert (rows[LABEL]["n"], rows[LABEL]["n_scored"], rows[LABEL]["n_failed"]) == ("6", "5", "0")
    sql = "SELECT DISTINCT model FROM runs WHERE model IN ('remote', 'jack', 'jill')"
    models = json.loads(vhb("query", sql, "--json", cwd=place).stdout)["rows"]
    assert models == [["remote"]]  # the judges' job is no benchmark of judges
    assert float(rows[LABEL]["value"]) == pytest.approx((0 + 0.25 + 0.5 + 0.75 + 1) / 5)
    assert rows["exact_match"]["n_scored"] == "6"
    said = json.loads((place / "by-agents-out/runs/remote__read/judges.json").read_text())[LABEL]
    assert [(judge["model"], judge["asked"], judge["failed"], judge["mean_score"]) for judge in said["judges"]] == [
        ("jack", 6, 1, 3.0),
        ("jill", 6, 1, 3.0),
    ]
    assert said["agreement"] == {"krippendorff_alpha_interval": 1.0, "samples": 5}

    # The questions are a job of their own, which lists leave out until asked.
    child = f"{job_id}-0-q0-1"
    assert child not in vhb("status", cwd=place).stdout
    jobs = {job["job_id"]: job for job in json.loads(vhb("status", "--all", "--json", cwd=place).stdout)}
    assert jobs[child]["asked_by"] == f"{job_id}-0" and "asked_by" not in jobs[job_id]
    state = json.loads(vhb("status", child, "--json", cwd=place).stdout)
    assert [(run["model"], run["counts"]["answered"], run["counts"]["failed"]) for run in state["runs"]] == [
        ("jack", 5, 1),
        ("jill", 5, 1),
    ]

    # Again: what was ruled is not asked again, and images go along when they are wanted.
    endpoint.control(reset=True, rules=rulings("by-agents", {5: 5}))
    judge = yaml.safe_load((place / "by-agents.yaml").read_text())["tasks"][0]["metrics"][1]
    (place / "ruled-again.yaml").write_text(yaml.safe_dump({"metrics": [judge]}))
    vhb("evaluate", job_id, "--metrics", "ruled-again.yaml", "--out", "by-agents-again", cwd=place)
    assert endpoint.stats()["total"] == 2  # one question, two judges
    again = general(place / "by-agents-again/metrics.csv")[LABEL]
    assert (again["n_scored"], float(again["value"])) == ("6", pytest.approx(3.5 / 6))


@pytest.mark.slow
def test_judges_see_the_images_of_the_run(place: Path, endpoint: EndpointProcess) -> None:
    endpoint.control(echo=True)  # no ruling, but what was sent is in the answer
    job = judged_job(place, endpoint, "looked-at", images=True)
    job_id = vhb("submit", job, "--wait", cwd=place).stdout.strip()
    state = json.loads(vhb("status", job_id, "--json", cwd=place).stdout)
    metric = next(each for each in state["runs"][0]["metrics"] if each["metric"].startswith("judge"))
    assert (metric["n"], metric["n_scored"], metric["value"]) == (SAMPLES, 0, None)
    child = f"{job_id}-0-q0-1"
    vhb("results", child, "--out", "looked-at-judges", cwd=place)
    with (place / "looked-at-judges/runs/jack__judge/answers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    sent = [json.loads(row["model_answer"])["messages"] for row in rows]
    assert len(sent) == SAMPLES
    assert all(message[1][1].startswith("sha256:") for message in sent)
    assert all("The images are what the question is about" in message[0][1] for message in sent)
    shown = vhb("show", child, rows[0]["id"], cwd=place).stdout
    assert "looked-at 0?" in shown


@pytest.mark.slow
def test_a_job_is_cancelled_while_judges_are_asked(place: Path, endpoint: EndpointProcess) -> None:
    endpoint.control(rules=[{"match": "You judge answers", "action": "hang"}])
    job_id = vhb("submit", judged_job(place, endpoint, "stopped"), cwd=place).stdout.strip()
    child = f"{job_id}-0-q0-1"
    until(lambda: child in vhb("status", "--all", cwd=place).stdout)
    until(lambda: "waiting for models that its metrics ask" in vhb("explain", job_id, cwd=place).stdout)
    explained = vhb("explain", job_id, cwd=place).stdout
    assert f"jack__judge ({child}-0): served by" in explained
    vhb("cancel", job_id, cwd=place)
    until(lambda: json.loads(vhb("status", child, "--json", cwd=place).stdout)["status"] == "cancelled")
    vhb("watch", job_id, cwd=place, code=None)
    state = json.loads(vhb("status", job_id, "--json", cwd=place).stdout)
    assert state["status"] == "cancelled" and state["runs"][0]["stage"] == "done"
    found = {each["metric"]: each for each in state["runs"][0]["metrics"]}
    assert (found["exact_match"]["n_scored"], found[LABEL]["n_scored"]) == (SAMPLES, 0)


@pytest.mark.slow
def test_what_cannot_be_asked_is_refused(place: Path, endpoint: EndpointProcess) -> None:
    write_data(place / "refused")
    url = endpoint.base_url
    twice = [remote(url), remote(url)]
    for metric, sentence in (
        ({"name": "judge"}, "say who judges"),
        ({"name": "judge", "models": ["no-such-model"]}, "no-such-model"),
        ({"name": "judge", "models": twice}, "model 'remote' is listed 2 times: keep one"),
        ({"name": "judge", "models": [remote(url)], "options": {"max_tokens": 5}}, "set it in the model's entry"),
        ({"name": "cer", "models": [remote(url)]}, "metric 'cer' asks no models: leave its `models` out"),
    ):
        task = {"name": "read", "dataset": "./refused", "metrics": [metric]}
        job = write_job(place / "refused.yaml", [remote(url)], [task])
        assert sentence in vhb("validate", job, cwd=place, code=2).stderr
