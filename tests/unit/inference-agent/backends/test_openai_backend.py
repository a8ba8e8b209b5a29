from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from vhb_inference_agent.backends import openai as module
from vhb_inference_agent.backends.openai import OpenAIBackend
from vhb_inference_agent.endpoint import BackendLost
from vhb_inference_agent.opened import OpenedBackend
from vhb_shared.contracts.job import ModelEntry

KEY = "sk-do-not-tell"


@dataclass
class Server:
    """Answers GET /v1/models as told; notes what it was asked."""

    url: str = ""
    status: int = 200
    body: str = '{"object": "list", "data": [{"id": "small"}, {"id": "models/large"}]}'
    bad_answers_first: int = 0
    key: str | None = None
    asked: list[str | None] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        given = request.headers.get("Authorization")
        self.asked.append(given)
        if self.key is not None and given != f"Bearer {self.key}":
            return web.Response(status=401, text="no")
        if len(self.asked) <= self.bad_answers_first:
            return web.Response(status=503)
        return web.Response(status=self.status, text=self.body, content_type="application/json")


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(module, "_PAUSE_S", 0.01)
    made = Server()
    app = web.Application()
    app.router.add_get("/v1/models", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield made
    await runner.cleanup()


def entry(url: str | None, **changes: object) -> ModelEntry:
    return ModelEntry.model_validate(
        {"name": "remote", "backend": "openai", "model": "small", "base_url": url, **changes}
    )


async def failure(model: ModelEntry, environ: dict[str, str] | None = None) -> BackendLost:
    with pytest.raises(BackendLost) as caught:
        async with OpenedBackend(OpenAIBackend(), model, environ=environ or {}):
            pass
    assert caught.value.failure.message.endswith(".")
    assert KEY not in caught.value.failure.message
    return caught.value


async def test_a_server_that_knows_the_model_is_opened(server: Server) -> None:
    model = entry(server.url + "/", api_key_env="SOME_KEY")
    server.key = KEY
    async with OpenedBackend(OpenAIBackend(), model, environ={"SOME_KEY": KEY}, replica="r7") as backend:
        assert backend.endpoint.base_url == server.url
        assert (backend.endpoint.model, backend.endpoint.api_key) == ("small", KEY)
        assert backend.replica == "r7"
        assert await backend.after_connection_error() is False
        manifest = backend.manifest()
        assert KEY not in repr((backend.endpoint, manifest))
        assert manifest["base_url"] == server.url
        assert manifest["backend"] == "openai"
        assert await backend.logs() == ()
    assert server.asked == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    "change",
    [
        {"body": '{"object": "list", "data": []}'},
        {"body": '{"data": null}'},
        {"body": "[]"},
        {"body": '[{"id": "small"}]'},
        {"status": 404, "body": "not here"},
        {"status": 405, "body": ""},
        {"status": 429, "body": "slow down"},
        {"bad_answers_first": 2},
    ],
)
async def test_servers_that_do_not_list_models_or_stumble_are_tolerated(
    server: Server, change: dict[str, object]
) -> None:
    for name, value in change.items():
        setattr(server, name, value)
    async with OpenedBackend(OpenAIBackend(), entry(server.url), environ={}):
        pass


async def test_a_longer_listed_name_is_the_same_model(server: Server) -> None:
    async with OpenedBackend(OpenAIBackend(), entry(server.url, model="large"), environ={}):
        pass


@pytest.mark.parametrize(
    ("prepare", "changes", "kind", "words"),
    [
        (lambda s: None, {"model": "huge"}, "model_unknown", ("'huge'", "small, models/large")),
        (lambda s: setattr(s, "key", KEY), {}, "key_refused", ("wants a key", "api_key_env")),
        (lambda s: setattr(s, "key", KEY), {"api_key_env": "WRONG"}, "key_refused", ("WRONG", "refuses")),
        (lambda s: setattr(s, "status", 500), {}, "endpoint_unreachable", ("error 500",)),
        (lambda s: setattr(s, "body", "<html>hello"), {}, "endpoint_wrong", ("/v1",)),
        (lambda s: setattr(s, "status", 302), {}, "endpoint_wrong", ("redirects",)),
        (lambda s: None, {"api_key_env": "UNSET"}, "key_missing", ("UNSET", "not set")),
    ],
)
async def test_each_failure_is_a_sentence_with_the_remedy(
    server: Server, prepare: Callable[[Server], None], changes: dict[str, object], kind: str, words: tuple[str, ...]
) -> None:
    prepare(server)
    lost = await failure(entry(server.url, **changes), {"WRONG": "sk-other"})
    assert lost.failure.kind == kind
    assert all(word in lost.failure.message for word in words), lost.failure.message
    assert kind == "key_missing" or server.url in lost.failure.message


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "http://no-such-host.invalid/v1"])
async def test_nobody_there(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE_S", 0.01)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    lost = await failure(entry(url))
    assert lost.failure.kind == "endpoint_unreachable"
    assert lost.failure.retryable
    assert url in lost.failure.message


async def test_a_server_that_hangs_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TIMEOUT_S", 0.0001)
    lost = await failure(entry(server.url))
    assert "no answer within" in lost.failure.message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_url": None}, "needs `base_url`"),
        ({"base_url": "ftp://h/v1"}, "not an http(s) URL"),
        ({"base_url": "h:8000"}, "not an http(s) URL"),
        ({"base_url": "http://[::1"}, "is not a URL"),
        ({"base_url": "http://h:port/v1"}, "is not a URL"),
        ({"base_url": f"https://me:{KEY}@h/v1"}, "must not hold credentials"),
        ({"base_url": f"https://h/v1?key={KEY}"}, "must end with the path"),
        ({"packages": ["x"]}, "`packages`"),
        ({"engine_args": {"a": 1}}, "generation: extra"),
        ({"environment": "docker"}, "`environment`"),
        ({"pass_env": ["HF_TOKEN"]}, "`pass_env` has no meaning"),
        ({"mounts": [{"source": "/a", "target": "/a"}]}, "`mounts` has no meaning"),
        ({"api_key_env": "UNSET"}, "UNSET"),
    ],
)
def test_mistakes_in_the_entry_are_sentences(changes: dict[str, object], said: str) -> None:
    (problem,) = OpenAIBackend().validate(entry(**{"url": "http://h/v1", **_as_arguments(changes)}), {})  # type: ignore[arg-type]
    assert said in problem
    assert KEY not in problem
    assert problem.startswith("Model remote: ")


def _as_arguments(changes: dict[str, object]) -> dict[str, object]:
    return {"url" if name == "base_url" else name: value for name, value in changes.items()}


def test_variables_are_checked_only_where_they_are_known() -> None:
    assert OpenAIBackend().validate(entry("http://h/v1", api_key_env="ELSEWHERE")) == []
