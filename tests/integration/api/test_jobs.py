"""Jobs over the REST interface: handed in, found, stopped, asked again."""

import json
from pathlib import Path

import pytest
from interface import Interface, interface
from story import Story

from vhb_shared.contracts import events
from vhb_shared.contracts.state import AgentInfo
from vhb_shared.testing.samples import small_png

YAML = {"Content-Type": "application/yaml"}
CSV = {"Content-Type": "text/csv"}


def job_file(told: Story, *, name: str = "mine", dataset: str | None = None, more: str = "") -> str:
    data = dataset or f"sha256:{told.dataset.digest}"
    return (
        f"name: {name}\n"
        "models:\n"
        "  - {name: m0, backend: openai, base_url: 'http://127.0.0.1:9/v1'}\n"
        "tasks:\n"
        f"  - {{name: t, dataset: '{data}', prompt: 'Read: {{{{ question }}}}', metrics: [cer]{more}}}\n"
    )


async def test_a_job_goes_from_a_file_to_its_end(api: Interface) -> None:
    made = await api.ask("POST", "/jobs?limit=4", data=job_file(api.told), headers=YAML)
    assert made.status == 201, made
    job_id = made.json["job_id"]
    assert made.json | {"job_id": ""} == {"job_id": "", "name": "mine", "runs": 1, "warnings": []}
    assert (await api.get(f"/jobs/{job_id}"))["status"] in ("waiting", "running")
    job = await api.told.until_job(job_id, lambda job: job.status == "running")
    for run in await api.told.states.runs(job):
        assert run.samples == 4
        await api.told.answer(run)
        await api.told.evaluate(run)
    await api.told.report(job_id)
    shown = await api.until(job_id, "completed")
    assert shown["counts"] == (await api.told.states.run(f"{job_id}-0")).counts.model_dump()
    assert (shown["samples"], shown["counts"]["answered"]) == (4, 2)  # as the story's agent says
    (run,) = (await api.get(f"/jobs/{job_id}/runs"))["items"]
    assert run["status"] == "completed" and run["metrics"][0]["metric"] == "cer"
    events = (await api.get(f"/jobs/{job_id}/events?limit=500"))["items"]
    assert (events[0]["what"], events[-1]["what"]) == ("job.accepted", "job.completed")
    (said,) = await api.get(f"/jobs/{job_id}/explain")
    assert said["what"] == "done"


async def test_the_same_key_hands_a_job_in_once_and_another_sender_has_keys_of_its_own(api: Interface) -> None:
    headers = YAML | {"Idempotency-Key": "once"}
    first = await api.ask("POST", "/jobs", data=job_file(api.told), headers=headers)
    again = await api.ask("POST", "/jobs", data=job_file(api.told), headers=headers)
    other = await api.ask("POST", "/jobs", data=job_file(api.told), headers=headers, token=api.token("submitter"))
    assert first.json["job_id"] == again.json["job_id"] != other.json["job_id"]


async def test_mistakes_are_said_with_line_and_column(api: Interface) -> None:
    broken = job_file(api.told).replace("prompt:", "promt:")
    for path in ("/jobs", "/jobs/validate"):
        said = await api.ask("POST", path, data=broken, headers=YAML)
        assert said.status == 422 and said.headers["Content-Type"] == "application/problem+json"
        (problem,) = said.json["problems"]
        assert problem["line"] == 5 and problem["column"] > 90
        assert problem["message"].startswith("job.yaml, line 5, column") and "'prompt'" in problem["message"]
    malformed = await api.ask(
        "POST", "/jobs", data='{"name": "x",\n "models": [,]}', headers={"Content-Type": "application/json"}
    )
    assert malformed.json["problems"][0]["line"] == 2
    table = "dataset;task;framework;model_name;metrics\nnowhere;;;m;['CER']\n"
    said = await api.ask("POST", "/jobs", data=table, headers=CSV)
    assert said.status == 422 and said.json["problems"][0]["line"] == 2, said
    assert "/tmp" not in said.body.decode()


async def test_a_job_names_files_below_the_data_folder_and_no_others(api: Interface, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "letters"
    (folder / "images").mkdir(parents=True)
    lines = ["data_index;split;image_path;question;answer;doc_class;question_type;answer_bbox"]
    for number in range(3):
        (folder / "images" / f"{number}.png").write_bytes(small_png(number))
        lines.append(f"{number};test;images/{number}.png;question {number};answer;letter;q;")
    (folder / "annotation.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "secret.txt").write_text("not for you")
    (tmp_path / "data" / "way-out").symlink_to(tmp_path)
    made = await api.ask("POST", "/jobs", data=job_file(api.told, dataset="letters"), headers=YAML)
    assert made.status == 201, made
    job = await api.told.until_job(made.json["job_id"], lambda job: job.status == "running")
    assert [run.samples for run in await api.told.states.runs(job)] == [3]
    outside = str(tmp_path / "secret.txt")
    for dataset in (str(tmp_path), "../store", "~/x", "way-out/store", "file:///etc", "letters/../../store"):
        said = await api.ask("POST", "/jobs", data=job_file(api.told, dataset=dataset), headers=YAML)
        assert said.status == 422 and said.json["problems"][0]["line"] == 5, (dataset, said)
    for more in (
        f", system_prompt: '{outside}'",
        ", system_prompt: '../secret.txt'",
        ", prompts: ../secret.txt",
        ", prompt_sets: {a: ../secret.txt, b: {system_prompt: ../secret.txt}}",
        ", response_schema: /etc/passwd",
        ", answers: ../secret.txt",
        ", answers: 'key:jobs/x/plan.json'",
        ", few_shot: {count: 1, dataset: ../store}",
    ):
        text = job_file(api.told, more=more)
        if "prompts" in more or "prompt_sets" in more:
            text = text.replace("prompt: 'Read: {{ question }}', ", "")
        said = await api.ask("POST", "/jobs", data=text, headers=YAML)
        assert said.status == 422, (more, said)
        assert "not for you" not in said.body.decode()
        assert any(word in said.body.decode() for word in ("folder of the files", "holds no answers")), (more, said)
    for cell in ("../secret.txt", outside, "..\\secret.txt"):
        table = f"dataset;task;framework;model_name;system_prompt;metrics\nletters;;;m;{cell};['CER']\n"
        said = await api.ask("POST", "/jobs", data=table, headers=CSV)
        assert said.status == 422 and "folder of the files" in said.json["problems"][0]["message"], (cell, said)


async def test_without_a_data_folder_no_file_is_named(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with interface(told, tmp_path, monkeypatch, DATA_DIR="", SOURCES="none") as api:
        for dataset in ("letters", "https://host/file.jsonl"):
            said = await api.ask("POST", "/jobs", data=job_file(told, dataset=dataset), headers=YAML)
            assert said.status == 422, said
        assert (await api.ask("POST", "/jobs", data=job_file(told), headers=YAML)).status == 201


async def test_bodies_are_bounded_and_have_a_kind(told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with interface(told, tmp_path, monkeypatch, MAX_BODY_MIB="0.01") as api:

        async def chunks() -> object:
            for _ in range(20):
                yield b"#" * 1024

        for body in (b"#" * 20_000, chunks()):
            said = await api.ask("POST", "/jobs", data=body, headers=YAML)
            assert said.status == 413 and said.json["title"] in ("Request Entity Too Large", "Content Too Large"), said
        said = await api.ask("POST", "/jobs", data=b"x", headers={"Content-Type": "image/png"})
        assert said.status == 415
        said = await api.ask("POST", "/tokens", data=b'{"name": "' + b"x" * 20_000 + b'"}')
        assert said.status == 413


async def test_jobs_are_listed_newest_first_filtered_and_in_pages(api: Interface) -> None:
    for number in range(5):
        await api.told.submit(f"job-{number}", api.told.spec("Even" if number % 2 == 0 else "odd_%"))
    await api.told.complete("two", models=2)
    await api.until("two", "completed")
    seen: list[str] = []
    cursor = ""
    while True:
        page = await api.get(f"/jobs?limit=2{cursor}")
        seen += [job["job_id"] for job in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ["two", "job-4", "job-3", "job-2", "job-1", "job-0"]

    async def found(query: str) -> list[str]:
        return [job["job_id"] for job in (await api.get(f"/jobs?{query}"))["items"]]

    assert await found("name=even") == ["job-4", "job-2", "job-0"]
    assert await found("name=d_%25") == ["job-3", "job-1"]
    assert await found("status=completed") == ["two"]
    assert len(await found("status=completed&status=running")) == 6
    assert await found("model=m1") == ["two"] and await found("model=m1&task=nothing") == []
    middle = (await api.get("/jobs/job-2"))["created_at"].replace("+", "%2B")
    assert await found(f"until={middle}") == ["job-1", "job-0"]
    assert await found(f"since={middle}") == ["two", "job-4", "job-3", "job-2"]
    runs = await api.get("/jobs/two/runs?limit=1")
    assert [run["model"] for run in runs["items"]] == ["m0"]
    runs = await api.get(f"/jobs/two/runs?limit=1&cursor={runs['next']}")
    assert [run["model"] for run in runs["items"]] == ["m1"] and runs["next"] is None
    backends = await api.get("/backends?job_id=two&limit=1")
    rest = await api.get(f"/backends?job_id=two&limit=5&cursor={backends['next']}")
    assert len(rest["items"]) == 1 and rest["items"] != backends["items"]
    for path in (
        "/jobs?cursor=x",
        "/jobs?cursor=WzFd",
        "/jobs/two/runs?cursor=WyJhIl0",
        "/backends?cursor=WyJhIiwiYiJd",
    ):
        assert (await api.ask("GET", path)).status == 400, path


async def test_a_job_is_cancelled_and_asked_again(api: Interface) -> None:
    job = await api.told.submit("stopped")
    await api.told.answer((await api.told.states.runs(job))[0], shards=1)
    said = await api.ask("POST", "/jobs/stopped/cancel")
    assert (said.status, said.json["status"]) == (202, "cancelled")
    assert (await api.ask("POST", "/jobs/stopped/cancel")).status == 409
    busy = await api.ask("POST", "/jobs/stopped/retry", json={})
    assert busy.status == 409 and "still at work" in busy.json["detail"]
    for run in await api.told.states.runs(job):
        await api.told.evaluate(run)
    await api.told.report("stopped")
    shown = await api.until("stopped", "cancelled")
    assert shown["counts"]["withdrawn"] > 0
    assert (await api.ask("POST", "/jobs/stopped/retry", json={"failed_only": True})).status == 409
    again = await api.ask("POST", "/jobs/stopped/retry", json={})
    assert (again.status, again.json["status"]) == (202, "running")
    await api.told.answer((await api.told.states.runs(await api.told.states.job("stopped")))[0], shards=1)
    shown = await api.until("stopped", "running")
    assert (shown["round"], shown["finished_at"]) == (1, None)
    for path in ("cancel", "retry", "evaluate"):
        body = {"metrics": ["cer"]}
        assert (await api.ask("POST", f"/jobs/nothing/{path}", json=body)).status == 404


async def test_stored_answers_are_scored_anew(api: Interface) -> None:
    await api.told.complete("done", models=2)
    wrong = await api.ask("POST", "/jobs/done/evaluate", json={"metrics": ["certainly-not"]})
    assert wrong.status == 422 and "certainly-not" in wrong.json["problems"][0]["message"]
    made = await api.ask("POST", "/jobs/done/evaluate", json={"metrics": ["wer", "anls"]})
    assert made.status == 201, made
    job = await api.told.until_job(made.json["job_id"], lambda job: job.status != "accepted")
    runs = await api.told.states.runs(job)
    assert [run.stage for run in runs] == ["evaluation", "evaluation"] and "inference" not in job.stages


async def test_registries_and_agents_are_shown(api: Interface, tmp_path: Path) -> None:
    (tmp_path / "data" / "registry" / "models").mkdir(parents=True)
    entry = {"name": "house-model", "backend": "openai", "base_url": "http://127.0.0.1:9/v1"}
    (tmp_path / "data" / "registry" / "models" / "m.yaml").write_text(json.dumps(entry))
    for kind in ("models", "tasks", "datasets", "metrics"):
        names = [entry["name"] for entry in await api.get(f"/registries/{kind}")]
        if kind == "models":
            assert "house-model" in names and "qwen3-vl-8b" in names
        if kind == "metrics":
            assert "cer" in names
    shown = await api.get("/registries/models/house-model")
    assert shown["entry"]["backend"] == "openai"
    assert (await api.ask("GET", "/registries/models/nothing")).status == 404
    assert await api.get("/agents") == []
    info = AgentInfo(agent_id="a", host="h", pid=1, started_at="2026-01-01T00:00:00+00:00")
    await api.told.bus.agents.put("a", info)
    assert [agent["host"] for agent in await api.get("/agents")] == ["h"]


async def test_jobs_in_which_metrics_ask_models_are_listed_when_they_are_asked_for(api: Interface) -> None:
    await api.told.submit("users")
    for name, what in (("users-0-q0-1", events.JobAccepted), ("users-0-q1-1", events.JobRejected)):
        more = {"problems": ("no",)} if what is events.JobRejected else {"runs": ()}
        await api.told.bus.publish(what(job_id=name, name="judge", asked_by="users-0", **more))
    await api.until("users-0-q1-1", "rejected")
    assert [job["job_id"] for job in (await api.get("/jobs"))["items"]] == ["users"]
    asked = (await api.get("/jobs?asked_by=users-0"))["items"]
    assert {(job["job_id"], job["asked_by"]) for job in asked} == {
        ("users-0-q0-1", "users-0"),
        ("users-0-q1-1", "users-0"),
    }


async def test_of_a_job_that_is_none_there_is_nothing(api: Interface) -> None:
    paths = (await api.get("/openapi.json"))["paths"]
    found = [path.removeprefix("/api/v1") for path in paths if "/jobs/{job_id}" in path and "get" in paths[path]]
    assert len(found) > 10
    for path in found:
        if path.count("{") == 1:
            said = await api.ask("GET", path.replace("{job_id}", "nothing"), params={"metric": "cer", "model": "m"})
            assert said.status == 404 and "job nothing" in said.json["detail"], (path, said)
