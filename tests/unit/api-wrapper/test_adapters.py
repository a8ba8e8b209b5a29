"""The registry, the reading order, the images and the tesseract adapter on their own."""

import io
import math
import random
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from PIL import Image

from vhb_api_wrapper.adapters import registry
from vhb_api_wrapper.adapters.base import Abandoned, ConfigurationError, Message, Parameters, Prompt, UnsupportedInput
from vhb_api_wrapper.adapters.reading_order import text_in_reading_order
from vhb_api_wrapper.images import ImageInput, InvalidImage

PROJECT = Path(__file__).parents[3] / "services" / "api-wrapper" / "pyproject.toml"


def test_built_ins_are_the_entry_points_and_each_has_a_lock():
    project = tomllib.loads(PROJECT.read_text())["project"]
    assert project["entry-points"][registry.GROUP] == dict(registry.BUILT_IN)
    for name in registry.BUILT_IN:
        lock = (files("vhb_api_wrapper") / "locks" / f"{name}.lock").read_text()
        for requirement in project["dependencies"]:
            assert f"{requirement.split('>')[0]}==" in lock
        assert "--hash=sha256:" in lock
        assert "://" not in lock
        assert "opencv-python==" not in lock


def test_adapter_of_another_package_is_found(tmp_path, monkeypatch):
    (tmp_path / "other_pkg.py").write_text(
        "from vhb_api_wrapper.adapters.echo import EchoAdapter\nclass Mine(EchoAdapter): ...\nclass Not: ...\n"
    )
    info = tmp_path / "other_pkg-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-pkg\nVersion: 1.0\n")
    lines = "mine = other_pkg:Mine\nbroken = other_pkg:Gone\nwrong = other_pkg:Not\n"
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{lines}")
    monkeypatch.syspath_prepend(tmp_path)
    assert "mine" in registry.adapter_names()
    assert type(registry.create_adapter("mine", {"delay_ms": "3"})).__name__ == "Mine"
    with pytest.raises(ConfigurationError, match="does not import"):
        registry.create_adapter("broken", {})
    with pytest.raises(ConfigurationError, match="not a subclass"):
        registry.create_adapter("wrong", {})
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\necho = other_pkg:Mine\n")
    with pytest.raises(ConfigurationError, match="Two packages"):
        registry.create_adapter("echo", {})


def test_echo_stops_when_nobody_waits():
    adapter = registry.create_adapter("echo", {})

    def gone(_: str) -> None:
        raise Abandoned

    with pytest.raises(Abandoned):
        adapter.generate(Prompt((Message("user", ("x",)),)), Parameters(), gone)


def quad(x, y, width, height, angle=0.0):
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    turn = math.radians(angle)
    return [(a * math.cos(turn) - b * math.sin(turn), a * math.sin(turn) + b * math.cos(turn)) for a, b in corners]


TABLE = [[(40, "item", 120), (300, "qty", 60), (560, "price", 90)] for _ in range(20)]


@pytest.mark.parametrize("angle", [0, 1.5, -3, 8, -15])
@pytest.mark.parametrize("jitter", [0, 4])
def test_reading_order_of_a_turned_table(angle, jitter):
    shaken = random.Random(7)
    boxes, expected = [], []
    for row, cells in enumerate(TABLE):
        expected.append(" ".join(f"{text}{row}" for _, text, _ in cells))
        for x, text, width in cells:
            y = 100 + row * 26 + shaken.uniform(-jitter, jitter)
            boxes.append((quad(x, y, width, 20 + shaken.uniform(-jitter, jitter) / 2, angle), f"{text}{row}"))
    shaken.shuffle(boxes)
    assert text_in_reading_order(boxes).split("\n") == expected


def test_reading_order_of_unequal_boxes():
    boxes = [
        (quad(300, 12, 100, 18), "beside"),
        (quad(10, 0, 200, 44), "HEADLINE"),
        (quad(10, 50, 80, 20), "a"),
        (quad(95, 62, 8, 8), ","),
        (quad(110, 50, 80, 20), "b"),
        (quad(12, 68, 80, 20), "below a"),
        (quad(0, 200, 10, 10), "  "),
    ]
    assert text_in_reading_order(boxes) == "HEADLINE beside\na , b\nbelow a"
    assert text_in_reading_order([]) == ""


def encoded(picture, kind="PNG", **more):
    out = io.BytesIO()
    picture.save(out, kind, **more)
    return ImageInput(out.getvalue(), *picture.size)


def test_images_become_upright_rgb():
    turned = Image.new("RGB", (30, 10), "white")
    exif = turned.getexif()
    exif[0x0112] = 6
    assert encoded(turned, "JPEG", exif=exif).rgb().size == (10, 30)
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    clear.putpixel((1, 1), (0, 0, 0, 255))
    page = encoded(clear).rgb()
    assert (page.mode, page.getpixel((0, 0)), page.getpixel((1, 1))) == ("RGB", (255, 255, 255), (0, 0, 0))
    grey = Image.new("I;16", (4, 4), 0x8000)
    assert encoded(grey).rgb().getpixel((0, 0)) == (128, 128, 128)
    for mode in ("1", "L", "LA", "P"):
        assert encoded(Image.new(mode, (4, 4), 0)).rgb().mode == "RGB"
    with pytest.raises(InvalidImage):
        ImageInput(encoded(turned).data[:40], 30, 10).rgb()


@pytest.fixture
def program(tmp_path):
    """A stand-in with Tesseract's command line: says what it was asked, or fails."""
    path = tmp_path / "tesseract"
    path.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --list-langs ]; then printf "List of available languages (2):\\neng\\nrus\\n"; exit; fi\n'
        '[ "$6" = 13 ] && { echo "out of ideas" >&2; exit 3; }\n'
        'printf " first line \\n\\n$* limit=$OMP_THREAD_LIMIT bytes=%s\\n\\f" "$(wc -c)"\n'
    )
    path.chmod(0o755)
    return str(path)


def test_tesseract_command(program):
    adapter = registry.create_adapter("tesseract", {"program": program, "lang": "rus+eng", "psm": "4"})
    adapter.load()
    prompt = Prompt((Message("user", ("read", encoded(Image.new("RGB", (10, 10))))),))
    answer = adapter.generate(prompt, Parameters(max_tokens=1), lambda _: None)
    first, second = answer.text.split("\n")
    assert first == "first line"
    assert second.startswith("stdin stdout -l rus+eng --psm 4 limit=1 bytes=3")
    assert answer.completion_tokens == len(answer.text.split())
    with pytest.raises(UnsupportedInput):
        adapter.generate(Prompt((Message("user", ("read",)),)), Parameters(), lambda _: None)


def test_an_ocr_engine_reads_the_question_and_not_the_examples(program):
    adapter = registry.create_adapter("tesseract", {"program": program})
    adapter.load()
    turns = (Message("user", ("read", encoded(Image.new("RGB", (9, 9))))), Message("assistant", ("text",)))
    question = Message("user", ("read", encoded(Image.new("RGB", (10, 10)))))
    answer = adapter.generate(Prompt((*turns, question)), Parameters(), lambda _: None)
    assert answer.text == adapter.generate(Prompt((question,)), Parameters(), lambda _: None).text
    with pytest.raises(UnsupportedInput):
        adapter.generate(Prompt((*turns, Message("user", ("read",)))), Parameters(), lambda _: None)


def test_tesseract_mistakes(program):
    with pytest.raises(ConfigurationError, match="tesseract-ocr-deu"):
        registry.create_adapter("tesseract", {"program": program, "lang": "eng+deu"}).load()
    with pytest.raises(ConfigurationError, match="lang"):
        registry.create_adapter("tesseract", {"lang": "--help"})
    adapter = registry.create_adapter("tesseract", {"program": program, "psm": "13"})
    adapter.load()
    prompt = Prompt((Message("user", (encoded(Image.new("RGB", (10, 10))),)),))
    with pytest.raises(RuntimeError, match="out of ideas"):
        adapter.generate(prompt, Parameters(), lambda _: None)
