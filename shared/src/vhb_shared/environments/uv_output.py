"""What uv says when it cannot install, as failures for people."""

from vhb_shared.contracts.events import Failure
from vhb_shared.environments.base import EnvironmentFailed

NETWORK_WORDS = ("failed to fetch", "dns error", "error sending request", "client error", "timed out", "connection")
_NO_WHEEL_WORDS = ("in the provided package locations", "network was disabled")
_DISK_WORDS = ("no space left", "disk quota exceeded")


def is_network(text: str) -> bool:
    """Whether an index could not be asked."""
    lowered = text.lower()
    return any(word in lowered for word in NETWORK_WORDS)


def is_passing(text: str) -> bool:
    """Whether a later try may work."""
    return is_network(text) or any(word in text.lower() for word in _DISK_WORDS)


def why(lines: list[str]) -> str:
    """uv ends with `error: ...` and its causes, one a line."""
    start = next((at for at, line in enumerate(lines) if line.startswith("error:")), max(0, len(lines) - 3))
    words = [line.strip().removeprefix("error:").removeprefix("cause:").strip() for line in lines[start:]]
    return ": ".join(word.rstrip(":") for word in words if not word.startswith("hint:"))[:600] or "uv said nothing"


def build_failed(name: str, reason: str, *, retryable: bool, log_tail: tuple[str, ...] = ()) -> EnvironmentFailed:
    """The packages of `name` cannot be had: one sentence with the remedy."""
    remedy = "check the network and the disk" if retryable else "check the entry's `packages`"
    if any(words in reason for words in _NO_WHEEL_WORDS):
        remedy = "put the wheels into the folder that VHB_AGENT_WHEELS (of metrics: VHB_EVALUATOR_WHEELS) names"
    message = f"The environment of {name} could not be built: {reason.rstrip('.')}; {remedy}."
    return EnvironmentFailed(Failure(kind="environment_failed", message=message, retryable=retryable), log_tail)
