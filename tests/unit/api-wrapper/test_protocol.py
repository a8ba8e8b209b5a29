"""What the real OpenAI client sees."""

import asyncio
import hashlib
import http.client
import io
import json
import time

import openai
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def server(start):
    return start("--max-body-mib", "1", "--max-megapixels", "2", "--option", "delay_ms=5")


@pytest.fixture
async def client(server):
    async with server.client() as client:
        yield client


def asking(*parts, **more):
    content = [{"type": "text", "text": p} if not p.startswith(("data:", "http")) else image(p) for p in parts]
    return {"model": "echo-1", "messages": [{"role": "user", "content": content}], **more}


def image(url):
    return {"type": "image_url", "image_url": {"url": url, "detail": "high"}}


async def test_answers_text_and_images_with_usage(client, png, data_url):
    one, two = png(colour="red"), png(colour="blue")
    answer = await client.chat.completions.create(**asking("read this", data_url(one), data_url(two)))
    digests = [hashlib.sha256(data).hexdigest() for data in (one, two)]
    assert answer.choices[0].message.content == f"echo read this sha256:{digests[0]} sha256:{digests[1]}"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "echo-1"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (2, 5, 7)


async def test_string_content_and_system_message(client):
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]
    answer = await client.chat.completions.create(model="echo-1", messages=messages, temperature=0, seed=1, user="x")
    assert answer.choices[0].message.content == "echo be brief hello"


async def test_turns_before_the_question(client, png, data_url):
    """Few-shot: images and words of earlier turns reach the model in their order."""
    shown = [png(colour=colour) for colour in ("red", "blue")]
    first, question = (asking(text, data_url(data))["messages"][0] for text, data in zip("ab", shown, strict=True))
    messages = [first, {"role": "assistant", "content": "said"}, question]
    answer = await client.chat.completions.create(model="echo-1", messages=messages)
    digests = [hashlib.sha256(data).hexdigest() for data in shown]
    assert answer.choices[0].message.content == f"echo a said b sha256:{digests[0]} sha256:{digests[1]}"


async def test_max_tokens_truncates(client):
    answer = await client.chat.completions.create(**asking("one two three", max_tokens=2))
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("echo one", "length")


@pytest.mark.parametrize("include_usage", [True, False])
async def test_streams_piece_by_piece(client, include_usage):
    more = {"stream_options": {"include_usage": True}} if include_usage else {}
    chunks = [chunk async for chunk in await client.chat.completions.create(**asking("a b c", stream=True), **more)]
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert pieces == ["echo", " a", " b", " c"]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    if include_usage:
        assert chunks[-1].choices == [] and usages == [chunks[-1].usage]
        assert (usages[0].prompt_tokens, usages[0].completion_tokens) == (3, 4)
    else:
        assert usages == []


def test_stream_ends_in_done(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("POST", "/v1/chat/completions", json.dumps(asking("x", stream=True)))
    response = connection.getresponse()
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.read().endswith(b"\n\ndata: [DONE]\n\n")
    connection.close()


async def test_models(client):
    assert [model.id async for model in client.models.list()] == ["echo-1"]
    assert (await client.models.retrieve("echo-1")).id == "echo-1"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("other")


async def test_unknown_model_is_404(client):
    with pytest.raises(openai.NotFoundError, match="'echo-1'") as caught:
        await client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "x"}])
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "role"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, "input_audio"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            r"image_url\.url: Field",
        ),
        ({"stream_options": {"include_usage": 7}}, "stream_options.include_usage: "),
        ({"temperature": 9}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 2}, "n: "),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ],
)
async def test_invalid_fields_are_400_and_named(client, change, named):
    with pytest.raises(openai.BadRequestError, match=named) as caught:
        await client.chat.completions.create(**{**asking("x"), **change})
    assert caught.value.type == "invalid_request_error"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'{"model": "\\ud800"}'])
def test_malformed_body_is_400(server, body):
    status, answer = server.request("POST", "/v1/chat/completions", body)
    assert status == 400
    assert set(answer["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/nothing", 404), ("PUT", "/v1/models", 405)])
def test_other_routes_fail_in_the_same_shape(server, method, path, status):
    got, answer = server.request(method, path)
    assert got == status
    assert path in answer["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
async def test_bad_images_are_400_also_when_streaming(client, png, data_url, stream):
    whole = png((300, 300))
    bad = {
        "fetches no images": "https://example.org/a.png",
        "base64": "data:image/png;base64,***",
        "readable": data_url(b"not an image"),
        "cannot be decoded": data_url(whole[: len(whole) - 40]),
        "2 megapixels": data_url(png((2000, 1001))),
    }
    for message, url in bad.items():
        with pytest.raises(openai.BadRequestError, match=message) as caught:
            await client.chat.completions.create(**asking("x", url, stream=stream))
        assert caught.value.code == "invalid_image"


@pytest.mark.parametrize("size", [(20_000, 15_000), (9_000, 7_500)])
async def test_decompression_bomb_is_400_at_once(client, data_url, size):
    encoded = io.BytesIO()
    Image.new("1", size).save(encoded, "PNG")
    started = time.monotonic()
    with pytest.raises(openai.BadRequestError, match="more than the 2 megapixels"):
        await client.chat.completions.create(**asking("x", data_url(encoded.getvalue())))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("size", [2**20 + 1, 5 * 2**20])
def test_long_body_is_413_with_and_without_length(server, size):
    for body in (b"x" * size, (b"x" * 65536 for _ in range(size // 65536 + 1))):
        status, answer = server.request("POST", "/v1/chat/completions", body)
        assert status == 413
        assert "1 MiB" in answer["error"]["message"]


async def test_many_at_once_each_gets_its_own_answer(client):
    async def one(number):
        answer = await client.chat.completions.create(**asking(f"question {number}"))
        return answer.choices[0].message.content

    assert await asyncio.gather(*map(one, range(100))) == [f"echo question {n}" for n in range(100)]
