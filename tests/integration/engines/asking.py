"""What the tests of real engines ask, and of whom."""

import base64
import json
from pathlib import Path
from typing import Any

import aiohttp

from vhb_inference_agent.opened import OpenedBackend
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.testing.real_vllm import SERVE_ARGS, SERVE_ENV, RealVllm

PAGES = Path(__file__).parents[3] / "examples" / "quickstart" / "documents" / "images"


def vllm_entry(real_vllm: RealVllm, model: Path | str, **changes: Any) -> ModelEntry:
    """An entry as a user writes it for a vLLM that is installed on the host."""
    entry = {
        "name": "tiny",
        "backend": "vllm",
        "environment": "process",
        "command": [real_vllm.program, "serve"],
        "model": str(model),
        "env": SERVE_ENV,
        "engine_args": SERVE_ARGS,
        **changes,
    }
    return ModelEntry.model_validate(entry)


async def ask(backend: OpenedBackend, image: bytes, **changes: Any) -> tuple[int, dict[str, Any]]:
    """Status and body of one request about one picture."""
    url = "data:image/png;base64," + base64.b64encode(image).decode()
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "What is this?"}]
    question = {
        "model": backend.endpoint.model,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 12,
        "temperature": 0,
        **changes,
    }
    timeout = aiohttp.ClientTimeout(total=120)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(f"{backend.endpoint.base_url}/chat/completions", json=question) as response,
    ):
        text = await response.text()
        return response.status, json.loads(text) if text.startswith("{") else {"text": text}
