"""Sessions of browsers: who gets one, whose requests it counts for, and when it ends."""

from http.cookies import SimpleCookie

from interface import Interface, Said

from vhb_api.access.sessions import Sessions
from vhb_api.db.database import Database
from vhb_api.rest.context import GUESSES_PER_MINUTE


def cookie_of(said: Said) -> str:
    (morsel,) = SimpleCookie(said.headers["Set-Cookie"]).values()
    assert morsel["httponly"] and morsel["samesite"] == "strict" and morsel["path"] == "/api"
    return f"{morsel.key}={morsel.value}"


async def logged_in(api: Interface, **given: str) -> str:
    said = await api.ask("POST", "/session", token=None, json=given, headers={"Origin": api.address})
    assert said.status == 200, said
    return cookie_of(said)


async def test_a_session_counts_for_the_service_s_own_page_only(api: Interface) -> None:
    cookie = await logged_in(api, token=api.admin)
    own = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
    assert (await api.ask("GET", "/me", token=None, headers=own)).json["role"] == "admin"
    wanted = {"name": "made", "role": "viewer"}
    assert (await api.ask("POST", "/tokens", token=None, headers=own, json=wanted)).status == 201
    other = "http://127.0.0.1:1"
    refused = [
        ("POST", "/tokens", {"Sec-Fetch-Site": "same-site"}),
        ("POST", "/tokens", {"Sec-Fetch-Site": "none"}),
        ("POST", "/tokens", {"Origin": other}),
        ("POST", "/tokens", {}),
        ("GET", "/jobs", {"Sec-Fetch-Site": "same-site"}),
        ("GET", "/jobs", {"Sec-Fetch-Site": "cross-site"}),
    ]
    for method, path, headers in refused:
        said = await api.ask(method, path, token=None, headers=headers | {"Cookie": cookie})
        assert said.status == 401, (method, headers)
    # A typed address, and a browser that says nothing, may read.
    for headers in ({"Sec-Fetch-Site": "none"}, {}):
        assert (await api.ask("GET", "/jobs", token=None, headers=headers | {"Cookie": cookie})).status == 200
    # No other page logs a person in, as somebody else.
    said = await api.ask("POST", "/session", token=None, json={"token": api.admin}, headers={"Origin": other})
    assert said.status == 403 and "Set-Cookie" not in said.headers


async def test_browsers_whose_session_ended_are_told_to_log_in_however_many_there_are(api: Interface) -> None:
    port = api.address.rpartition(":")[2]
    stale = {"Cookie": f"vhb-session-{port}=stale", "Sec-Fetch-Site": "same-origin"}
    said = [await api.ask("GET", "/me", token=None, headers=stale) for _ in range(GUESSES_PER_MINUTE + 5)]
    assert {each.status for each in said} == {401}
    assert said[-1].json["detail"] == "This session has ended: log in again."
    # They are no guesses: whose token is wrong is still told so.
    assert (await api.ask("GET", "/me", token="wrong")).status == 401


async def test_an_origin_that_is_none_is_another_one(api: Interface) -> None:
    cookie = await logged_in(api, token=api.admin)
    said = await api.ask("GET", "/me", token=None, headers={"Cookie": cookie, "Origin": "http://["})
    assert said.status == 401
    said = await api.ask("POST", "/session", token=None, json={"token": api.admin}, headers={"Origin": "http://["})
    assert said.status == 403 and "Set-Cookie" not in said.headers


async def test_a_session_ends_by_logging_out_and_with_its_token(api: Interface) -> None:
    first, second = await logged_in(api, token=api.admin), await logged_in(api, token=api.token("viewer"))
    own = {"Sec-Fetch-Site": "same-origin"}

    async def status(cookie: str, method: str = "GET", path: str = "/me") -> int:
        return (await api.ask(method, path, token=None, headers=own | {"Cookie": cookie})).status

    assert await status(second, "DELETE", "/tokens/x") == 403
    token_id = next(row["token_id"] for row in await api.get("/tokens") if row["role"] == "viewer")
    assert (await api.ask("DELETE", f"/tokens/{token_id}")).status == 204
    assert await status(second) == 401 and await status(first) == 200
    assert await status(first, "DELETE", "/session") == 204
    assert await status(first) == 401


async def test_a_login_code_is_good_once_and_is_no_session(api: Interface, tmp_path) -> None:
    database = Database(f"sqlite:///{tmp_path}/api.db")
    (owner,) = (row.token_id for row in api.tokens.all())
    code = Sessions(database).code(owner)
    own = {"Sec-Fetch-Site": "same-origin"}
    port = api.address.rpartition(":")[2]
    assert (
        await api.ask("GET", "/me", token=None, headers=own | {"Cookie": f"vhb-session-{port}={code}"})
    ).status == 401
    cookie = await logged_in(api, code=code)
    assert (await api.ask("GET", "/me", token=None, headers=own | {"Cookie": cookie})).status == 200
    again = await api.ask("POST", "/session", token=None, json={"code": code}, headers=own)
    assert again.status == 401 and "used already" in again.json["detail"]
    kept = database.engine.raw_connection().cursor().execute("SELECT hash FROM sessions").fetchall()
    assert kept and not any(part in str(kept) for part in (code, cookie.partition("=")[2]))
    database.close()
