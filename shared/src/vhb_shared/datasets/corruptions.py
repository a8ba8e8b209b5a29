"""Images made worse: the same image, kind, severity and seed give the same bytes with the same libraries."""

import hashlib
import importlib.metadata
import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from vhb_shared.contracts.dataset import Corruption, CorruptionKind

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

VERSION = "1"
"""Changes whenever the same corruption would make other images."""

_BLUR = (0.4, 0.8, 1.3, 2.0, 3.0)
"""Radius in thousandths of the longer side, or of 600 pixels where it is shorter."""
_NOISE = (8, 16, 28, 44, 64)
"""Standard deviation, of 255."""
_BRIGHTNESS = (0.8, 0.65, 0.5, 0.35, 0.22)
"""What remains of the light."""
_GRAY = (0.8, 0.6, 0.4, 0.2, 0.0)
"""What remains of the colour."""
_ROTATION = (1, 2, 4, 8, 15)
"""Degrees."""
_SPATTER = (0.01, 0.025, 0.045, 0.07, 0.1)
"""Share of the area under drops."""
_JPEG = (40, 25, 15, 10, 5)
"""Quality."""
_DROP = (74, 58, 42)
_GRAIN = 200
"""Drops are drawn on a field of about this many points across."""

_Change = Callable[["Image.Image", int, "np.random.Generator"], "Image.Image"]


def software() -> str:
    """What the bytes depend on beside the image and the corruption."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("pillow", "numpy")]
    return ", ".join((f"corruptions {VERSION}", *versions))


def corrupt(data: bytes, corruption: Corruption) -> bytes:
    """One image made worse: PNG, or JPEG for `jpeg`. Size and orientation stay, but a rotation adds white corners.

    Args:
        data: an image that has been checked (`images.check_image`).
        corruption: what to do.

    Raises:
        OSError, ValueError: it cannot be decoded after all.
    """
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(data)) as opened:
        exif = opened.info.get("exif", b"")
        image = _flat(opened)
    # Every image gets grains of its own, whatever the order in which they are made.
    own = int.from_bytes(hashlib.sha256(data).digest()[:8])
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence([corruption.seed, corruption.severity, own])))
    buffer = io.BytesIO()
    if corruption.kind == "jpeg":
        image.save(buffer, "JPEG", quality=_JPEG[corruption.severity - 1], exif=exif)
    else:
        changed = _CHANGES[corruption.kind](image, corruption.severity - 1, random)
        changed.save(buffer, "PNG", compress_level=3, exif=exif)
    return buffer.getvalue()


def _flat(image: "Image.Image") -> "Image.Image":
    """Colours over white."""
    from PIL import Image

    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        flat = Image.new("RGB", layer.size, "white")
        flat.paste(layer, mask=layer.getchannel("A"))
        return flat
    return image.convert("RGB")


def _blur(image: "Image.Image", level: int, random: "np.random.Generator") -> "Image.Image":
    from PIL import ImageFilter

    return image.filter(ImageFilter.GaussianBlur(_BLUR[level] * max(0.6, max(image.size) / 1000)))


def _noise(image: "Image.Image", level: int, random: "np.random.Generator") -> "Image.Image":
    import numpy as np
    from PIL import Image

    pixels = np.asarray(image, dtype=np.float32)
    pixels = pixels + random.standard_normal(pixels.shape, dtype=np.float32) * _NOISE[level]
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def _brightness(image: "Image.Image", level: int, random: "np.random.Generator") -> "Image.Image":
    from PIL import ImageEnhance

    return ImageEnhance.Brightness(image).enhance(_BRIGHTNESS[level])


def _gray(image: "Image.Image", level: int, random: "np.random.Generator") -> "Image.Image":
    from PIL import ImageEnhance

    return ImageEnhance.Color(image).enhance(_GRAY[level])


def _rotation(image: "Image.Image", level: int, random: "np.random.Generator") -> "Image.Image":
    from PIL import Image

    degrees = _ROTATION[level] * (1 if random.integers(2) else -1)
    return image.rotate(degrees, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=(255, 255, 255))


def _spatter(image: "Image.Image", level: int, random: "np.random.Generator") -> "Image.Image":
    import numpy as np
    from PIL import Image, ImageFilter

    scale = _GRAIN / max(image.size)
    shape = (max(8, round(image.height * scale)), max(8, round(image.width * scale)))
    field = Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).filter(ImageFilter.GaussianBlur(2))
    values = np.asarray(field, dtype=np.float32)
    edge = float(np.quantile(values, 1 - _SPATTER[level]))
    mask = Image.fromarray(((values > edge) * 255).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    stained = image.copy()
    stained.paste(_DROP, mask=mask.point(lambda value: round(value * 0.92)))
    return stained


_CHANGES: dict[CorruptionKind, _Change] = {
    "blur": _blur,
    "noise": _noise,
    "brightness": _brightness,
    "gray": _gray,
    "rotation": _rotation,
    "spatter": _spatter,
}
