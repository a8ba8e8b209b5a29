"""The other commands on a running stack, found without options; names that do not exist; the registries."""

import importlib.metadata
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from person import VHB, remote, typed, until, vhb, write_folder, write_job

from vhb_shared.store.layout import PREFIXES
from vhb_shared.testing.endpoint_process import EndpointProcess

GROUPS = ("models", "tasks", "metrics", "datasets", "environments")


@pytest.fixture(scope="module")
def finished(place: Path, stand_in: EndpointProcess) -> str:
    """The id of a job that has ended well."""
    stand_in.control(reset=True, rules=[], delay_ms=0)
    task = {"name": "ask", "dataset": "./few", "metrics": ["cer"]}
    job = write_job(place / "finished.yaml", [remote(stand_in.base_url)], [task])
    return vhb("submit", job, "--wait", cwd=place).stdout.strip()


def test_status_says_how_a_job_is(place: Path, finished: str) -> None:
    assert finished in vhb("status", cwd=place).stdout
    rows = json.loads(vhb("status", "--json", cwd=place).stdout)
    assert {"job_id": finished, "status": "completed", "name": "finished"}.items() <= rows[0].items()
    said = vhb("status", finished, cwd=place).stdout
    assert "completed" in said and "remote__ask" in said and "cer" in said
    state = json.loads(vhb("status", finished, "--json", cwd=place).stdout)
    (run,) = state["runs"]
    assert (run["name"], run["samples"], run["counts"]["answered"]) == ("remote__ask", 6, 6)
    assert run["metrics"][0]["metric"] == "cer"


def test_events_are_cloudevents_one_a_line(place: Path, finished: str) -> None:
    lines = [json.loads(line) for line in vhb("events", finished, "--json", cwd=place).stdout.splitlines()]
    names = [line["type"].removeprefix("org.vlmhyperbench.").removesuffix(".v1") for line in lines]
    assert names[0] == "job.accepted" and names[-1] == "job.completed"
    assert {"backend.ready", "run.shard.completed", "run.evaluation.completed", "job.report.completed"} <= set(names)
    assert all(line["specversion"] == "1.0" and line["data"]["job_id"] == finished for line in lines)
    assert len({line["id"] for line in lines}) == len(lines)
    text = vhb("events", cwd=place).stdout.splitlines()
    assert any(finished in line and "job.completed" in line and "6 answered" in line for line in text)


def test_following_events_while_a_job_runs(place: Path, endpoint: EndpointProcess) -> None:
    with typed("events", "--follow", cwd=place) as follower:
        assert follower.stdout is not None
        job = write_job(place / "followed.json", [remote(endpoint.base_url)], [{"name": "ask", "dataset": "./few"}])
        job_id = vhb("submit", job, "--limit", "2", cwd=place).stdout.strip()
        for line in follower.stdout:
            if job_id in line and "job.completed" in line:
                break
        follower.send_signal(2)
        assert follower.wait(20) == 130
    vhb("watch", job_id, cwd=place)


def test_watching_can_be_left(place: Path, endpoint: EndpointProcess) -> None:
    endpoint.control(delay_ms=500)
    job = write_job(place / "left.yaml", [remote(endpoint.base_url, concurrency=2)], [{"name": "a", "dataset": "data"}])
    job_id = vhb("submit", job, cwd=place).stdout.strip()
    with typed("watch", job_id, cwd=place) as watcher:
        assert watcher.stderr is not None
        seen = watcher.stderr.readline()
        watcher.send_signal(2)
        rest = watcher.stderr.read()
        assert watcher.wait(20) == 130
    assert seen and f"{job_id} goes on; `vhb watch {job_id}`" in rest and "Traceback" not in rest
    vhb("cancel", job_id, cwd=place)
    assert "has ended already: cancelled" in vhb("cancel", job_id, cwd=place).stdout


def test_names_that_do_not_exist(place: Path, finished: str, quickly: Callable[..., tuple[str, str]]) -> None:
    near = finished[:-1] + ("0" if finished[-1] != "0" else "1")
    for arguments, part in (
        (("status", near), f"did you mean '{finished}'?"),
        (("results", "nobody", "--out", "x"), "There is no job 'nobody'"),
        (("results", finished, "--out", "finished.yaml"), "--out finished.yaml is a file"),
        (("retry", finished, "--out", "finished.yaml"), "--out finished.yaml is a file"),
        (("evaluate", finished, "-m", "cer", "--out", "finished.yaml"), "--out finished.yaml is a file"),
        (("status", "my job"), "There is no job 'my job'"),
        (("evaluate", ".", "-m", "cer"), "There is no job '.'"),
        (("compare", "my job", finished), "There is no job 'my job'"),
        (("events", ""), "There is no job ''"),
        (("datasets", "inspect", ""), "SOURCE is empty"),
        (("dlq", "show", "7"), "There is no message 7"),
        (("evaluate", finished, "--metrics", "crr"), "did you mean 'cer'"),
        (("evaluate", finished), "--metrics cer,wer"),
        (("evaluate", "a.csv", "--metrics", "cer"), "--dataset"),
        (("evaluate", "a.csv", "--metrics", "cer", "--dataset", "few"), "a.csv"),
        (("submit", "nobody.yaml"), "no job file at nobody.yaml"),
    ):
        _, said = quickly(*arguments, code=2)
        assert part in said and len(said.splitlines()) == 1, said
    assert not (place / "x").exists()


def test_given_up_messages(place: Path) -> None:
    """A message that nobody can read ends in the dead letters, with the reason; it can be looked at and sent again."""
    import asyncio

    from vhb.connect import connected, settings
    from vhb_shared.contracts import subjects

    async def publish() -> None:
        async with connected(settings(None, place / ".vhb")) as connection:
            await connection.bus.js.publish(subjects.CANCEL, b'{"job_id": 5}', headers={"Nats-Msg-Id": "junk"})

    assert "Nothing was given up on" in vhb("dlq", "list", cwd=place).stdout
    asyncio.run(publish())
    until(lambda: "CancelJob" in vhb("dlq", "list", cwd=place).stdout)
    shown = json.loads(vhb("dlq", "show", "1", cwd=place).stdout)
    assert shown["body"] == '{"job_id": 5}' and "not a CancelJob" in shown["headers"]["vhb-reason"]
    assert "published again on vhb.jobs.cancel" in vhb("dlq", "retry", "1", cwd=place).stdout
    vhb("dlq", "show", "1", cwd=place, code=2)


def test_validate_for_programs(place: Path) -> None:
    tasks = [{"name": name, "dataset": "./few", "metrics": ["cer"]} for name in ("a", "b")]
    job = write_job(place / "pairs.yaml", ["echo", remote("http://127.0.0.1:9/v1")], tasks)
    found = json.loads(vhb("validate", job, "--json", "--limit", "4", cwd=place).stdout)
    assert found["job"] == "pairs"
    assert [(run["model"], run["task"], run["dataset"], run["samples"]) for run in found["runs"]] == [
        (model, task, "few", 4) for model in ("echo", "remote") for task in ("a", "b")
    ]


def test_registries_and_schemas(quickly: Callable[..., tuple[str, str]]) -> None:
    for group, name in zip(GROUPS, ("echo", "read-page", "cer", "folder", "process"), strict=True):
        assert name in quickly(group, "list")[0]
        if group != "datasets":
            assert quickly(group, "show", name)[0]
        assert "nobody" in quickly(group, "show", "nobody", code=2)[1]
    names = quickly("schema")[0].split()
    assert {"job", "job.completed", "run.shard.completed"} <= set(names)
    assert "models" in json.loads(quickly("schema", "job")[0])["properties"]


def test_what_the_machine_has(place: Path, tmp_path: Path) -> None:
    assert "nats-server" in vhb("doctor", cwd=place, code=None).stdout
    assert ".vhb" in vhb("clean", cwd=place).stdout
    assert "Another vhb works in" in vhb("clean", "--yes", cwd=place, code=2).stderr
    (tmp_path / "precious").mkdir()
    assert "nothing was removed" in vhb("clean", "--yes", "--workdir", "precious", cwd=tmp_path, code=2).stderr
    assert (tmp_path / "precious").exists()
    assert "Another vhb works in" in vhb("up", cwd=place, code=2).stderr


def test_help_names_every_command() -> None:
    said = subprocess.run([VHB, "--help"], capture_output=True, text=True, check=True).stdout
    for name in ("run", "up", "submit", "status", "watch", "results", "events", "validate", "cancel", "retry",
                 "evaluate", "report", "schema", "doctor", "clean", "dlq", *GROUPS):  # fmt: skip
        assert f" {name} " in said
    assert "Exit codes" in said
    for flag in ("-h", "--help"):
        assert "Results folder" in subprocess.run([VHB, "run", flag], capture_output=True, text=True, check=True).stdout


def test_the_version() -> None:
    said = subprocess.run([VHB, "--version"], capture_output=True, text=True, check=True).stdout
    assert said == f"vhb {importlib.metadata.version('vhb')}\n"


def test_clean_knows_all_that_is_stored_and_the_caches(tmp_path: Path) -> None:
    kept = tmp_path / "results"
    kept.mkdir()
    objects, caches = tmp_path / ".vhb/objects", {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    for prefix in PREFIXES:
        (objects / prefix).mkdir(parents=True)
        (objects / prefix / "object").write_bytes(b"x" * 2048)
    (tmp_path / ".vhb/lock").touch()
    fetched = tmp_path / "cache/vlmhyperbench/sources/web"
    mine = fetched.parent / "mine"
    fetched.mkdir(parents=True)
    (fetched / "data.zip").write_bytes(b"x" * 1024)
    mine.touch()
    said = vhb("clean", cwd=tmp_path, env=caches).stdout
    for prefix, what in PREFIXES.items():
        assert f"   2.0 KiB  {objects / prefix}  {what}\n" in said
    assert f"   1.0 KiB  {fetched}  data sets, from the web" in said
    vhb("clean", "--yes", cwd=tmp_path, env=caches)
    assert not (tmp_path / ".vhb").exists() and fetched.exists() and kept.exists()
    vhb("clean", "--yes", "--sources", cwd=tmp_path, env=caches)
    assert not fetched.exists() and mine.exists()


def test_validate_tells_metrics_of_one_name_apart(tmp_path: Path) -> None:
    write_folder(tmp_path / "few", 1)
    gated = {"name": "cer", "gate": "structural_fidelity"}
    metrics = ["cer", "cer@text-lower", "anls[vlmevalkit]", gated]
    task = {"name": "ask", "dataset": "./few", "metrics": metrics, "response_schema": {"type": "object"}}
    job = write_job(tmp_path / "job.yaml", [remote("http://127.0.0.1:9/v1")], [task])
    said = vhb("validate", job, cwd=tmp_path).stdout
    assert "cer, cer@text-lower, anls[vlmevalkit], cer(gate=structural_fidelity)" in said
