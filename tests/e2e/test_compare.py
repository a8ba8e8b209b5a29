"""`vhb compare` on stored jobs and on folders: words, tables, JSON, the gate with its exit code, and its event."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from person import table, vhb, write_csv, write_folder, write_job

pytestmark = pytest.mark.slow

METRICS = "exact_match,cer"


@pytest.fixture(scope="module")
def jobs(place: Path) -> dict[str, str]:
    """Ids of jobs that score answers to the data set of 64: `good` gets 60 right, `bad` 32, `failing` 40 of 44, and
    `other` was asked other data. Their results are in folders of these names."""
    folder = place / "compare"
    write_folder(folder / "others", 8)
    right: dict[str, Callable[[int], bool]] = {
        "good": lambda n: n >= 4,
        "bad": lambda n: n % 2 == 0,
        "failing": lambda n: n >= 4,
        "other": lambda n: True,
    }
    found = {}
    for name, is_right in right.items():
        asked = range(8) if name == "other" else range(44) if name == "failing" else range(64)
        rows = [[str(n), f"ответ {n}" if is_right(n) else "нет"] for n in asked]
        answers = write_csv(folder / f"{name}.csv", ("id", "model_answer"), rows)
        data = folder / "others" if name == "other" else place / "data"
        done = vhb(
            "evaluate", answers, "--dataset", data, "--model", name, "-m", METRICS, "--out", folder / name,
            cwd=place, code=None,
        )  # fmt: skip
        assert done.returncode == (1 if name == "failing" else 0), done.stderr
        found[name] = done.stdout.strip().splitlines()[0]
    return found


def test_a_verdict_in_words_a_table_and_json(place: Path, jobs: dict[str, str]) -> None:
    said = vhb("compare", jobs["bad"], jobs["good"], cwd=place).stdout
    first = said.splitlines()[0]
    assert re.fullmatch(
        r"good beats bad on exact_match by 0\.4\d \(0\.\d+ to 0\.\d+\), p<0\.001, n=64 documents", first
    ), said
    assert "good beats bad on cer by" in said and "corrected for 2 comparisons (Holm)" in said
    assert re.search(r"good - bad +exact_match +all +0\.50\d* +0\.9\d+ +0\.4\d+", said)

    result = json.loads(vhb("compare", jobs["bad"], jobs["good"], "--json", "-m", "exact_match", cwd=place).stdout)
    (match,) = result["matches"]
    assert [run["job_id"] for run in match["runs"]] == [jobs["bad"], jobs["good"]]
    (found,) = match["comparisons"][0]["differences"]
    assert (found["baseline"], found["candidate"], found["n_pairs"], found["test"]) == (0.5, 0.9375, 64, "mcnemar")
    assert (found["baseline_better"], found["candidate_better"]) == (2, 30)
    assert not result["failed"]


def test_composite_metrics_are_compared_by_replicates(place: Path, jobs: dict[str, str], tmp_path: Path) -> None:
    again = {}
    for name in ("bad", "good"):
        done = vhb("evaluate", jobs[name], "-m", "chrf,exact_match", "--out", tmp_path / name, cwd=place)
        again[name] = done.stdout.strip().splitlines()[0]
        assert (tmp_path / name / "runs" / f"{name}__data" / "replicates.parquet").is_file()
    said = vhb("compare", again["bad"], again["good"], "--by", "doc_class", cwd=place).stdout
    assert re.search(r"^good beats bad on chrf by \S+ \(\S+ to \S+\), p(<0\.001|=\S+), n=64 documents$", said, re.M), (
        said
    )
    assert "on chrf (doc_class" in said
    folders = vhb("compare", tmp_path / "bad", tmp_path / "good", "--by", "doc_class", "--json", cwd=tmp_path).stdout
    found = json.loads(folders)["matches"][0]["comparisons"][0]["differences"]
    assert {each["test"] for each in found if each["metric"] == "chrf" and each["level"] == "general"} == {"bootstrap"}
    gate = ("--fail-if", "chrf < baseline + 0.001", "-m", "chrf")
    assert "failed" in vhb("compare", again["good"], again["bad"], *gate, cwd=place, code=1).stdout
    (tmp_path / "bad" / "runs" / "bad__data" / "replicates.parquet").unlink()
    lacking = vhb("compare", tmp_path / "bad", tmp_path / "good", cwd=tmp_path)
    assert "left out: chrf of bad__data" in lacking.stderr and "evaluate again: vhb evaluate" in lacking.stderr
    assert "good beats bad on exact_match" in lacking.stdout
    refused = vhb("compare", tmp_path / "bad", tmp_path / "good", "-m", "chrf", cwd=tmp_path, code=2)
    assert "evaluate again: vhb evaluate" in refused.stderr.replace("\n", " ")


def test_folders_need_no_stack_and_say_the_same(place: Path, jobs: dict[str, str], tmp_path: Path) -> None:
    results = place / "compare"
    stored = vhb("compare", jobs["bad"], jobs["good"], "--by", "doc_class", cwd=place).stdout
    apart = vhb("compare", results / "bad", f"{results}/good:good__data", "--by", "doc_class", cwd=tmp_path).stdout
    assert apart.replace(f"{results}/", "") == stored
    assert "good beats bad on exact_match (doc_class паспорт) by" in apart or "no difference shown" in apart
    by_run = vhb("compare", f"{results}/bad/runs/bad__data", results / "good", "--by", "doc_class", cwd=tmp_path).stdout
    assert by_run == apart


def test_failed_samples_show_as_bounds_and_in_the_gate(place: Path, jobs: dict[str, str]) -> None:
    done = vhb(
        "compare", jobs["good"], jobs["failing"], "-m", "exact_match", "--fail-if", "failed > baseline + 0.05",
        cwd=place, code=1,
    )  # fmt: skip
    assert "20 failed, with them the difference could be anything from -0.31 to 0.00" in done.stdout, done.stdout
    assert "equal in every document, n=44 documents" in done.stdout
    assert "gate: failed > baseline + 0.05: failing has 0.3125, the limit is 0.05 (baseline 0): failed" in done.stdout


def test_a_gate_fails_with_exit_code_1_and_an_event(place: Path, jobs: dict[str, str]) -> None:
    options = ("--fail-if", "cer > baseline + 0.01", "--fail-if", "exact_match < 0.5")
    passed = vhb("compare", jobs["bad"], jobs["good"], *options, cwd=place)
    assert "gate: exact_match < 0.5: good has 0.9375, the limit is 0.5 (baseline 0.5): passed" in passed.stdout
    for _ in range(2):  # the same comparison again is the same event
        failed = vhb("compare", jobs["good"], jobs["bad"], *options, cwd=place, code=1)
    assert "gate: cer > baseline + 0.01: bad has" in failed.stdout and ": failed" in failed.stdout

    events = [json.loads(line) for line in vhb("events", jobs["bad"], "--json", cwd=place).stdout.splitlines()]
    (event,) = [each for each in events if each["type"] == "org.vlmhyperbench.comparison.failed.v1"]
    assert event["source"] == "/vlmhyperbench/cli"
    assert [run["model"] for run in event["data"]["runs"]] == ["good", "bad"]
    assert event["data"]["gates"][0]["condition"] == "cer > baseline + 0.01" and event["data"]["gates"][0]["failed"]
    assert any(each.startswith("good beats bad on cer by") for each in event["data"]["verdicts"])
    good = vhb("events", jobs["good"], cwd=place).stdout
    assert "comparison.completed" in good and "comparison.failed" not in good


def test_three_runs_are_compared_with_the_first_or_with_each_other(place: Path, jobs: dict[str, str]) -> None:
    ids = [jobs[name] for name in ("bad", "good", "failing")]
    said = vhb("compare", *ids, "-m", "cer", cwd=place).stdout
    assert "corrected for 2 comparisons" in said and "failing - good" not in said
    everything = vhb("compare", *ids, "-m", "cer", "--all-pairs", cwd=place).stdout
    assert "corrected for 3 comparisons" in everything and "failing - good" in everything


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["good", "other"], r"were asked different data \('data', digest \w{12}, and 'others', \w{12}\)"),
        (["good", "bad", "--by", "moon"], "have no column 'moon'; those to compare by are: doc_class, question_type"),
        (["good", "bad", "--fail-if", "cer >> 1"], "is not a condition: write a metric, a comparison and a limit"),
        (["good", "bad", "--fail-if", "wer > 1"], "names 'wer', which was not compared; there are: exact_match, cer"),
        (["good", "nowhere"], "There is no job 'nowhere'"),
        (["good", "good:bed__data"], r"has no run 'bed__data'; did you mean 'good__data'\?"),
        (["good", "./nowhere"], "There is no folder ./nowhere"),
    ],
)
def test_mistakes_are_sentences(place: Path, jobs: dict[str, str], arguments: list[str], sentence: str) -> None:
    given = [re.sub("^(good|bad|other)", lambda name: jobs[name[0]], argument) for argument in arguments]
    assert re.search(sentence, vhb("compare", *given, cwd=place, code=2).stderr)


def test_a_column_of_the_data_is_a_level_and_can_be_compared_by(place: Path, tmp_path: Path) -> None:
    def halves(rows: list[list[str]]) -> None:
        for n, row in enumerate(rows):
            row[1] = "easy" if n < 16 else "hard"

    data = write_folder(tmp_path / "halves", 32, change=halves)
    runs = []
    for name, right in (("one", 16), ("two", 30)):
        answers = [[str(n), f"ответ {n}" if n < right else "нет"] for n in range(32)]
        write_csv(tmp_path / f"{name}.csv", ("id", "model_answer"), answers)
        runs.append({"model": name, "task": "ask", "answers": f"{name}.csv"})
    models = [{"name": "one"}, {"name": "two"}]
    task = {"name": "ask", "dataset": str(data), "metrics": ["exact_match"], "aggregators": ["column:split"]}
    job = write_job(tmp_path / "levels.yaml", models, [task], runs=runs)
    job_id = vhb("submit", job, "--wait", cwd=place).stdout.strip()
    vhb("results", job_id, "--out", tmp_path / "out", cwd=place)
    rows = table(tmp_path / "out/runs/two__ask/metrics_split.csv")
    assert [(row["level"], row["group"], row["value"], row["n"]) for row in rows] == [
        ("column:split", "easy", "1.0", "16"), ("column:split", "hard", "0.875", "16")
    ]  # fmt: skip
    said = vhb("compare", tmp_path / "out", "--by", "split", cwd=place).stdout
    assert "no difference between two and one on exact_match (column:split easy)" in said
    assert "two beats one on exact_match (column:split hard) by 0.88" in said

    wrong = write_job(tmp_path / "wrong.yaml", models, [task | {"aggregators": ["column:splot"]}], runs=runs)
    refused = vhb("validate", wrong, cwd=place, code=2).stderr
    assert "no sample has a column 'splot' ('column:splot'); did you mean 'split'?" in refused


def test_tasks_of_one_job_without_a_common_metric_are_left_out_but_not_of_a_gate(
    place: Path, jobs: dict[str, str], tmp_path: Path
) -> None:
    answers = [str(place / "compare" / f"{name}.csv") for name in ("bad", "good", "good")]
    tasks = [
        {"name": name, "dataset": str(place / "data"), "answers": file, "metrics": [metric]}
        for name, file, metric in zip(("a", "b", "c"), answers, ("cer", "cer", "exact_match"), strict=True)
    ]
    job = write_job(tmp_path / "job.yaml", [{"name": "m", "backend": "imported"}], tasks, stages=["evaluation"])
    job_id = vhb("submit", job, "--wait", cwd=place).stdout.strip()
    done = vhb("compare", job_id, cwd=place)
    assert done.stdout.startswith("b beats a on cer by ")
    assert "left out: a (cer) and c (exact_match) have no metric in common" in done.stderr
    assert done.stderr.count("left out") == 1
    gate = vhb("compare", job_id, "--fail-if", "cer > 1", cwd=place, code=2)
    assert "no metric in common" in gate.stderr
