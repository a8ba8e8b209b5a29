"""A stand-in for an OpenAI-compatible server: answers at once or after a delay, counts what it is asked, and fails in
every way a real one does when told to.

`python -m vhb_shared.testing.endpoint --port 8000 --delay-ms 100`, or in a test through `endpoint_process`.
Its answers depend on the request's content alone, so that two runs of a job can be compared. `GET /stats` says what it
was asked, `POST /control` changes how it behaves (a JSON object of `Behaviour` fields).
"""

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from aiohttp import web

from vhb_shared.testing.endpoint_behaviour import (
    Asked,
    Behaviour,
    Rule,
    Stats,
    change_behaviour,
    envelope,
    pieces,
    read_request,
    usage,
)
from vhb_shared.testing.endpoint_engine import ModelledEngine


class StandIn:
    """The server's state and its handlers.

    Args:
        behaviour: how it behaves at first.
        log: an append-only file, one JSON line per request; counts of an earlier process are taken from it.
    """

    def __init__(self, behaviour: Behaviour, log: Path | None = None) -> None:
        self.behaviour = behaviour
        self.stats = Stats()
        self._engine = ModelledEngine(behaviour)
        self._log_path = log
        self._log: IO[str] | None = None

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=512 * 1024 * 1024)
        app.add_routes(
            [
                web.post("/v1/chat/completions", self.complete),
                web.get("/v1/models", self.list_models),
                web.get("/health", self.health),
                web.get("/metrics", self.metrics),
                web.get("/stats", self.get_stats),
                web.post("/control", self.control),
            ]
        )
        return app

    def open_log(self) -> None:
        """Takes over the counts of an earlier process and goes on writing its log."""
        if self._log_path is None:
            return
        if self._log_path.exists():
            for line in self._log_path.read_text().splitlines():
                entry = json.loads(line)
                self._count(entry["key"], entry["time"])
        self._log = self._log_path.open("a", buffering=1)

    async def health(self, request: web.Request) -> web.Response:
        """GET /health"""
        return web.json_response({"status": "ok"})

    async def metrics(self, request: web.Request) -> web.Response:
        """GET /metrics, of a modelled engine only."""
        if self.behaviour.places is None:
            return web.Response(status=404)
        return web.Response(text=self._engine.exposition())

    async def get_stats(self, request: web.Request) -> web.Response:
        """GET /stats"""
        return web.json_response(vars(self.stats))

    async def control(self, request: web.Request) -> web.Response:
        """POST /control: fields of Behaviour; `reset: true` forgets the counts."""
        change = await request.json()
        if change.pop("reset", False):
            self.stats = Stats(in_flight=self.stats.in_flight, max_in_flight=self.stats.in_flight)
        change_behaviour(self.behaviour, change)
        return web.json_response(asdict(self.behaviour))

    async def list_models(self, request: web.Request) -> web.Response:
        """GET /v1/models"""
        if not self._authorised(request):
            return _error(401, "invalid API key")
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "vhb"} for name in self.behaviour.models]
        return web.json_response({"object": "list", "data": data})

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions"""
        self.stats.in_flight += 1
        self.stats.max_in_flight = max(self.stats.max_in_flight, self.stats.in_flight)
        status = "dropped"
        try:
            response = await self._complete(request)
            status = str(response.status)
            return response
        finally:
            self.stats.in_flight -= 1  # not of the Stats there were when it began: a reset may lie between
            self.stats.by_status[status] += 1
            self.stats.last_done_at = time.time()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        asked = read_request(await request.read())
        now = time.time()
        self._count(asked.key, now)
        if self._log:
            self._log.write(json.dumps({"time": now, "key": asked.key}) + "\n")
        behaviour = self.behaviour
        if not self._authorised(request):
            return _error(401, "invalid API key")
        if behaviour.models and asked.model not in behaviour.models:
            return _error(404, f"the model {asked.model} does not exist")
        rule = self._rule_for(asked)
        await self._engine.compute()
        if rule and rule.action == "hang":
            await asyncio.sleep(3600)
        if rule and rule.action == "drop":
            _drop(request)
        if rule and rule.action == "status":
            return _error(rule.status, rule.message, rule.retry_after)
        if rule and rule.action == "malformed":
            return web.Response(body=b'{"id": "x", "choices": [{"mess', content_type="application/json")
        if asked.stream and not behaviour.ignore_stream:
            return await self._stream(request, asked, rule)
        if rule and rule.action == "error_event":
            return web.json_response({"error": {"message": rule.message, "code": rule.status}})
        message: dict[str, Any] = {"role": "assistant", "content": self._text(asked, rule)}
        if rule and rule.refusal:
            message["refusal"] = rule.refusal
        choice = {"index": 0, "message": message, "finish_reason": rule.finish_reason if rule else "stop"}
        reply = envelope(asked, "chat.completion", [choice])
        if behaviour.usage:
            reply["usage"] = usage(asked, self._text(asked, rule))
        return web.json_response(reply)

    async def _stream(self, request: web.Request, asked: Asked, rule: Rule | None) -> web.StreamResponse:
        behaviour = self.behaviour
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)

        async def send(delta: dict[str, Any], finish_reason: str | None = None) -> None:
            choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
            await _event(response, envelope(asked, "chat.completion.chunk", [choice]))

        text = self._text(asked, rule)
        await send({"role": "assistant", "content": ""})
        for number, piece in enumerate(pieces(text, behaviour.chunks)):
            if number and behaviour.chunk_delay_ms:
                await asyncio.sleep(behaviour.chunk_delay_ms / 1000)
            await send({"content": piece})
            if rule and rule.action == "break":
                _drop(request)
            if rule and rule.action == "error_event":
                await _event(response, {"error": {"message": rule.message, "code": rule.status}})
                return response
        if rule and rule.refusal:
            await send({"refusal": rule.refusal})
        await send({}, rule.finish_reason if rule else "stop")
        if behaviour.usage and asked.wants_usage:
            await _event(response, envelope(asked, "chat.completion.chunk", []) | {"usage": usage(asked, text)})
        if behaviour.done:
            await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    def _authorised(self, request: web.Request) -> bool:
        key = self.behaviour.api_key
        return key is None or request.headers.get("Authorization") == f"Bearer {key}"

    def _rule_for(self, asked: Asked) -> Rule | None:
        for rule in self.behaviour.rules:
            matches = rule.match in asked.text or any(image.startswith(rule.match) for image in asked.images)
            if matches and (rule.times is None or self.stats.by_key[asked.key] <= rule.times):
                return rule
        return None

    def _text(self, asked: Asked, rule: Rule | None) -> str:
        if rule and rule.text is not None:
            return rule.text
        if self.behaviour.echo:
            return asked.echo
        for name in (*asked.images, asked.text):
            if name in self.behaviour.answers:
                return self.behaviour.answers[name]
        return f"answer {asked.key} to {asked.text[:80]}"

    def _count(self, key: str, now: float) -> None:
        stats = self.stats
        stats.total += 1
        stats.by_key[key] += 1
        stats.first_at = stats.first_at or now
        stats.last_at = now


async def serve(stand_in: StandIn, host: str, port: int) -> None:
    """Serves until cancelled; prints the base URL when ready."""
    stand_in.open_log()
    # Without it, a request whose client went away would count as in flight until its hang is over.
    runner = web.AppRunner(stand_in.app(), access_log=None, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=4096)
    await site.start()
    print(f"ready http://{host}:{runner.addresses[0][1]}/v1", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m vhb_shared.testing.endpoint", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--places", type=int, help="model an engine with so large a batch, a queue and /metrics")
    parser.add_argument("--half-at", type=float, help="requests at once at which each takes twice as long")
    parser.add_argument("--chunks", type=int, default=4, help="pieces of a streamed answer")
    parser.add_argument("--chunk-delay-ms", type=float, default=0)
    parser.add_argument("--api-key", help="refuse requests without it")
    parser.add_argument("--model", action="append", help="name of a served model; any when --any-model")
    parser.add_argument("--any-model", action="store_true", help="accept every model name")
    parser.add_argument("--no-usage", action="store_true")
    parser.add_argument("--no-done", action="store_true", help="end streams without [DONE]")
    parser.add_argument("--answers", type=Path, help="JSON file: image sha256 or text -> answer")
    parser.add_argument("--echo", action="store_true", help="answer with what was asked, as JSON")
    parser.add_argument("--log", type=Path, help="one JSON line per request; counts survive a restart")
    parser.add_argument(
        "--rule", action="append", type=json.loads, default=[], metavar="JSON",
        help='e.g. \'{"match": "total", "times": 2, "action": "status", "status": 503}\'',
    )  # fmt: skip
    options = parser.parse_args(arguments)
    behaviour = Behaviour(
        delay_ms=options.delay_ms,
        places=options.places,
        half_at=options.half_at,
        chunks=options.chunks,
        chunk_delay_ms=options.chunk_delay_ms,
        api_key=options.api_key,
        models=[] if options.any_model else options.model or ["stand-in"],
        usage=not options.no_usage,
        done=not options.no_done,
        answers=json.loads(options.answers.read_text()) if options.answers else {},
        echo=options.echo,
        rules=[Rule(**rule) for rule in options.rule],
    )
    try:
        asyncio.run(serve(StandIn(behaviour, options.log), options.host, options.port))
    except KeyboardInterrupt:
        return


async def _event(response: web.StreamResponse, content: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(content, separators=(",", ":")).encode() + b"\n\n")


def _error(status: int, message: str, retry_after: str | None = None) -> web.Response:
    headers = {"Retry-After": retry_after} if retry_after is not None else None
    body = {"error": {"message": message, "type": "stand_in", "code": status}}
    return web.json_response(body, status=status, headers=headers)


def _drop(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError("told to drop the connection")


if __name__ == "__main__":
    main()
