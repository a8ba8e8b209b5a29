"""Where a running backend is asked, and what to do when it stops answering."""

from dataclasses import dataclass, field
from typing import Protocol

from vhb_shared.contracts.events import Failure


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible server."""

    base_url: str
    """Ends in /v1."""
    model: str
    """The name requests carry."""
    api_key: str = field(default="none", repr=False)
    """Never logged."""
    default_concurrency: int | None = None
    """The most requests in flight where the model entry gives no cap; None: up to the agent's own bound."""


class BackendLost(Exception):  # noqa: N818 - it is the backend that is lost
    """The backend cannot be brought back; its runs fail with this reason."""

    def __init__(self, failure: Failure, log_tail: tuple[str, ...] = ()) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.log_tail = log_tail


class RunningBackend(Protocol):
    """A backend that answers, as the runner sees it."""

    @property
    def endpoint(self) -> Endpoint:
        """Where it answers now; may change after a restart."""
        ...

    @property
    def replica(self) -> str:
        """Which replica this is; recorded with every answer."""
        ...

    async def after_connection_error(self) -> bool:
        """Called when a request could not be completed at the connection level.

        Returns:
            True when the backend had died and is back (the attempt does not count); False when it is alive or not
            ours to restart (the attempt counts).

        Raises:
            BackendLost: it died too often or cannot be started again.
        """
        ...
