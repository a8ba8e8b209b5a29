"""A model for smoke tests: its answer is a deterministic text made from the prompt and the images' digests."""

import time
from typing import Annotated

from pydantic import Field

from vhb_api_wrapper.adapters.base import Adapter, AdapterOptions, Emit, Generation, Parameters, Prompt


class EchoOptions(AdapterOptions):
    """Times in milliseconds."""

    delay_ms: Annotated[float, Field(ge=0)] = 0.0
    """How long one answer takes."""
    load_delay_ms: Annotated[float, Field(ge=0)] = 0.0
    """How long loading takes."""


class EchoAdapter(Adapter[EchoOptions]):
    """`echo <prompt> sha256:<digest of each image>`, word by word; honours `max_tokens`, a token being a word."""

    options_type = EchoOptions

    def load(self) -> None:
        """Waits for `load_delay_ms`."""
        time.sleep(self.options.load_delay_ms / 1000)

    def generate(self, prompt: Prompt, parameters: Parameters, emit: Emit) -> Generation:
        """Raises `Abandoned` (from `emit`), and `InvalidImage` for an image that does not decode."""
        for image in prompt.images:
            image.rgb()
        asked = prompt.text.split()
        words = ["echo", *asked, *(f"sha256:{image.sha256}" for image in prompt.images)]
        kept = words if parameters.max_tokens is None else words[: parameters.max_tokens]
        for index, word in enumerate(kept):
            # The pause comes first, so that the first piece is late as well: that is what TTFT measures.
            time.sleep(self.options.delay_ms / 1000 / len(kept))
            emit(word if index == 0 else f" {word}")
        return Generation(
            text=" ".join(kept),
            prompt_tokens=len(asked),
            completion_tokens=len(kept),
            finish_reason="stop" if len(kept) == len(words) else "length",
        )

    def default_workers(self) -> int:
        """It only sleeps."""
        return 32
