"""The roles of a deployment. A role may have several users (an agent of each host is a user of its own)."""

from typing import Literal, get_args

from vhb_shared.errors import UserError

Role = Literal[
    "provisioner", "scheduler", "agent", "evaluator", "reporter", "cli", "operator", "subscriber", "api"
]  # fmt: skip
ROLES: tuple[Role, ...] = get_args(Role)

ABOUT: dict[Role, str] = {
    "provisioner": "makes streams, consumers and key-value buckets; used once at each start",
    "scheduler": "plans jobs, counts shards, writes the state of jobs",
    "agent": "claims backends, answers shards, writes answers",
    "evaluator": "reads answers, writes scores and metrics",
    "reporter": "reads results, writes reports",
    "cli": "submits, cancels and retries jobs, reads state, events and results, announces comparisons",
    "operator": "what cli may, and puts dead letters back",
    "subscriber": "reads events, nothing else",
    "api": "what cli may, but for comparisons, and takes all events into its database",
}


def role(name: str) -> Role:
    """The role of that name.

    Raises:
        UserError: there is none.
    """
    for known in ROLES:
        if known == name:
            return known
    raise UserError(f"There is no role {name!r}; there are: {', '.join(ROLES)}.")
