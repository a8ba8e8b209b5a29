"""Differences, previews, axes and numbers."""

import io
from pathlib import Path

import pytest
from PIL import Image

from vhb_reporter import formats
from vhb_reporter.diff import Segment, closest, compare
from vhb_reporter.sections.axes import axis
from vhb_reporter.thumbnails import MAX_SIDE, thumbnail


def test_a_difference_is_marked_where_it_is() -> None:
    assert compare("Total 10.00", "Total 70.00") == (
        Segment("equal", "Total "), Segment("missing", "1"), Segment("extra", "7"), Segment("equal", "0.00")
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reference", "answer"), [("abcdef ghi", "abXdeYf gh!"), ("Total 12", "Totl  12 EUR"), ("a", "a")]
)
def test_a_difference_holds_both_texts(reference: str, answer: str) -> None:
    segments = compare(reference, answer)
    assert segments is not None
    assert "".join(text for kind, text in segments if kind != "extra") == reference
    assert "".join(text for kind, text in segments if kind != "missing") == answer


def test_texts_with_nothing_in_common_are_not_compared() -> None:
    assert compare("Invoice 2024-17", "zzzzzz") is None


def test_the_closest_reference_is_chosen() -> None:
    assert closest(["nothing", "Total 10"], "Total 1O") == "Total 10"
    assert closest([], "x") is None


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "I;16"])
def test_previews_of_every_mode_are_bounded(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "image.tiff"
    Image.new(mode, (3000, 2000)).save(path, "TIFF")
    made = thumbnail(path, "image")
    assert made.problem is None and made.uri is not None and len(made.uri) < 170_000
    assert made.width <= MAX_SIDE[0] and made.height <= MAX_SIDE[1]


def test_a_preview_follows_the_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 200)).save(tmp_path / "a.jpg", exif=exif)
    made = thumbnail(tmp_path / "a.jpg", "a")
    assert (made.width, made.height) == (200, 400)


def test_a_noisy_image_still_gives_a_small_preview(tmp_path: Path) -> None:
    Image.effect_noise((2000, 2000), 200).save(tmp_path / "noise.png")
    made = thumbnail(tmp_path / "noise.png", "noise")
    assert made.uri is not None and len(made.uri) < 300_000


def test_an_enormous_image_is_not_decoded(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("1", (16_000, 12_000)).save(out, "PNG")
    (tmp_path / "big.png").write_bytes(out.getvalue())
    made = thumbnail(tmp_path / "big.png", "big")
    assert made.uri is None and made.problem is not None


@pytest.mark.parametrize(
    ("values", "ends"),
    [([0, 0.93], (0, 1)), ([0, 0.031], (0, 0.04)), ([0, 1.3], (0, 1.5)), ([-2, 3], (-2, 4)), ([0], (0, 1))],
)
def test_axes_are_round_and_hold_all_values(values: list[float], ends: tuple[float, float]) -> None:
    low, high, ticks = axis(values)
    assert (low, high) == ends and low <= min(values) and high >= max(values)
    assert 2 <= len(ticks) <= 7 and ticks[0] == low and ticks[-1] == high


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formats.number(None), "\u2014"), (formats.number(0.03125), "0.0312"), (formats.number(31.25), "31.25"),
        (formats.number(float("nan")), "nan"), (formats.milliseconds(87.4), "87 ms"),
        (formats.milliseconds(1240), "1.24 s"), (formats.seconds(192), "3 min 12 s"),
        (formats.seconds(3 * 3600 + 300), "3 h 05 min"), (formats.percent(1, 100_000), "<0.1\u202f%"),
        (formats.percent(99_999, 100_000), ">99.9\u202f%"), (formats.percent(1, 2), "50\u202f%"),
        (formats.percent(0, 0), "\u2014"), (formats.count(1234567), "1,234,567"),
        (formats.moment("2026-01-02T03:04:05+01:00"), "2026-01-02 02:04:05 UTC"), (formats.moment(""), "\u2014"),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(shown: str, expected: str) -> None:
    assert shown == expected
