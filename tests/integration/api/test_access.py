"""Who may do what, how often, and what is written down of it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from interface import Interface, interface
from story import Story
from yarl import URL

from vhb_api.settings import ApiSettings
from vhb_shared.errors import UserError

READS = ("/jobs", "/agents", "/backends", "/registries/models", "/me", "//metrics")
CHANGES = ("/jobs", "/jobs/validate", "/jobs/x/cancel")
ADMIN = ("/tokens", "/audit")


async def test_nothing_is_told_without_a_token(api: Interface) -> None:
    for method, paths in (("GET", READS + ADMIN), ("POST", (*CHANGES, "/tokens"))):
        for path in paths:
            for token in (None, "wrong"):
                said = await api.ask(method, path, token=token)
                assert said.status == 401 and said.headers["WWW-Authenticate"] == "Bearer", (method, path)
                assert said.headers["Content-Type"] == "application/problem+json"
    for path in ("//healthz", "//readyz", "/openapi.json"):
        assert (await api.ask("GET", path, token=None)).status == 200


async def test_each_role_may_what_it_is_for(api: Interface) -> None:
    viewer, submitter = api.token("viewer"), api.token("submitter")
    for path in READS:
        assert (await api.ask("GET", path, token=viewer)).status == 200, path
    for path in CHANGES:
        said = await api.ask("POST", path, token=viewer)
        assert said.status == 403 and "needs the role submitter" in said.json["detail"], path
        assert (await api.ask("POST", path, token=submitter)).status != 403
    for path in ADMIN:
        assert (await api.ask("GET", path, token=submitter)).status == 403
        assert (await api.ask("GET", path)).status == 200
    assert (await api.get("/me", token=viewer))["role"] == "viewer"


async def test_tokens_are_made_shown_once_kept_as_hashes_and_revoked(api: Interface, tmp_path: Path) -> None:
    made = await api.ask("POST", "/tokens", json={"name": "ci", "role": "submitter"})
    assert made.status == 201
    token = made.json["token"]
    assert (await api.get("/me", token=token)) == {"name": "ci", "role": "submitter"}
    assert (await api.ask("POST", "/tokens", json={"name": "ci", "role": "viewer"})).status == 409
    with closing(sqlite3.connect(tmp_path / "api.db")) as database:
        stored = "\n".join(database.iterdump())
    assert token not in stored and api.admin not in stored
    listed = await api.get("/tokens")
    assert token not in str(listed) and all("hash" not in entry for entry in listed)
    token_id = next(entry["token_id"] for entry in listed if entry["name"] == "ci")
    assert (await api.ask("DELETE", f"/tokens/{token_id}")).status == 204
    assert (await api.ask("GET", "/me", token=token)).status == 401
    assert (await api.ask("DELETE", "/tokens/nothing")).status == 404


async def test_a_token_in_a_file_takes_the_place_of_the_one_before(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with interface(told, tmp_path, monkeypatch) as api:
        token_id = next(entry["token_id"] for entry in await api.get("/tokens"))
    tokens = api.tokens
    fresh = tmp_path / "fresh.token"
    fresh.write_text("n" * 40 + "\n")
    tokens.take_from(fresh)
    assert tokens.known(api.admin) is None and tokens.known("n" * 40) is not None
    tokens.take_from(fresh)  # at each start
    assert [row.token_id for row in tokens.all() if row.revoked_at is not None] == [token_id]
    with pytest.raises(UserError, match="was revoked"):
        tokens.take_from(tmp_path / "admin.token")
    fresh.write_text("short")
    with pytest.raises(UserError, match="32 random characters"):
        tokens.take_from(fresh)


async def test_what_is_meant_to_change_something_is_written_down(api: Interface) -> None:
    viewer = api.token("viewer")
    await api.ask("POST", "/jobs/x/cancel", token=viewer)
    await api.ask("POST", "/tokens", json={"name": "ci", "role": "viewer"})
    await api.ask("GET", "/jobs")
    first, second = (await api.get("/audit"))["items"]
    assert (first["path"], first["status"], first["role"]) == ("/api/v1/tokens", 201, "admin")
    assert (second["path"], second["status"], second["role"]) == ("/api/v1/jobs/x/cancel", 403, "viewer")
    page = await api.get("/audit?limit=1")
    assert (await api.get(f"/audit?limit=1&cursor={page['next']}"))["items"] == [second]


async def test_requests_are_counted_by_token_and_guesses_by_address(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vhb_api.rest.context.GUESSES_PER_MINUTE", 3)
    async with interface(told, tmp_path, monkeypatch, REQUESTS_PER_MINUTE="5") as api:
        viewer = api.token("viewer")
        statuses = [(await api.ask("GET", "/me", token=viewer)).status for _ in range(7)]
        assert statuses == [200] * 5 + [429] * 2
        last = await api.ask("GET", "/me", token=viewer)
        assert int(last.headers["Retry-After"]) in range(1, 14)
        assert (await api.ask("GET", "/me")).status == 200, "another token is not held back"
        guesses = [(await api.ask("GET", "/me", token=f"guess-{n}")).status for n in range(5)]
        assert guesses == [401] * 3 + [429] * 2
        assert (await api.ask("GET", "/me")).status == 200, "nor is a token that is known"


async def test_browsers_are_told_to_take_care_and_other_origins_get_nothing(api: Interface) -> None:
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
    for method, path in (("GET", "/jobs"), ("OPTIONS", "/jobs"), ("GET", "/nothing"), ("GET", "//healthz")):
        said = await api.ask(method, path, headers=headers)
        assert not any(name.lower().startswith("access-control") for name in said.headers), (method, path)
        assert said.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in said.headers["Content-Security-Policy"]
        assert said.headers["Cache-Control"] == "no-store"
        assert "Server" not in said.headers


async def test_it_says_whether_it_is_well(api: Interface) -> None:
    await api.told.complete("done")
    await api.until("done", "completed")
    text = (await api.ask("GET", "//metrics")).body.decode()
    assert 'vhb_api_jobs{status="completed"} 1.0' in text
    assert 'vhb_api_requests_total{method="GET",route="/jobs/{job_id}",status="200"}' in text
    taken = next(line for line in text.splitlines() if line.startswith("vhb_api_events_total"))
    assert float(taken.split()[1]) == len(await api.told.stream())
    await api.told.server.kill()
    async with asyncio.timeout(10):
        while (await api.ask("GET", "//readyz", token=None)).status == 200:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert (await api.ask("GET", "//healthz", token=None)).status == 200
    assert (await api.ask("GET", "/jobs")).status == 200, "what is in the database is told without the bus"
    await api.told.server.start()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "host.example"])
def test_beyond_this_machine_it_speaks_tls_only(host: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="tokens would travel in the clear"):
        ApiSettings(host=host).check()
    with pytest.raises(UserError, match="belong together"):
        ApiSettings(host=host, tls_cert=tmp_path).check()
    ApiSettings(host=host, trusted_network=True).check()
    for own in ("127.0.0.1", "::1", "localhost"):
        ApiSettings(host=own).check()


@pytest.mark.parametrize("path", ["%00", "jobs/%00", "a" * 300, "a/" * 3000, "%2e%2e/%2e%2e/index.html"])
async def test_any_address_is_one_of_the_page(
    api: Interface, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    folder = tmp_path / "a" / "page"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("the page")
    (tmp_path / "index.html").write_text("not the page")
    monkeypatch.setattr("vhb_api.rest.page.FOLDER", folder)
    async with api.session.get(URL(f"{api.address}/{path}", encoded=True)) as said:
        assert (said.status, await said.text()) == (200, "the page")
