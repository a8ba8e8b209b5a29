"""The files of results: whole, in parts, from an S3 server itself."""

from pathlib import Path

import pytest
from interface import Interface, interface
from story import Story

from vhb_shared.store import layout
from vhb_shared.store.s3 import S3Store
from vhb_shared.testing.s3_server import S3Server

CONTENT = bytes(range(256)) * 4


async def finished(told: Story) -> None:
    """A job with some files, and some that are nobody's business."""
    await told.complete("done")
    for name in ("report.html", "metrics.csv", "samples/0.js", "submission.json"):
        await told.store.put(layout.job_file("done", name), CONTENT)
    for name in ("answers.csv", "telemetry/x.parquet"):
        await told.store.put(layout.run_file("done-0", name), CONTENT)


async def test_results_are_listed_and_fetched_and_nothing_else(api: Interface) -> None:
    await finished(api.told)
    await api.until("done", "completed")
    listed = await api.get("/jobs/done/artefacts")
    assert {entry["name"]: entry["bytes"] for entry in listed} == dict.fromkeys(
        ("report.html", "metrics.csv", "samples/0.js", "runs/m0__t/answers.csv"), len(CONTENT)
    )
    for entry in listed:
        said = await api.ask("GET", f"/jobs/done/artefacts/{entry['name']}")
        assert (said.status, said.body) == (200, CONTENT), entry
        assert "sandbox" in said.headers["Content-Security-Policy"]
        assert said.headers["X-Content-Type-Options"] == "nosniff"
    assert said.headers["Accept-Ranges"] == "bytes"
    for name in (
        "submission.json", "plan.json", "runs/m0__t/telemetry/x.parquet", "runs/m0__t/run.json", "nothing",
        "samples/%2e%2e/plan.json", "samples/../plan.json", "runs/m0__t/%2e%2e/%2e%2e/jobs/done/plan.json",
        "samples//x", "samples/%00", "report.htm", "runs/other/answers.csv",
    ):  # fmt: skip
        said = await api.ask("GET", f"/jobs/done/artefacts/{name}")
        assert said.status == 404, (name, said)


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [("bytes=0-9", 0, 10), ("bytes=1000-", 1000, 1024), ("bytes=-5", 1019, 1024), ("bytes=100-999999", 100, 1024)],
)
async def test_a_part_is_fetched(api: Interface, wanted: str, start: int, end: int) -> None:
    await finished(api.told)
    said = await api.ask("GET", "/jobs/done/artefacts/report.html", headers={"Range": wanted})
    assert (said.status, said.body) == (206, CONTENT[start:end])
    assert said.headers["Content-Range"] == f"bytes {start}-{end - 1}/1024"


async def test_a_part_that_is_not_there_is_refused_and_what_is_no_range_is_ignored(api: Interface) -> None:
    await finished(api.told)
    for wanted in ("bytes=1024-", "bytes=-0"):
        said = await api.ask("GET", "/jobs/done/artefacts/report.html", headers={"Range": wanted})
        assert said.status == 416 and said.headers["Content-Range"] == "bytes */1024"
    for wanted in ("bytes=5-2", "lines=1-2", "bytes=0-1,4-5", "bytes=-"):
        said = await api.ask("GET", "/jobs/done/artefacts/report.html", headers={"Range": wanted})
        assert (said.status, said.body) == (200, CONTENT), wanted


async def test_from_an_s3_server_they_come_by_presigned_addresses(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with S3Server(tmp_path / "s3") as server:
        server.make_bucket("results")
        for name, value in {
            "ENDPOINT": f"http://{server.endpoint}", "BUCKET": "results", "ACCESS_KEY": server.access_key,
            "SECRET_KEY": server.secret_key,
        }.items():  # fmt: skip
            monkeypatch.setenv(f"VHB_S3_{name}", value)
        store = S3Store(server.endpoint, "results", server.access_key, server.secret_key, secure=False)
        await told.complete("done")
        monkeypatch.setattr(told, "store", store)
        async with store:
            await store.put(layout.job_file("done", "report.html"), CONTENT)
            async with interface(told, tmp_path, monkeypatch) as api:
                said = await api.ask("GET", "/jobs/done/artefacts/report.html", headers={"Range": "bytes=1-3"})
                assert (said.status, said.body) == (206, CONTENT[1:4])
            endpoint = f"http://{server.endpoint}"
            async with interface(told, tmp_path, monkeypatch, S3_PUBLIC_ENDPOINT=endpoint) as api:
                said = await api.ask("GET", "/jobs/done/artefacts/report.html")
                assert said.status == 307
                async with api.session.get(said.headers["Location"]) as response:
                    assert await response.read() == CONTENT
                async with api.session.get(said.headers["Location"].partition("?")[0]) as response:
                    assert response.status in (400, 401, 403)
