"""Who goes on with containers that a former life of its agent started.

A container's labels name the process that started it and cannot be changed. So an agent that goes on with one says on
the engine itself that it lives: a volume of the agent's, which nobody mounts, names its present process in a label.
"""

import contextlib
from typing import Any

from docker.errors import APIError, NotFound

from vhb_shared.environments.docker.engine import Engine

LABEL_LIFE = "vhb.environment.life"
LABEL_OF = "vhb.environment.life.of"


def say(engine: Engine, agent_id: str, mark: str) -> None:
    """This agent lives, as this process. Cheap when it was said before. From a thread.

    Raises:
        APIError: the engine refuses.
    """
    volumes, name = engine.client().volumes, _name(agent_id)
    with contextlib.suppress(NotFound):
        former = volumes.get(name)
        if _labels(former).get(LABEL_LIFE) == mark:
            return
        former.remove(force=True)  # of a former life; a volume's labels stay what they are
    volumes.create(name, labels={LABEL_LIFE: mark, LABEL_OF: agent_id})


def said(engine: Engine) -> dict[str, str]:
    """Agent -> the mark of the process that it last was. From a thread.

    Raises:
        APIError: the engine refuses.
    """
    found = [_labels(volume) for volume in engine.client().volumes.list(filters={"label": LABEL_LIFE})]
    return {labels.get(LABEL_OF, ""): labels[LABEL_LIFE] for labels in found}


def forget(engine: Engine, agent_id: str) -> None:
    """It has ended, and nothing of it is left. From a thread. Raises nothing of the engine's refusals."""
    with contextlib.suppress(APIError):
        engine.client().volumes.get(_name(agent_id)).remove(force=True)


def _name(agent_id: str) -> str:
    # Agents are named by people; a volume's name takes fewer characters than they do.
    return f"vhb-agent-{agent_id.encode().hex()[-48:]}"


def _labels(volume: Any) -> dict[str, str]:
    return volume.attrs.get("Labels") or {}
