"""What a backend needs of an agent, and why an agent could never run it.

The agent decides by this what it tries, and `vhb explain` what to say: one rule for both. Pure.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from vhb_shared.contracts.job import ModelEntry
from vhb_shared.contracts.state import AgentInfo, Place, SessionInfo
from vhb_shared.environments.references import is_allowed
from vhb_shared.placement.room import Needs, Room

ObstacleKind = Literal["backend", "environment", "image", "devices", "memory", "places"]


class Obstacle(BaseModel):
    """Why an agent can never run a backend, as it is configured now."""

    model_config = ConfigDict(frozen=True)

    kind: ObstacleKind
    environment: str | None = None
    """The one that it lacks."""
    reason: str | None = None
    """Why the agent cannot use the environment, where it has it."""


def place_of(model: ModelEntry, environments: tuple[str, ...]) -> Place:
    """What kind of place an entry takes.

    Args:
        model: the resolved entry.
        environments: where its backend can run; none for what already runs elsewhere.
    """
    if model.environment is None and not environments:
        return "remote"
    return "devices" if model.resources.gpus else "slot"


def needs_of(model: ModelEntry, environments: tuple[str, ...]) -> Needs:
    """What one replica takes of a host."""
    place = place_of(model, environments)
    if place == "remote":
        return Needs(place=place)
    wanted = model.resources
    return Needs(place=place, gpus=wanted.gpus, gpu_memory_gib=wanted.gpu_memory_gib, memory_gib=wanted.memory_gib or 0)


def room_of(agent: AgentInfo, sessions: tuple[SessionInfo, ...] = ()) -> Room:
    """What an agent has beside what these sessions hold."""
    held = {uuid for session in sessions for uuid in session.devices}
    places = [session.place for session in sessions]
    return Room(
        devices=tuple(device for device in agent.devices if device.uuid not in held),
        slots=agent.slots - places.count("slot"),
        remote_slots=agent.remote_slots - places.count("remote"),
        memory_gib=(float("inf") if agent.memory_gib is None else agent.memory_gib)
        - sum(session.memory_gib for session in sessions),
    )


def obstacle(model: ModelEntry, agent: AgentInfo) -> Obstacle | None:
    """Why the agent could not run the model, even with nothing else to do; None when it could."""
    if model.backend is None or model.backend not in agent.backends:
        return Obstacle(kind="backend")
    possible = agent.backends[model.backend]
    environment = model.environment or next(iter(possible), None)
    if environment is not None and environment not in agent.environments:
        return Obstacle(kind="environment", environment=environment)
    if environment is not None and environment in agent.unusable:
        return Obstacle(kind="environment", environment=environment, reason=agent.unusable[environment])
    images = agent.images.get(environment or "", ("*",))
    if model.image is not None and not is_allowed(model.image, images):
        return Obstacle(kind="image")
    needs = needs_of(model, possible)
    empty = room_of(agent)
    if empty.pick(needs) is not None:
        return None
    if needs.place == "devices" and empty.pick(needs.model_copy(update={"memory_gib": 0})) is None:
        return Obstacle(kind="devices")
    if needs.memory_gib > empty.memory_gib:
        return Obstacle(kind="memory")
    return Obstacle(kind="places")
