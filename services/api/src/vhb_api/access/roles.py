"""Roles of people and programs that use the REST interface."""

from typing import Literal, get_args

Role = Literal["viewer", "submitter", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may what those before it may."""


def may(role: Role, needed: Role) -> bool:
    """Whether a role is enough."""
    return ROLES.index(role) >= ROLES.index(needed)
