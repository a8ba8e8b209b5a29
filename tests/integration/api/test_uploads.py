"""Files that come with a job: put here, looked into, read, removed; never anything outside."""

import asyncio
import io
import os
import stat
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from interface import Interface, interface
from story import Story
from yarl import URL

from vhb_shared.contracts.plan import Plan
from vhb_shared.store import layout
from vhb_shared.testing.damaged import ABORTS_ITS_READER
from vhb_shared.testing.samples import small_png

YAML = {"Content-Type": "application/yaml"}
JOB = b"""\
name: invoices
models: [{name: m, backend: openai, base_url: "http://127.0.0.1:9"}]
tasks: [{name: t, dataset: papers, prompts: prompts.yaml, metrics: [cer]}]
"""
FILES = {
    "papers/annotation.csv": b"id,image_path,answer,doc_class\na,a.png,one,bill\nb,sub/b.png,two,bill\n",
    "papers/a.png": small_png(1),
    "papers/sub/b.png": small_png(2),
    "prompts.yaml": b"user_prompt: Read the bill.\n",
    "job.yaml": JOB,
}


async def uploaded(api: Interface, files: dict[str, bytes], **options: Any) -> str:
    said = await api.ask("POST", "/uploads", json={"name": "mine"}, **options)
    assert said.status == 201, said
    upload_id: str = said.json["upload_id"]
    for name, content in files.items():
        put = await api.ask("PUT", f"/uploads/{upload_id}/files/{name}", data=content, **options)
        assert (put.status, put.json) == (200, {"path": name, "bytes": len(content)})
    return upload_id


def packed(files: dict[str, bytes], below: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{below}{name}", content)
    return buffer.getvalue()


async def test_a_folder_is_uploaded_and_its_job_outlives_it(api: Interface) -> None:
    token = api.token("submitter")
    upload_id = await uploaded(api, FILES, token=token)
    about = await api.get(f"/uploads/{upload_id}", token=token)
    assert about["files"] == len(FILES) and about["bytes"] == sum(map(len, FILES.values()))
    listed = await api.get(f"/uploads/{upload_id}/files?limit=2", token=token)
    assert [file["path"] for file in listed["items"]] == sorted(FILES)[:2] and listed["next"]
    look = await api.get(f"/uploads/{upload_id}/contents", token=token)
    assert (look["job_file"], look["text"]) == ("job.yaml", JOB.decode())
    checked = await api.ask("POST", f"/jobs/validate?upload={upload_id}", token=token)
    assert checked.json["runs"] == 1, checked
    submitted = await api.ask("POST", f"/jobs?upload={upload_id}", token=token)
    assert submitted.status == 201, submitted
    assert (await api.ask("DELETE", f"/uploads/{upload_id}", token=token)).status == 204
    assert (await api.ask("GET", f"/uploads/{upload_id}", token=token)).status == 404
    job_id = submitted.json["job_id"]
    await api.told.until_job(job_id, lambda job: job.status != "accepted")
    plan = Plan.model_validate_json(await api.told.store.get(layout.plan(job_id)))
    assert plan.runs[0].samples == 2 and plan.runs[0].dataset.name == "papers"
    audit = await api.get("/audit")
    assert [entry["method"] for entry in audit["items"] if entry["path"].startswith("/api/v1/uploads")] == [
        "DELETE", "POST",
    ]  # fmt: skip


async def test_the_body_is_the_job_and_its_mistakes_have_places(api: Interface) -> None:
    upload_id = await uploaded(api, FILES)
    wrong = JOB.replace(b"dataset: papers", b"dataset: letters")
    for path in ("/jobs/validate", "/jobs"):
        said = await api.ask("POST", f"{path}?upload={upload_id}", data=JOB.replace(b"cer", b"cor"), headers=YAML)
        assert said.status == 422 and said.json["problems"][0]["line"] == 3, said
    said = await api.ask("POST", f"/jobs?upload={upload_id}", data=wrong, headers=YAML)
    assert said.status == 422 and "letters" in said.json["detail"], said
    assert str(Path.cwd()) not in said.body.decode() and "uploads/" not in said.body.decode(), said


async def test_a_file_that_aborts_its_reader_is_a_mistake_of_the_job(api: Interface) -> None:
    """It does not end the service: whoever comes after it is served."""
    upload_id = await uploaded(
        api, {"papers/train.parquet": ABORTS_ITS_READER, "job.yaml": JOB.replace(b", prompts: prompts.yaml", b"")}
    )
    assert (await api.get(f"/uploads/{upload_id}/contents"))["job_file"] == "job.yaml"
    for path in ("/jobs/preview", "/jobs"):
        said = await api.ask("POST", f"{path}?upload={upload_id}")
        assert said.status == 422 and "damaged" in said.json["detail"], said
        assert str(Path.cwd()) not in said.body.decode() and "uploads/" not in said.body.decode(), said


async def test_an_archive_of_a_folder_is_the_folder(api: Interface) -> None:
    for below in ("", "project/"):
        upload_id = await uploaded(api, {"all.zip": packed(FILES, below)})
        look = await api.get(f"/uploads/{upload_id}/contents")
        assert look["job_file"] == "job.yaml" and [found["source"] for found in look["datasets"]] == ["papers"]
        said = await api.ask("POST", f"/jobs?upload={upload_id}")
        assert said.status == 201, said


async def test_data_alone_are_found(api: Interface) -> None:
    images = {f"scans/{number}.png": small_png(number) for number in range(3)}
    found = await api.get(f"/uploads/{await uploaded(api, images)}/contents")
    assert found["job_file"] is None
    assert found["datasets"] == [{"source": ".", "reader": "folder", "columns": ["images"]}]
    table = {"q.jsonl": b'{"id": "1", "image": "scans/1.png", "question": "Why?"}\n', "notes.txt": b"no data"}
    found = await api.get(f"/uploads/{await uploaded(api, images | table)}/contents")
    assert [each["source"] for each in found["datasets"]] == ["q.jsonl", "scans"]


async def test_a_table_of_the_earlier_tool_becomes_a_job_file(api: Interface) -> None:
    folder = Path(__file__).parents[3] / "examples/user_config"
    sources = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    upload_id = await uploaded(api, sources)
    look = await api.get(f"/uploads/{upload_id}/contents")
    assert look["job_file"] == "user_config.csv" and look["problems"] == []
    said = await api.ask("POST", f"/jobs/validate?upload={upload_id}", data=look["text"], headers=YAML)
    as_it_is = await api.ask("POST", f"/jobs/validate?upload={upload_id}")
    assert said.status == 200 and said.json == as_it_is.json and said.json["runs"] > 1, said
    wrong = sources["user_config.csv"].replace(b"pages_mini", b"../pages_mini")
    assert (await api.ask("PUT", f"/uploads/{upload_id}/files/user_config.csv", data=wrong)).status == 200
    look = await api.get(f"/uploads/{upload_id}/contents")
    assert look["text"] is None and look["problems"], look


async def test_an_example_is_a_job_with_its_data(api: Interface) -> None:
    assert await api.get("/examples") == ["quickstart"]
    made = await api.ask("POST", "/uploads", json={"example": "quickstart"})
    look = await api.get(f"/uploads/{made.json['upload_id']}/contents")
    assert look["job_file"] == "job.yaml" and look["datasets"][0]["source"] == "documents"
    said = await api.ask("POST", f"/jobs?upload={made.json['upload_id']}")
    assert (said.status, said.json["runs"]) == (201, 2), said
    assert (await api.ask("POST", "/uploads", json={"example": "../x"})).status == 404


async def test_names_that_lead_elsewhere_are_refused(api: Interface, tmp_path: Path) -> None:
    upload_id = await uploaded(api, {})
    before = sorted((tmp_path / "files").rglob("*"))
    names = ("%2e%2e/x", "a/%2e%2e/%2e%2e/x", "%2fetc/x", "a//b", "a%5cb", "a%00b", "a%0ab", "./a", "x" * 300)
    for name in (*names, "a/" * 50 + "b"):
        url = URL(f"{api.address}/api/v1/uploads/{upload_id}/files/{name}", encoded=True)
        async with api.session.put(url, data=b"x", headers={"Authorization": f"Bearer {api.admin}"}) as response:
            assert response.status in (404, 422), (name, await response.text())
    assert sorted((tmp_path / "files").rglob("*")) == before


async def test_jobs_read_nothing_outside_their_upload(api: Interface) -> None:
    upload_id = await uploaded(api, FILES)
    for dataset in ("../..", "/etc", "~", "papers/../../.."):
        job = JOB.replace(b"dataset: papers", f'dataset: "{dataset}"'.encode())
        said = await api.ask("POST", f"/jobs?upload={upload_id}", data=job, headers=YAML)
        assert said.status == 422 and "below the folder of the files" in said.json["detail"], said


async def test_entries_of_an_uploaded_registry_are_not_believed(api: Interface) -> None:
    entry = b"- {name: stolen, source: /etc}\n"
    upload_id = await uploaded(api, FILES | {"registry/datasets/x.yaml": entry})
    job = JOB.replace(b"dataset: papers", b"dataset: stolen")
    said = await api.ask("POST", f"/jobs?upload={upload_id}", data=job, headers=YAML)
    assert said.status == 422 and "no such file or folder" in said.json["detail"], said


async def test_archives_that_leave_their_folder_are_refused(api: Interface, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("papers")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "/etc")
    for content, why in ((packed({"../../evil": b"x"}), "leaves its folder"), (buffer.getvalue(), "no plain file")):
        upload_id = await uploaded(api, {"all.zip": content})
        for path in (f"/uploads/{upload_id}/contents", f"/jobs?upload={upload_id}"):
            said = await api.ask("GET" if "contents" in path else "POST", path)
            assert said.status == 422 and why in said.json["detail"], said
    assert "evil" not in {name for _, _, names in os.walk(tmp_path) for name in names}


async def test_uploads_are_bounded(told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kib = 1 / (1 << 20)
    bounds = {"UPLOAD_FILE_GIB": 40 * kib, "UPLOAD_GIB": 60 * kib, "UPLOADS_GIB": 100 * kib, "UPLOAD_FILES": 4}
    sent = {name: str(value) for name, value in bounds.items()} | {"MAX_BODY_MIB": "0.01"}
    async with interface(told, tmp_path, monkeypatch, **sent) as api:

        async def chunks(size: int) -> Any:
            for _ in range(size >> 10):
                yield bytes(1 << 10)

        async def put(upload_id: str, name: str, size: int, *, length: bool = True) -> int:
            body = bytes(size) if length else chunks(size)
            said = await api.ask("PUT", f"/uploads/{upload_id}/files/{name}", data=body)
            return said.status

        first, second = await uploaded(api, {}), await uploaded(api, {})
        assert await put(first, "a", 41 << 10) == 413
        assert await put(first, "a", 41 << 10, length=False) == 413
        assert await put(first, "a", 39 << 10, length=False) == 200
        assert await put(first, "a", 39 << 10) == 200, "what is replaced does not count"
        assert await put(first, "b", 30 << 10) == 413
        assert await put(second, "a", 39 << 10) == 200
        assert await put(second, "b", 20 << 10) == 200
        assert await put(first, "b", 5 << 10) == 413, "all uploads together"
        assert (await api.ask("DELETE", f"/uploads/{second}")).status == 204
        assert [await put(first, name, 1 << 10) for name in "bcde"] == [200, 200, 200, 413]
        assert (await api.get(f"/uploads/{first}"))["bytes"] == 42 << 10
        assert (await api.ask("POST", "/jobs", data=bytes(20 << 10), headers=YAML)).status == 413
        assert (await api.ask("DELETE", f"/uploads/{first}")).status == 204
        third = await uploaded(api, {"all.zip": packed({"zeros": bytes(70 << 10)})})
        said = await api.ask("GET", f"/uploads/{third}/contents")
        assert said.status == 422 and "takes more than an upload may" in said.json["detail"], said


async def test_there_are_not_any_number_of_uploads(api: Interface, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vhb_api.uploads.staging.MOST", 2)
    first, _ = await uploaded(api, {}), await uploaded(api, {})
    said = await api.ask("POST", "/uploads")
    assert said.status == 413 and "2 uploads" in said.json["detail"], said
    assert (await api.ask("DELETE", f"/uploads/{first}")).status == 204
    assert (await api.ask("POST", "/uploads")).status == 201


async def test_an_upload_is_its_owners_and_goes_when_nobody_uses_it(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with interface(told, tmp_path, monkeypatch) as api:
        upload_id = await uploaded(api, {"a": b"x"})
        kept = await uploaded(api, {"b/c": b"yy"})
        other = api.token("submitter")
        for method, path in (("GET", ""), ("GET", "/files"), ("GET", "/contents"), ("DELETE", ""), ("PUT", "/files/z")):
            assert (await api.ask(method, f"/uploads/{upload_id}{path}", token=other)).status == 404
        assert (await api.ask("POST", f"/jobs?upload={upload_id}", token=other)).status == 404
        assert (await api.ask("POST", "/uploads", token=api.token("viewer"))).status == 403
    (folder,) = (tmp_path / "files/uploads").glob(upload_id)
    day = time.time() - 25 * 3600
    os.utime(folder / "upload.json", (day, day))
    (tmp_path / "files/uploads" / ("0" * 32)).mkdir()
    os.utime(tmp_path / "files/uploads" / ("0" * 32), (day, day))
    async with interface(told, tmp_path, monkeypatch) as api:
        assert (await api.ask("GET", f"/uploads/{upload_id}")).status == 404
        assert [path.name for path in (tmp_path / "files/uploads").iterdir()] == [kept]
        assert (await api.get(f"/uploads/{kept}"))["bytes"] == 2


async def test_a_file_whose_sender_goes_away_is_not_there(api: Interface) -> None:
    upload_id = await uploaded(api, {})
    host, port = api.address.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"PUT /api/v1/uploads/{upload_id}/files/a HTTP/1.1\r\nHost: {host}\r\n"
    writer.write(f"{head}Authorization: Bearer {api.admin}\r\nContent-Length: 100000\r\n\r\n".encode() + bytes(5000))
    await writer.drain()
    await until(api, upload_id, 5000)
    writer.close()
    await until(api, upload_id, 0)
    assert (await api.get(f"/uploads/{upload_id}/files"))["items"] == []


async def until(api: Interface, upload_id: str, size: int) -> None:
    for _ in range(500):
        if (await api.get(f"/uploads/{upload_id}"))["bytes"] == size:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"the upload never had {size} bytes")
