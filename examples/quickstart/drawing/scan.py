"""What happens to a page between the printer and the reader: blur, tilt, noise, too few pixels."""

import random
from collections.abc import Callable

from PIL import Image, ImageChops, ImageFilter

Degradation = Callable[[Image.Image, random.Random], Image.Image]


def clean(page: Image.Image, rng: random.Random) -> Image.Image:
    """The page as it was drawn."""
    return page


def blurred(page: Image.Image, rng: random.Random) -> Image.Image:
    """Out of focus."""
    return page.filter(ImageFilter.GaussianBlur(rng.uniform(1.5, 1.9)))


def rotated(page: Image.Image, rng: random.Random) -> Image.Image:
    """Laid on the glass at a slant; the whole page stays visible."""
    angle = rng.choice((-1, 1)) * rng.uniform(1.5, 3.0)
    return page.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=(206, 206, 204))


def noisy(page: Image.Image, rng: random.Random) -> Image.Image:
    """A worn copy: faded ink, grain, and specks of toner."""
    grey = page.convert("L").point([96 + value * 140 // 255 for value in range(256)])
    for _ in range(2):
        grain = Image.frombytes("L", grey.size, rng.randbytes(grey.width * grey.height))
        grey = ImageChops.add(grey, grain.point([value * 80 // 255 for value in range(256)]), offset=-40)
    for _ in range(grey.width * grey.height // 900):
        x, y, size = rng.randrange(grey.width), rng.randrange(grey.height), rng.choice((1, 1, 2))
        grey.paste(rng.choice((40, 70, 240)), (x, y, x + size, y + size))
    return grey


def low_resolution(page: Image.Image, rng: random.Random) -> Image.Image:
    """Fewer than half of the pixels in each direction."""
    share = rng.uniform(0.42, 0.48)
    return page.resize((round(page.width * share), round(page.height * share)), Image.Resampling.BOX)


DEGRADATIONS: dict[str, Degradation] = {
    "clean": clean,
    "blurred": blurred,
    "rotated": rotated,
    "noisy": noisy,
    "low_resolution": low_resolution,
}
