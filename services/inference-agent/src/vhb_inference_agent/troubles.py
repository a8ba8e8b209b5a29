"""Backends that could not be served here: which are tried again, when, and which are given up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.state import AgentInfo, BackendDemand, Trouble
from vhb_shared.placement.needs import obstacle

DELAYS_S = (5.0, 10.0, 20.0, 40.0, 80.0)
"""Before the second try, the third, ...; after the last the runs fail."""
GIVEN_UP_S = 10.0
"""How long the scheduler may take to withdraw the demand for a backend that failed here for good."""
OF_THE_HOST = frozenset(
    {"disk_full", "model_gated", "model_missing", "package_missing", "program_missing", "wrong_gpu"}
)
"""Kinds of failures that another host may not have: it has the folder, the token, another driver."""
_SHOWN = 300


@dataclass
class _Case:
    tries: int
    until: float
    message: str
    final: bool


class Troubles:
    """Failures of this agent by backend.

    Args:
        clock: Unix seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._cases: dict[str, _Case] = {}

    def note(self, backend_id: str, failure: Failure, *, served_elsewhere: bool = False) -> float | None:
        """Enters a failure.

        Args:
            backend_id: of what failed.
            failure: why.
            served_elsewhere: another replica answers: its runs need not fail because this host cannot serve it.

        Returns:
            Seconds until it is tried again; None when it is given up, and its runs should hear of it.
        """
        before = self._cases.get(backend_id)
        tries = 1 if before is None or before.final else before.tries + 1
        again = served_elsewhere or (failure.retryable and tries <= len(DELAYS_S))
        delay = DELAYS_S[min(tries, len(DELAYS_S)) - 1] if again else GIVEN_UP_S
        self._cases[backend_id] = _Case(tries, self._clock() + delay, failure.message[:_SHOWN], final=not again)
        return delay if again else None

    def may_work_elsewhere(
        self, failure: Failure, demand: BackendDemand, me: AgentInfo, agents: Sequence[AgentInfo]
    ) -> bool:
        """Whether the failure is this host's, and another one could serve the backend and has not failed at it.

        Args:
            failure: why it could not be served here.
            demand: what was to be served.
            me: this agent.
            agents: who is online.
        """
        return failure.kind in OF_THE_HOST and any(
            other.host != me.host
            and obstacle(demand.model, other) is None
            and demand.backend_id not in {trouble.backend_id for trouble in other.troubles}
            for other in agents
        )

    def forget(self, backend_id: str) -> None:
        """It works, or nobody wants it any more."""
        self._cases.pop(backend_id, None)

    @property
    def barred(self) -> frozenset[str]:
        """Backends that must not be tried now."""
        now = self._clock()
        return frozenset(backend_id for backend_id, case in self._cases.items() if now < case.until)

    @property
    def shown(self) -> tuple[Trouble, ...]:
        """What is waited for, for those who ask why nothing moves."""
        return tuple(
            Trouble(backend_id=backend_id, message=case.message, tries=case.tries, next_try_at=case.until)
            for backend_id, case in sorted(self._cases.items())
            if not case.final
        )
