"""A stand-in for SGLang's server, which needs a GPU: its command line and its ways of answering, as documented.

`python -m vhb_shared.testing.sglang_stand_in --model-path M --port P ...` takes SGLang's options and no others.
Like SGLang it lives before it can answer (`/health` is 200, `/health_generate` 503 while it warms up), has `/metrics`
only with `--enable-metrics`, answers whatever model a request names, and reports errors without an `error` object.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from vhb_shared.testing.endpoint import StandIn, serve
from vhb_shared.testing.endpoint_behaviour import Behaviour

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
VERSION = "0.5.22"
_WARM_UP_S = 0.7
_METRICS = (
    '# TYPE sglang:num_running_reqs gauge\nsglang:num_running_reqs{model_name="m"} 1.0\n'
    '# TYPE sglang:num_queue_reqs gauge\nsglang:num_queue_reqs{model_name="m"} 0.0\n'
)
_FLAGS = ("--trust-remote-code", "--enable-metrics", "--disable-radix-cache", "--enable-deterministic-inference")
_VALUES = (
    "--revision", "--context-length", "--dtype", "--mem-fraction-static", "--tp-size", "--pp-size", "--dp-size",
    "--quantization", "--chat-template", "--attention-backend", "--grammar-backend", "--log-level",
)  # fmt: skip


class SglangStandIn(StandIn):
    """The stand-in with SGLang's own paths."""

    def __init__(self, model: str, *, metrics: bool) -> None:
        super().__init__(Behaviour(models=[]))  # any model is answered
        self._model, self._metrics = model, metrics
        self.warm = asyncio.Event()

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = super().app()
        app.router.add_get("/health_generate", self.health_generate)
        app.router.add_get("/get_server_info", self.server_info)
        if self._metrics:
            app.router.add_get("/metrics", self.metrics)
        app.middlewares.append(_flat_errors)
        return app

    async def health_generate(self, request: web.Request) -> web.Response:
        """GET /health_generate: whether a token can be made."""
        return web.Response(status=200 if self.warm.is_set() else 503)

    async def server_info(self, request: web.Request) -> web.Response:
        """GET /get_server_info"""
        return web.json_response({"version": VERSION, "model_path": self._model})

    async def metrics(self, request: web.Request) -> web.Response:
        """GET /metrics"""
        return web.Response(text=_METRICS)

    async def list_models(self, request: web.Request) -> web.Response:
        """GET /v1/models"""
        return web.json_response({"object": "list", "data": [{"id": self._model, "owned_by": "sglang"}]})


@web.middleware
async def _flat_errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (KeyError, ValueError) as error:
        body = {"object": "error", "message": str(error), "type": "BadRequestError", "param": None, "code": 400}
        return web.json_response(body, status=400)


async def _run(options: argparse.Namespace) -> None:
    stand_in = SglangStandIn(options.served_model_name or options.model_path, metrics=options.enable_metrics)
    print("Load weight begin. avail mem=23.00 GB", file=sys.stderr, flush=True)
    asyncio.get_running_loop().call_later(_WARM_UP_S, stand_in.warm.set)
    print("The server is fired up and ready to roll!", file=sys.stderr, flush=True)
    await serve(stand_in, options.host, options.port)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="launch_server.py")
    parser.add_argument("--model-path", required=True)
    parser.add_argument("--served-model-name")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=30000)
    for flag in _FLAGS:
        parser.add_argument(flag, action="store_true")
    for name in _VALUES:
        parser.add_argument(name)
    asyncio.run(_run(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
