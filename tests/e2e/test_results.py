"""What a job leaves: the files of interface.md to the letter, whatever happened to its samples."""

import json
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from person import header, remote, table, until, vhb, write_job

from vhb_shared.testing.endpoint_process import EndpointProcess

ANSWERS = (
    "id,model_answer,outcome,error,latency_ms,ttft_ms,prompt_tokens,completion_tokens,attempts,finish_reason,"
    "answered_at,replica,fingerprint,tpot_ms,started_at,cached_tokens,reused_from"
)
METRICS = (
    "run,model,task,metric,metric_version,normalisation,level,group,value,ci_low,ci_high,n,n_scored,n_failed,"
    "value_if_failed_worst,value_if_failed_best"
)
TASK = {"name": "ask", "dataset": "./data", "metrics": ["cer", "ANLS"]}


def broken(match: str, **more: object) -> dict[str, object]:
    return {"match": match, "action": "status", "status": 400, "message": "no such thing"} | more


@pytest.fixture
def job(place: Path, endpoint: EndpointProcess) -> Path:
    return write_job(place / "results.yaml", [remote(endpoint.base_url, concurrency=8)], [TASK])


def test_one_of_64_fails_for_good_and_is_asked_again(place: Path, job: Path, endpoint: EndpointProcess) -> None:
    endpoint.control(rules=[broken("вопрос 7?")])
    done = vhb("submit", job, "--wait", cwd=place, code=1)
    job_id = done.stdout.strip()
    assert "\n" not in job_id
    assert "remote__ask: 1 failed: status 400" in done.stderr and "no such thing" in done.stderr

    out = place / "one-failed"
    vhb("results", job_id, "--out", out, cwd=place)
    assert {path.name for path in out.iterdir()} == {
        *("report.md", "report.html", "metrics.csv", "performance.csv", "job.json", "runs"),
        *("metrics.parquet", "metrics.json", "results.xlsx", "samples.html", "samples"),
    }
    run = out / "runs" / "remote__ask"
    assert {path.name for path in run.iterdir()} == {
        *("answers.csv", "answers.parquet", "scores.parquet", "metrics.csv", "report.md", "environment.json"),
        "performance.json",
        "telemetry.parquet",
        *(f"metrics_{name}.csv" for name in ("by_id", "by_doc_question", "by_doc_type", "general")),
    }
    assert header(run / "answers.csv") == ANSWERS
    rows = table(run / "answers.csv")
    assert [row["id"] for row in rows] == [str(n) for n in range(64)]
    (failed,) = [row for row in rows if row["outcome"] != "answered"]
    assert (failed["id"], failed["outcome"], failed["model_answer"], failed["attempts"]) == ("7", "failed", "", "1")
    assert "status 400" in failed["error"]
    assert all(row["model_answer"] and float(row["latency_ms"]) > 0 and row["ttft_ms"] for row in rows if row != failed)

    assert header(run / "metrics.csv") == header(out / "metrics.csv") == METRICS
    general = {row["metric"]: row for row in table(run / "metrics_general.csv")}
    assert set(general) == {"cer", "anls"}
    for row in general.values():
        assert (row["n"], row["n_scored"], row["n_failed"], row["level"]) == ("64", "63", "1", "general")
    assert float(general["anls"]["value_if_failed_worst"]) <= float(general["anls"]["value"])
    assert float(general["anls"]["value_if_failed_best"]) > float(general["anls"]["value"])
    assert "file:" not in (out / "report.html").read_text()

    endpoint.control(reset=True, rules=[])
    said = vhb("retry", job_id, "--failed-only", "--out", out, cwd=place)
    assert said.stdout.strip() == job_id
    assert endpoint.stats()["total"] == 1
    again = table(run / "answers.csv")
    assert {row["outcome"] for row in again} == {"answered"}
    assert [row for row in again if row["id"] != "7"] == [row for row in rows if row["id"] != "7"]
    assert "nothing to ask again" in vhb("retry", job_id, cwd=place).stdout


def test_a_cancelled_job_keeps_what_it_has(place: Path, endpoint: EndpointProcess) -> None:
    job = write_job(place / "cancelled.json", [remote(endpoint.base_url, concurrency=2)], [TASK], shard_size=8)
    endpoint.control(delay_ms=300)
    job_id = vhb("submit", job, cwd=place).stdout.strip()
    until(lambda: endpoint.stats()["total"] > 9)
    assert vhb("cancel", job_id, cwd=place).stdout == f"{job_id} cancelled\n"
    vhb("watch", job_id, cwd=place, code=1)
    asked = endpoint.stats()["total"]
    out = place / "cancelled"
    vhb("results", job_id, "--out", out, cwd=place)
    rows = table(out / "runs/remote__ask/answers.csv")
    assert [row["id"] for row in rows] == [str(n) for n in range(64)]
    withdrawn = [row["id"] for row in rows if row["outcome"] == "withdrawn"]
    assert 0 < len(withdrawn) < 64 and {row["outcome"] for row in rows} == {"answered", "withdrawn"}
    assert asked < 64

    state = json.loads(vhb("status", job_id, "--json", cwd=place).stdout)
    assert state["status"] == "cancelled" and state["runs"][0]["counts"]["withdrawn"] == len(withdrawn)
    assert "nothing to ask again" in vhb("retry", job_id, "--failed-only", cwd=place).stdout
    endpoint.control(reset=True, delay_ms=0)
    vhb("retry", job_id, "--out", out, cwd=place)
    # Answers of shards that were not complete may still be in the agent's checkpoint.
    assert endpoint.stats()["total"] <= len(withdrawn)
    again = table(out / "runs/remote__ask/answers.csv")
    assert {row["outcome"] for row in again} == {"answered"} and len(again) == 64


def test_legacy_dialect_and_no_metrics(place: Path, endpoint: EndpointProcess) -> None:
    job = write_job(place / "plain.yaml", [remote(endpoint.base_url)], [{"name": "ask", "dataset": "./few"}])
    done = vhb("submit", job, "--wait", "--limit", "3", cwd=place)
    vhb("results", done.stdout.strip(), "--out", "legacy", "--dialect", "legacy", cwd=place)
    run = place / "legacy/runs/remote__ask"
    content = (run / "answers.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfid;model_answer;outcome;error;") and content.count(b"\n") == 4
    assert not (run / "scores.parquet").exists() and (run / "answers.parquet").exists()
    assert (place / "legacy/report.html").exists()


def test_a_part_of_the_samples_one_stage_at_a_time(place: Path, endpoint: EndpointProcess) -> None:
    task = {"name": "ask", "dataset": "./few", "filter": {"doc_class": "снилс"}}
    job = write_job(place / "stages.yaml", [remote(endpoint.base_url)], [task], stages=["inference"])
    job_id = vhb("submit", job, "--wait", cwd=place).stdout.strip()
    vhb("results", job_id, "--out", "only-inference", cwd=place)
    run = place / "only-inference/runs/remote__ask"
    assert [row["id"] for row in table(run / "answers.csv")] == ["1", "3", "5"]
    assert not (run / "metrics.csv").exists() and not (place / "only-inference/report.html").exists()
    asked = endpoint.stats()["total"]

    asked_for = ("--metrics", "CER, wer", "-m", "exact_match", "-m", "cer@text-lower")
    scored = vhb("evaluate", job_id, *asked_for, "--out", "scored", cwd=place)
    metrics = table(place / "scored/runs/remote__ask/metrics_general.csv")
    assert [row["metric"] for row in metrics] == ["cer", "wer", "exact_match", "cer"]
    assert metrics[-1]["normalisation"] == "text-lower@1"
    assert metrics[0]["n"] == "3"
    answers = (place / "scored/runs/remote__ask/answers.csv").read_text()
    assert answers == (run / "answers.csv").read_text()

    both = vhb("report", scored.stdout.strip(), job_id, "--out", "report-of-two", cwd=place).stdout.strip()
    report = (place / "report-of-two/report.md").read_text()
    shown = json.loads(vhb("status", both, "--json", cwd=place).stdout)["runs"]
    assert [[metric["metric"] for metric in run["metrics"]] for run in shown] == [
        ["cer", "wer", "exact_match", "cer@text-lower@1"],
        [],
    ]
    assert {run["counts"]["answered"] for run in shown} == {3}
    assert "remote" in report and "exact" in report
    assert endpoint.stats()["total"] == asked

    file, given = run / "answers.csv", ("--dataset", "few", "--model", "theirs", "--out", "given")
    vhb("evaluate", file, "--metrics", "cer", *given, cwd=place, code=1)  # it has no answers to three of the six
    rows = table(place / "given/runs/theirs__few/answers.csv")
    assert [row["outcome"] for row in rows] == ["failed", "answered"] * 3
    (cer,) = table(place / "given/metrics.csv")[:1]
    assert (cer["model"], cer["n"], cer["n_scored"], cer["n_failed"]) == ("theirs", "6", "3", "3")


def test_given_answers_to_no_sample_are_named(place: Path) -> None:
    (place / "strange.csv").write_text("id;model_answer\n0;x\n999;y\nnone;z\n")
    done = vhb("evaluate", "strange.csv", "--metrics", "cer", "--dataset", "few", cwd=place, code=1)
    assert '2 of 3 given answers belong to no sample of the data set and are left out: id "999", "none"' in done.stderr


def test_names_that_cannot_be(place: Path) -> None:
    answers = place / f"{'a' * 150}.csv"
    answers.write_text("id;model_answer\n" + "".join(f"{n};x\n" for n in range(6)))
    vhb("evaluate", answers, "-m", "cer", "--dataset", "few", cwd=place)
    for name in ("org/model", "", "m" * 201):
        refused = vhb("evaluate", answers, "-m", "cer", "--dataset", "few", "--model", name, cwd=place, code=2)
        assert "at most 200 characters without slashes" in refused.stderr


def test_answers_to_data_at_an_address_with_bad_rows(place: Path) -> None:
    (place / "web").mkdir()
    with zipfile.ZipFile(place / "web/asked.zip", "w") as packed:
        packed.write(place / "few/images/0.png", "0.png")
        packed.writestr("annotation.csv", "id;image_path;answer\na;0.png;x\nb;missing.png;x\n")
    (place / "asked.csv").write_text("id,model_answer\na,x\n")
    served = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=place / "web"))
    with served:
        threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        address = f"http://127.0.0.1:{served.server_port}/asked.zip?token=secret"
        asked_for = ("evaluate", "asked.csv", "--dataset", address, "-m", "exact_match")
        env = {"VHB_SOURCES_DIR": str(place / "sources")}
        refused = vhb(*asked_for, cwd=place, code=2, env=env)
        assert "leave bad rows out with --skip-bad-rows" in refused.stderr
        done = vhb(*asked_for, "--skip-bad-rows", "--out", "skipped", cwd=place, env=env)
        served.shutdown()
    (row,) = [each for each in table(place / "skipped/metrics.csv") if each["level"] == "general"]
    assert (row["run"], row["value"], row["n"]) == ("imported__asked.zip", "1.0", "1")
    assert "secret" not in done.stdout + done.stderr
