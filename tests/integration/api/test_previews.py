"""What a job would send is what its requests are made of; reading that takes long is told of."""

import asyncio
import io
from typing import Any

import pytest
from interface import Interface
from PIL import Image
from test_uploads import FILES, JOB, YAML, uploaded

from vhb_shared.asking.questions import run_files, shard_questions
from vhb_shared.contracts.plan import Plan
from vhb_shared.store import layout
from vhb_shared.store.cache import ObjectCache

PROMPTED = b"""\
name: invoices
models:
  - {name: m, backend: openai, base_url: "http://127.0.0.1:9", generation: {max_tokens: 77, seed: 3}}
  - {name: n, backend: openai, base_url: "http://127.0.0.1:9"}
tasks:
  - name: t
    dataset: papers
    system_prompt: You read bills.
    prompt: "Read the {{ doc_class }} {{ id }}."
    few_shot: {ids: [b]}
    epochs: 2
    corruptions: [{kind: blur}]
    metrics: [cer]
"""


async def previewed(api: Interface, upload_id: str, job: bytes, query: str = "") -> Any:
    said = await api.ask("POST", f"/jobs/preview?upload={upload_id}{query}", data=job, headers=YAML)
    assert said.status == 200, said
    return said.json


async def test_a_preview_is_what_is_sent_later(api: Interface, tmp_path: Any) -> None:
    upload_id = await uploaded(api, FILES)
    shown = await previewed(api, upload_id, PROMPTED, "&model=m")
    assert shown["models"] == ["m", "n"] and shown["runs"] == ["m__t", "m__t~blur-3"]
    assert (shown["rows"], shown["whole"]) == (4, True)
    first = shown["samples"][0]
    assert [message["role"] for message in first["messages"]] == ["system", "user", "assistant", "user"]
    assert [message["text"] for message in first["messages"]] == [
        "You read bills.", "Read the bill b.", "two", "Read the bill a.",
    ]  # fmt: skip
    assert first["references"] == ["one"] and first["columns"]["doc_class"] == "bill"
    assert first["parameters"]["max_tokens"] == 77 and first["parameters"]["seed"] == 3
    assert shown["samples"][1]["id"] == "a~e2" and shown["samples"][1]["parameters"]["seed"] == 4
    blurred = await previewed(api, upload_id, PROMPTED, "&model=m&run=m__t~blur-3")
    for found, file in ((shown, "papers/a.png"), (blurred, None)):
        url = found["samples"][0]["messages"][-1]["images"][0]["url"]
        image = await api.ask("GET", url.removeprefix("/api/v1"))
        assert image.status == 200 and Image.open(io.BytesIO(image.body)).size == (16, 16)
        assert file is None or image.body == FILES[file]
        other = await api.ask("GET", url.removeprefix("/api/v1"), token=api.token("submitter"))
        assert other.status == 404
    digests = [info.key async for info in api.told.store.list("datasets/")]
    assert all(api.told.dataset.digest in key for key in digests), "a preview stores nothing"
    submitted = await api.ask("POST", f"/jobs?upload={upload_id}", data=PROMPTED, headers=YAML)
    job_id = submitted.json["job_id"]
    await api.told.until_job(job_id, lambda job: job.status != "accepted")
    run = Plan.model_validate_json(await api.told.store.get(layout.plan(job_id))).runs[0]
    files = await run_files(run, ObjectCache(api.told.store, tmp_path / "copies"))
    sent = await asyncio.to_thread(shard_questions, files, run, 0)
    assert [(one.id, one.text) for one in sent] == [
        (sample["id"], sample["messages"][-1]["text"]) for sample in shown["samples"]
    ]


async def test_only_what_is_shown_is_read_and_mistakes_are_told(api: Interface) -> None:
    rows = b"".join(f"{number},a.png,one,bill\n".encode() for number in range(3, 40))
    many = FILES | {"papers/annotation.csv": FILES["papers/annotation.csv"] + rows + b"x,none.png,one,bill\n"}
    upload_id = await uploaded(api, many)
    shown = await previewed(api, upload_id, JOB, "&samples=5")
    assert len(shown["samples"]) == 5 and not shown["whole"] and shown["warnings"] == []
    later = await previewed(api, upload_id, JOB, "&samples=5&offset=35")
    assert len(later["samples"]) == 4 and "none.png" in later["warnings"][0]
    said = await api.ask(
        "POST", f"/jobs/preview?upload={upload_id}", data=JOB.replace(b"[cer]", b"[cer, vqa_accuracy]"), headers=YAML
    )
    assert said.status == 422 and said.json["problems"], said
    stored = JOB.replace(b"papers, prompts: prompts.yaml", f"'sha256:{api.told.dataset.digest}'".encode())
    said = await api.ask("POST", "/jobs/preview", data=stored, headers=YAML)
    assert said.json["rows"] == 6 and said.json["whole"], said
    url = said.json["samples"][0]["messages"][0]["images"][0]["url"]
    assert url.startswith(f"/api/v1/datasets/{api.told.dataset.digest}/media/")
    assert (await api.ask("GET", url.removeprefix("/api/v1"))).status == 200


async def test_a_job_is_handed_in_while_nobody_waits(api: Interface, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_id = await uploaded(api, FILES)
    headers = YAML | {"Idempotency-Key": "once"}
    started = await api.ask("POST", f"/submissions?upload={upload_id}", headers={"Idempotency-Key": "once"})
    assert started.status == 202 and started.json["state"] in ("waiting", "reading"), started
    again = await api.ask("POST", f"/submissions?upload={upload_id}", headers={"Idempotency-Key": "once"})
    assert again.json["submission_id"] == started.json["submission_id"]
    assert (await api.ask("DELETE", f"/uploads/{upload_id}")).status in (204, 409)
    path = f"/submissions/{started.json['submission_id']}"
    done = await ended(api, path)
    assert done["state"] == "handed_in" and any(line.startswith("reading data") for line in done["lines"]), done
    await api.told.until_job(done["job"]["job_id"], lambda job: job.status != "accepted")
    assert (await api.ask("GET", path, token=api.token("submitter"))).status == 404
    wrong = await api.ask(
        "POST", "/submissions", data=JOB.replace(b"cer", b"cor"), headers=headers | {"Idempotency-Key": "x"}
    )
    refused = await ended(api, f"/submissions/{wrong.json['submission_id']}")
    assert refused["state"] == "refused" and refused["problems"][0]["line"] == 3, refused


async def ended(api: Interface, path: str) -> Any:
    for _ in range(500):
        state = await api.get(path)
        if state["state"] not in ("waiting", "reading"):
            return state
        await asyncio.sleep(0.02)
    raise AssertionError(state)
