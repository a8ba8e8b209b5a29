"""RapidOCR in an environment made from its lock file, as the agent makes it, reading drawn pages."""

import asyncio
import base64
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

import openai
import pytest
from PIL import Image, ImageDraw, ImageFont

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LINES = [
    ["INVOICE", "2024-0117"],
    ["Acme Trading Ltd.", "17.03.2024"],
    ["Steel bolts M8", "40", "12.80"],
    ["Copper wire 2 mm", "10", "45.00"],
    ["Safety gloves", "6", "23.70"],
    ["Total GBP", "81.50"],
    ["Payment due within 30 days."],
]
TEXT = "\n".join(" ".join(line) for line in LINES)


def page(angle: float) -> str:
    """The lines in three columns, turned; as a data: URL."""
    picture = Image.new("RGB", (700, 500), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=24)
    for row, line in enumerate(LINES):
        for x, text in zip((60, 340, 520), line, strict=False):
            pen.text((x, 60 + row * 54), text, fill="black", font=font)
    encoded = io.BytesIO()
    picture.rotate(angle, fillcolor="white", resample=Image.Resampling.BICUBIC).save(encoded, "PNG")
    return f"data:image/png;base64,{base64.b64encode(encoded.getvalue()).decode()}"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment's interpreter: the locked packages, and the wrapper copied in."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    python = folder / "bin" / "python"
    with as_file(files("vhb_api_wrapper") / "locks" / "rapidocr.lock") as lock:
        install = [uv, "pip", "install", "--quiet", "--python", str(python), "--no-deps", "--require-hashes"]
        subprocess.run([*install, "-r", str(lock)], check=True)
    where = subprocess.run(
        [python, "-c", "import PIL; print(PIL.__path__[0])"], capture_output=True, check=True, text=True
    )
    with as_file(files("vhb_api_wrapper")) as package:
        shutil.copytree(package, Path(where.stdout.strip()).parent / "vhb_api_wrapper")
    return python


@pytest.fixture(scope="module")
def port(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port_file = tmp_path_factory.mktemp("server") / "port"
    command = [python, "-m", "vhb_api_wrapper", "--adapter", "rapidocr", "--served-model-name", "ocr"]
    # Nothing of this process's environment leaks in; a proxy that is not there keeps any download from succeeding.
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    process = subprocess.Popen(
        [*command, "--port-file", str(port_file)], env={"PATH": os.environ["PATH"], **nowhere}, cwd=port_file.parent
    )
    try:
        deadline = time.monotonic() + 30
        while not port_file.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        yield int(port_file.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


@pytest.fixture
async def client(port: int):
    # The client's retries wait for the model to be loaded: 503 is one of the statuses it tries again.
    async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="unused", max_retries=10) as client:
        yield client


async def read(client: openai.AsyncOpenAI, url: str) -> str:
    content = [{"type": "text", "text": "Read all the text."}, {"type": "image_url", "image_url": {"url": url}}]
    answer = await client.chat.completions.create(model="ocr", messages=[{"role": "user", "content": content}])
    assert answer.choices[0].message.content is not None
    return answer.choices[0].message.content


@pytest.mark.parametrize("angle", [0, 4, -3])
async def test_reads_a_page_in_order(client, angle):
    assert await read(client, page(angle)) == TEXT


async def test_answers_are_the_same_when_asked_at_once(client):
    pages = [page(angle) for angle in (0, 4, -3, 0, 4, -3)]
    assert await asyncio.gather(*(read(client, url) for url in pages)) == [TEXT] * 6


async def test_blank_page_is_empty_and_no_image_is_422(client):
    encoded = io.BytesIO()
    Image.new("RGB", (300, 400), "white").save(encoded, "PNG")
    assert await read(client, f"data:image/png;base64,{base64.b64encode(encoded.getvalue()).decode()}") == ""
    with pytest.raises(openai.UnprocessableEntityError, match="image_url"):
        await client.chat.completions.create(model="ocr", messages=[{"role": "user", "content": "hello"}])


def test_no_x_library_is_needed(python):
    code = "import cv2, rapidocr; print(*{line.split()[-1] for line in open('/proc/self/maps') if '/' in line})"
    loaded = subprocess.run([python, "-c", code], capture_output=True, check=True, text=True).stdout
    assert "cv2" in loaded
    assert not [path for path in loaded.split() if Path(path).name.startswith(("libX", "libxcb", "libGL", "libglib"))]
