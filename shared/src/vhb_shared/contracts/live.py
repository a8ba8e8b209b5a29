"""What happens right now: may be lost, never triggers work. On `vhb.live.<job_id>.<what>`."""

from typing import ClassVar, Literal

from vhb_shared.contracts.base import WireModel
from vhb_shared.contracts.results import OutcomeCounts


class Live(WireModel):
    """Base of live messages."""

    what: ClassVar[str]
    job_id: str


class ShardProgress(Live):
    """How far an agent is in a shard that is not complete yet."""

    what: ClassVar[str] = "progress"
    run_id: str
    shard: int
    attempt: int
    done: int
    samples: int
    counts: OutcomeCounts
    agent_id: str


class Notice(Live):
    """Something a person watching wants to know: paused, waiting, engine log lines."""

    what: ClassVar[str] = "notice"
    level: Literal["info", "warning", "error"] = "info"
    source: str
    message: str
