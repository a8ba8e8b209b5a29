"""Tesseract, where the program is installed: one process per image.

The prompt and `max_tokens` are not used, as with the other OCR engines; a token of the usage is a word.
"""

import io
import os
import shutil
import subprocess
from typing import Annotated

from PIL import Image
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


class TesseractOptions(AdapterOptions):
    """Named as on its command line."""

    lang: Annotated[str, Field(pattern=r"^[A-Za-z0-9_/]+(\+[A-Za-z0-9_/]+)*$")] = "eng"
    """Languages joined by `+`, as in `rus+eng`."""
    psm: Annotated[int, Field(ge=3, le=13)] = 6
    """Page segmentation mode; 6: one block of text."""
    dpi: Annotated[int, Field(ge=70, le=2400)] | None = None
    """Resolution of the images, where it is known."""
    timeout_s: Annotated[float, Field(gt=0)] = 120.0
    """For one image."""
    program: str = "tesseract"
    """Name or path."""


class TesseractAdapter(Adapter[TesseractOptions]):
    """The text of the image (of several, one after the other)."""

    options_type = TesseractOptions

    def __init__(self, options: TesseractOptions) -> None:
        super().__init__(options)
        self._program = options.program

    def load(self) -> None:
        """Looks for the program and its languages."""
        found = shutil.which(self.options.program)
        if found is None:
            raise ConfigurationError(
                f"The program {self.options.program!r} is not on PATH; install Tesseract 5 "
                "(package tesseract-ocr on Debian and Ubuntu, tesseract elsewhere)."
            )
        self._program = found
        listed = self._run(["--list-langs"], b"", 30)
        known = {line.strip() for line in listed.splitlines()[1:]}
        missing = [lang for lang in self.options.lang.split("+") if lang not in known]
        if missing:
            raise ConfigurationError(
                f"Tesseract lacks the language data {', '.join(missing)} (it has {', '.join(sorted(known)) or 'none'});"
                f" install it (package tesseract-ocr-{missing[0]} on Debian and Ubuntu) or choose another lang."
            )

    def generate(self, prompt: Prompt, parameters: Parameters, emit: Emit) -> Generation:
        """Raises `UnsupportedInput` without an image, `InvalidImage` for one that does not decode."""
        images = prompt.question.images  # what stands before it are examples for those who learn
        if not images:
            raise UnsupportedInput("tesseract reads images, and the request has none; add an image_url part.")
        text = "\n".join(filter(None, (self._read(image.rgb()) for image in images)))
        return Generation(text, prompt_tokens=0, completion_tokens=len(text.split()))

    def default_workers(self) -> int:
        """One single-threaded process per core."""
        return usable_cores()

    def _read(self, image: Image.Image) -> str:
        # Uncompressed: the other end is a pipe on this machine.
        encoded = io.BytesIO()
        image.save(encoded, "BMP")
        options = self.options
        dpi = [] if options.dpi is None else ["--dpi", str(options.dpi)]
        arguments = ["stdin", "stdout", "-l", options.lang, "--psm", str(options.psm), *dpi]
        text = self._run(arguments, encoded.getvalue(), options.timeout_s)
        # Pages end in a form feed; blank lines mark paragraphs that a reference text does not have.
        return "\n".join(line.strip() for line in text.replace("\f", "").splitlines() if line.strip())

    def _run(self, arguments: list[str], data: bytes, timeout_s: float) -> str:
        # Without the limit each process starts a thread per core, and they get in one another's way: 3-13 times slower.
        environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
        done = subprocess.run(
            [self._program, *arguments],
            input=data,
            capture_output=True,
            timeout=timeout_s,
            env=environment,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip() or "it said nothing"
            raise RuntimeError(f"tesseract ended with code {done.returncode}: {said[-500:]}")
        return done.stdout.decode("utf-8", "replace")
