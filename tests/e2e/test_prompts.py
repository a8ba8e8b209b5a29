"""What is asked, as a person sees it: options, repetitions, examples, and `vhb show` word for word. The endpoint
answers with what it was asked."""

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from person import header, remote, table, until, vhb, write_job
from PIL import Image

from vhb_shared.testing.endpoint_process import EndpointProcess

pytestmark = pytest.mark.slow

COLOURS = ("red", "green", "blue")


def picture(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 9, 9)).save(buffer, "PNG")
    return buffer.getvalue()


def sha256(number: int) -> str:
    return hashlib.sha256(picture(number)).hexdigest()


@pytest.fixture(scope="module")
def choices(place: Path) -> Path:
    """VLMEvalKit's TSV: four multiple-choice questions, the right one is always blue."""
    lines = ["index\timage\tquestion\tA\tB\tC\tanswer\tcategory"]
    lines += [f"q{n}\t{base64.b64encode(picture(n)).decode()}\tWhich {n}?\tred\tgreen\tblue\tC\tsky" for n in range(4)]
    path = place / "choices.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def echo(endpoint: EndpointProcess) -> EndpointProcess:
    endpoint.control(echo=True)
    return endpoint


def submitted(place: Path, name: str, endpoint: EndpointProcess, *tasks: dict[str, Any], **more: Any) -> str:
    model = remote(endpoint.base_url, generation={"temperature": 1, "seed": 7})
    job = write_job(place / f"{name}.yaml", [model], tasks, **more)
    return vhb("submit", job, "--wait", cwd=place).stdout.strip()


def shown(place: Path, job_id: str, sample: str, *more: str) -> list[dict[str, Any]]:
    return json.loads(vhb("show", job_id, sample, "--json", *more, cwd=place).stdout)["rows"]


def messages(row: dict[str, Any]) -> list[list[str]]:
    """The request as `vhb show` tells it, in the words of the stand-in's echo."""

    def user(text: str, images: list[dict[str, Any]]) -> list[str]:
        return ["user", *(f"sha256:{image['sha256']}" for image in images), text]

    told = [["system", row["system_prompt"]]] if row["system_prompt"] else []
    for turn in row["turns"]:
        told += [user(turn["user"], turn["images"]), ["assistant", turn["assistant"]]]
    return [*told, user(row["user_prompt"], row["images"])]


@pytest.fixture(scope="module")
def circular(place: Path, stand_in: EndpointProcess, choices: Path) -> str:
    """A job that uses everything at once; its id."""
    stand_in.control(reset=True, rules=[], delay_ms=0, echo=True)
    (place / "exact.txt").write_text("Be exact.\nUse one letter.", encoding="utf-8")
    task = {
        "name": "choose", "dataset": "./choices.tsv", "system_prompt": "exact.txt", "prompt": "{{ question }}\nLetter?",
        "circular": True, "epochs": 2, "shuffle_options": {"seed": 3}, "few_shot": {"count": 2}, "limit": 3,
        "metrics": ["exact_match"],
    }  # fmt: skip
    return submitted(place, "circular", stand_in, task, shard_size=5)


def test_every_variant_is_a_row_of_everything(place: Path, circular: str) -> None:
    out = place / "circular"
    vhb("results", circular, "--out", out, cwd=place)
    run = out / "runs/remote__choose"
    rows = table(run / "answers.csv")
    variants = ("", "~r1", "~r2", "~e2", "~e2~r1", "~e2~r2")
    assert [row["id"] for row in rows] == [f"q{n}{variant}" for n in range(3) for variant in variants]
    asked = [json.loads(row["model_answer"]) for row in rows]
    assert [each["seed"] for each in asked] == [7, 7, 7, 8, 8, 8] * 3
    assert len({row["fingerprint"] for row in rows}) == 18
    for n in range(3):
        texts = {json.dumps(each["messages"][-1]) for each in asked[n * 6 : n * 6 + 3]}
        assert len(texts) == 3  # three rotations
    by_id = [row for row in table(run / "metrics_by_id.csv") if row["metric"] == "exact_match"]
    assert [row["group"] for row in by_id] == [row["id"] for row in rows]
    general = {row["metric"]: (row["n"], row["n_scored"]) for row in table(run / "metrics_general.csv")}
    assert general["exact_match"] == ("18", "18")
    assert general["exact_match[circular]"] == ("6", "6")  # in each epoch on its own
    assert "each question 2 times; every rotation of the options" in (out / "report.md").read_text()


def test_show_tells_what_was_sent_word_for_word(place: Path, circular: str) -> None:
    rows = shown(place, circular, "q1")
    assert [row["id"] for row in rows] == ["q1", "q1~r1", "q1~r2", "q1~e2", "q1~e2~r1", "q1~e2~r2"]
    for row in rows:
        assert row["sent"] == "verified" and row["answer"]["fingerprint"] == row["fingerprint"]
        echoed = json.loads(row["answer"]["model_answer"])
        assert messages(row) == echoed["messages"]
        assert row["parameters"]["seed"] == echoed["seed"]
        assert row["system_prompt"] == "Be exact.\nUse one letter."
        letter = row["references"][0]
        assert f"{letter}. blue" in row["user_prompt"].splitlines() and row["user_prompt"].endswith("\nLetter?")
        assert sorted(row["choices"]) == sorted(COLOURS)
        assert len(row["turns"]) == 2 and "q1" not in {turn["sample"] for turn in row["turns"]}
        assert all(f"{turn['assistant']}. blue" in turn["user"] for turn in row["turns"])
        assert row["images"][0] == {"name": f"{sha256(1)}.png", "sha256": sha256(1), "bytes": len(picture(1))}
        scores = {score["metric"]: (score["status"], score["value"]) for score in row["scores"]}
        assert scores["exact_match"] == ("scored", 0)
    assert [row["id"] for row in shown(place, circular, "q1~e2~r1", "--run", "remote__choose")] == ["q1~e2~r1"]


def test_show_for_people_and_its_images(place: Path, circular: str) -> None:
    said = vhb("show", circular, "q0~r1", "--save", "pictures", cwd=place)
    assert "remote__choose, sample q0~r1\n  as it was sent" in said.stdout
    for part in ("system prompt:\n    Be exact.\n    Use one letter.", "assistant:\n", "fingerprint: ", "Letter?",
                 '"temperature": 1', "reference:", "exact_match: 0", "answer (answered"):  # fmt: skip
        assert part in said.stdout, part
    assert "3 images" in said.stderr
    saved = {path.name: path.read_bytes() for path in (place / "pictures").iterdir()}
    assert len(saved) == 3 and saved[f"{sha256(0)}.png"] == picture(0)
    assert all(hashlib.sha256(data).hexdigest() == name.partition(".")[0] for name, data in saved.items())


def test_what_cannot_be_shown(place: Path, circular: str) -> None:
    for arguments, part in (
        ((circular, "q11"), f"Job {circular} has no sample 'q11': did you mean 'q1'?"),
        ((circular, "q3"), "Sample 'q3' is in data set 'choices.tsv', and no run shown asks it"),
        ((circular, "q1", "--run", "remote__chose"), "has no run 'remote__chose': did you mean 'remote__choose'?"),
        (("nobody", "q1"), "There is no job 'nobody'"),
    ):
        assert part in vhb("show", *arguments, cwd=place, code=2).stderr


def test_show_of_answers_without_a_request(place: Path, echo: EndpointProcess, choices: Path) -> None:
    """Failed, re-scored, made elsewhere, and control characters of a model."""
    echo.control(rules=[
        {"match": "Which 0", "action": "status", "status": 400, "message": "no"},
        {"match": "Which 1", "action": "answer", "text": "\u001b[31mred\u0007 <b>"},
    ])  # fmt: skip
    task = {"name": "choose", "dataset": "./choices.tsv", "metrics": ["exact_match"]}
    model = remote(echo.base_url)
    done = vhb("submit", write_job(place / "some.yaml", [model], [task]), "--wait", cwd=place, code=1)
    job_id = done.stdout.strip()
    (failed,) = shown(place, job_id, "q0")
    assert (failed["sent"], failed["answer"]["outcome"]) == ("verified", "failed")
    assert failed["user_prompt"] == "Which 0?\nA. red\nB. green\nC. blue"
    assert failed["scores"][0]["status"] == "failed"
    said = vhb("show", job_id, "q1", cwd=place).stdout
    assert "\\u001b[31mred\\u0007 <b>" in said and "\x1b" not in said

    again = vhb("evaluate", job_id, "-m", "anls", cwd=place, code=None).stdout.strip()
    (rescored,) = shown(place, again, "q2")
    assert rescored["sent"] == "verified" and rescored["scores"][0]["metric"] == "anls"

    (place / "theirs.csv").write_text("id,model_answer\nq0,A\nq1,C\nq2,C\nq3,C\n", encoding="utf-8")
    theirs = vhb("evaluate", "theirs.csv", "--dataset", "choices.tsv", "-m", "exact_match", cwd=place).stdout.strip()
    (elsewhere,) = shown(place, theirs, "q1")
    assert (elsewhere["sent"], elsewhere["answer"]["model_answer"]) == ("unknown", "C")
    assert "what was sent for it is not known" in vhb("show", theirs, "q1", cwd=place).stdout


def test_show_says_when_it_is_not_what_was_sent(place: Path, echo: EndpointProcess, choices: Path) -> None:
    """As after an upgrade that renders prompts differently: here the stored plan is another one."""
    task = {"name": "choose", "dataset": "./choices.tsv", "prompt": "Then: {{ question }}", "limit": 1}
    job_id = submitted(place, "changed", echo, task)
    (stored,) = (place / ".vhb").rglob(f"jobs/{job_id}/plan.json")
    stored.chmod(0o644)
    stored.write_text(stored.read_text().replace("Then:", "Now:"))
    (row,) = shown(place, job_id, "q0")
    assert row["sent"] == "differs" and row["fingerprint"] != row["answer"]["fingerprint"]
    said = vhb("show", job_id, "q0", cwd=place).stdout
    assert "NOT what was sent" in said and row["answer"]["fingerprint"] in said


def test_show_while_the_job_runs(place: Path, echo: EndpointProcess, choices: Path) -> None:
    echo.control(rules=[{"match": "Which 3", "action": "hang"}])
    task = {"name": "choose", "dataset": "./choices.tsv", "metrics": ["exact_match"]}
    job = write_job(place / "running.yaml", [remote(echo.base_url)], [task], shard_size=1)
    job_id = vhb("submit", job, cwd=place).stdout.strip()
    until(lambda: shown(place, job_id, "q1")[0]["sent"] == "verified")
    (hanging,) = shown(place, job_id, "q3")
    assert (hanging["sent"], hanging["answer"], hanging["scores"]) == ("not answered", None, [])
    vhb("cancel", job_id, cwd=place)
    vhb("watch", job_id, cwd=place, code=1)
    (withdrawn,) = shown(place, job_id, "q3")
    assert (withdrawn["sent"], withdrawn["answer"]["outcome"]) == ("not answered", "withdrawn")


def test_prompts_are_compared_in_one_job(place: Path, echo: EndpointProcess, choices: Path) -> None:
    task = {
        "name": "choose", "dataset": "./choices.tsv", "metrics": ["exact_match"], "limit": 2,
        "prompt_sets": {"short": {"user_prompt": "{{ question }}"}, "long": {"user_prompt": "Think. {{ question }}"}},
    }  # fmt: skip
    job = write_job(place / "sets.yaml", [remote(echo.base_url)], [task])
    valid = json.loads(vhb("validate", job, "--json", cwd=place).stdout)
    assert [run["name"] for run in valid["runs"]] == ["remote__choose+short", "remote__choose+long"]
    job_id = vhb("submit", job, "--wait", cwd=place).stdout.strip()
    short, long = shown(place, job_id, "q0")
    assert (short["run"], long["run"]) == ("remote__choose+short", "remote__choose+long")
    assert long["user_prompt"] == f"Think. {short['user_prompt']}" and short["sent"] == long["sent"] == "verified"
    vhb("results", job_id, "--out", "sets", cwd=place)
    assert {row["task"] for row in table(place / "sets/metrics.csv")} == {"choose+short", "choose+long"}
    board = (place / "sets/report.md").read_text().split("## Leaderboard")[1].split("\n## ")[0].replace("\\", "")
    assert "remote__choose+short" in board and "remote__choose+long" in board
    assert (place / "sets/runs/remote__choose+long/answers.csv").exists()


def test_mistakes_are_sentences(place: Path, echo: EndpointProcess, choices: Path) -> None:
    for task, part in (
        ({"dataset": "./few", "circular": True}, "`circular` moves the options of multiple-choice questions"),
        ({"dataset": "./choices.tsv", "few_shot": {"ids": ["q9"]}}, "`few_shot` names sample 'q9'"),
        ({"dataset": "./choices.tsv", "few_shot": {}}, "needs either `ids` or `count`"),
        ({"dataset": "./choices.tsv", "epochs": 0}, "epochs"),
        ({"dataset": "./choices.tsv", "prompt": "{{ optoins }}"}, 'no "optoins"; did you mean "options"'),
    ):
        job = write_job(place / "wrong.yaml", [remote(echo.base_url)], [{"name": "t", **task}])
        said = vhb("validate", job, cwd=place, code=2).stderr
        assert part in said, said
    assert header(choices).startswith("index\timage")
