"""RapidOCR on ONNX Runtime: an OCR engine on the CPU whose models come with its package.

The prompt is not used: the engine reads all the text there is. `max_tokens` is not used either (the engine has no
tokens, and half a page would be a wrong answer); a token of the usage is a word.
"""

import importlib
from collections.abc import Sequence
from typing import Annotated, Any, Protocol

from PIL import Image, ImageDraw, ImageFont
from pydantic import Field

from vhb_api_wrapper.adapters.base import (
    Adapter,
    AdapterOptions,
    ConfigurationError,
    Emit,
    Generation,
    Parameters,
    Prompt,
    UnsupportedInput,
)
from vhb_api_wrapper.adapters.cores import usable_cores
from vhb_api_wrapper.adapters.reading_order import text_in_reading_order

_WARM_UP = "READY 2468"


class _Array(Protocol):
    def tolist(self) -> list[list[list[float]]]: ...


class _Result(Protocol):
    boxes: _Array | None
    txts: Sequence[str] | None


class _Engine(Protocol):
    def __call__(self, image: Image.Image) -> _Result: ...


class RapidOcrOptions(AdapterOptions):
    """Named as in RapidOCR where it has such a setting; lengths in pixels."""

    max_side_len: Annotated[int, Field(ge=64)] = 2000
    """A longer image is scaled down to this before it is read."""
    det_limit_side_len: Annotated[int, Field(ge=32)] = 736
    """The shorter side is scaled up to this to find where text is."""
    threads: Annotated[int, Field(ge=1)] = 1
    """Threads within one request (intra-op). With more of them than free cores a page takes twice the time, since they
    wait spinning; more workers make better use of the cores."""
    text_score: Annotated[float, Field(ge=0, le=1)] = 0.5
    """A box read with less confidence is left out."""
    box_thresh: Annotated[float, Field(ge=0, le=1)] = 0.5
    """A region is text from this confidence on."""
    unclip_ratio: Annotated[float, Field(gt=0)] = 1.6
    """How far a region is widened."""
    use_cls: bool = True
    """Turns lines that stand on their head."""


class RapidOcrAdapter(Adapter[RapidOcrOptions]):
    """The text of the image (of several, one after the other), in reading order."""

    options_type = RapidOcrOptions

    def __init__(self, options: RapidOcrOptions) -> None:
        super().__init__(options)
        self._engine: _Engine | None = None

    def load(self) -> None:
        """Loads the three models and reads a drawn word, since the engine itself loads them at the first image."""
        options = self.options
        try:
            rapidocr: Any = importlib.import_module("rapidocr")
            importlib.import_module("cv2").setNumThreads(options.threads)
        except ImportError as error:
            raise ConfigurationError(
                f"RapidOCR does not import ({error}); install this environment from the wrapper's rapidocr.lock."
            ) from error
        engine: _Engine = rapidocr.RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.max_side_len": options.max_side_len,
                "Global.text_score": options.text_score,
                "Global.use_cls": options.use_cls,
                "Det.limit_side_len": options.det_limit_side_len,
                "Det.box_thresh": options.box_thresh,
                "Det.unclip_ratio": options.unclip_ratio,
                "EngineConfig.onnxruntime.intra_op_num_threads": options.threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        self._engine = engine
        read = self._read(_drawn(_WARM_UP))
        if options.text_score <= RapidOcrOptions().text_score and not read:
            raise RuntimeError("RapidOCR was loaded and does not read a drawn word")

    def generate(self, prompt: Prompt, parameters: Parameters, emit: Emit) -> Generation:
        """Raises `UnsupportedInput` without an image, `InvalidImage` for one that does not decode."""
        images = prompt.question.images  # what stands before it are examples for those who learn
        if not images:
            raise UnsupportedInput("rapidocr reads images, and the request has none; add an image_url part.")
        text = "\n".join(filter(None, (self._read(image.rgb()) for image in images)))
        return Generation(text, prompt_tokens=0, completion_tokens=len(text.split()))

    def default_workers(self) -> int:
        """As many as keep the cores busy; at most 8, each takes its share of memory."""
        return max(1, min(8, usable_cores() // self.options.threads))

    def _read(self, image: Image.Image) -> str:
        assert self._engine is not None, "load comes first"
        result = self._engine(image)
        if result.boxes is None or not result.txts:
            return ""
        return text_in_reading_order(zip(result.boxes.tolist(), result.txts, strict=True))


def _drawn(text: str) -> Image.Image:
    # Square: the engine scales the shorter side up, and a strip would become very long (1 s rather than 0.3).
    page = Image.new("RGB", (320, 320), "white")
    ImageDraw.Draw(page).text((24, 130), text, fill="black", font=ImageFont.load_default(size=40))
    return page
