"""How far an engine's start is, out of its log lines: patterns as data, as in `last_words`.

A log is untrusted text: what is taken from it is a phase of ours, a number, and a bounded quote.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from vhb_shared.contracts.live import WarmupPhase

_LINE_CHARS = 500
_QUOTED_CHARS = 200


@dataclass(frozen=True)
class Step:
    """What a log line says of a start. `pattern` is searched without regard to case; its groups `percent`, or `done`
    and `total`, say how far the phase is."""

    phase: WarmupPhase
    pattern: str
    regex: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "regex", re.compile(self.pattern, re.IGNORECASE))


_BAR = r".{0,80}?(?P<percent>\d{1,3})%"
STEPS: tuple[Step, ...] = (
    # vLLM, SGLang and transformers: bars over the files of weights.
    Step("loading", rf"loading (?:\w+ )?checkpoint shards:{_BAR}"),
    Step("loading", rf"(?:multi-thread loading shards|loading weights|loading pipeline components):?{_BAR}"),
    Step("loading", r"load(?:ing)? weights? took|starting to load model|load weight begin|^\[transformers\] loading"),
    Step("capturing", rf"captur(?:e|ing) (?:cuda graphs?|batches|num tokens).{{0,60}}?:?{_BAR}"),
    Step("capturing", r"capture cuda graph begin|capturing (?:the model|cuda graphs)|graph capturing finished"),
    Step("compiling", rf"compiling (?:num tokens|shapes?){_BAR}"),
    Step(
        "compiling",
        r"start(?:ing)? compil|compiling a graph|dynamo bytecode transform|torch\.compile (?:takes|took)|"
        r"directly load the compiled graph|cache the graph of|compiling function",
    ),
    Step("downloading", rf"(?:fetching \d+ files|downloading (?:shards|model)|\.safetensors|\.bin|\.gguf):?{_BAR}"),
    Step("downloading", r"downloading .{0,120}?\b(?P<done>\d{1,6}) of (?P<total>\d{1,6})\b"),
    Step("downloading", r"time spent downloading weights|downloading (?:shards|weights|model)"),
    Step("starting", r"memory profiling|gpu kv cache size|starting .{0,40}server|init engine"),
)


@dataclass
class WarmupReader:
    """Follows the lines of one start.

    Args:
        steps: the first that fits a line counts; the last line that any fits wins.
    """

    steps: Sequence[Step] = STEPS
    phase: WarmupPhase = "preparing"
    fraction: float | None = None
    detail: str = ""

    def started(self) -> None:
        """The engine's program runs; what it says comes from now on."""
        self.phase, self.fraction = "starting", None

    def preparing(self, line: str) -> None:
        """Its place is made ready: packages are installed, an image is fetched."""
        self.phase, self.fraction, self.detail = "preparing", None, line[:_QUOTED_CHARS]

    def see(self, lines: Iterable[str]) -> None:
        """Takes lines in, oldest first."""
        for whole in lines:
            line = whole[:_LINE_CHARS]
            self.detail = line[:_QUOTED_CHARS]
            for step in self.steps:
                if (match := step.regex.search(line)) is not None:
                    found = _fraction(match.groupdict())
                    # A phase goes on where one of its lines gives no number.
                    self.fraction = self.fraction if found is None and step.phase == self.phase else found
                    self.phase = step.phase
                    break


def _fraction(groups: dict[str, str | None]) -> float | None:
    if groups.get("percent") is not None:
        return min(1.0, int(groups["percent"] or 0) / 100)
    if groups.get("done") is not None and int(groups["total"] or 0):
        return min(1.0, int(groups["done"] or 0) / int(groups["total"] or 1))
    return None
