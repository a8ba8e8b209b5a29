"""Why a run is where it is, in words. Pure: `placement.gather` gathers what it reads.

Texts from engines and models are untrusted: they are shortened, and whoever shows them treats them as plain text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from vhb_shared.contracts.job import ModelEntry
from vhb_shared.contracts.state import AgentInfo, BackendDemand, JobState, RunState, SessionInfo
from vhb_shared.placement.needs import Obstacle, needs_of, obstacle, room_of, wanted_words
from vhb_shared.placement.room import Needs

What = Literal["done", "failed", "cancelled", "serving", "starting", "waiting"]

OVERDUE_S = 30.0
"""How long an agent with room may take to claim a backend before that is strange."""
_CLOSEST = ("places", "memory", "devices", "image", "environment", "backend")
"""Obstacles, the last to be met first: who lacks memory has everything else."""
_NAMES = 5


@dataclass(frozen=True)
class Facts:
    """What is known of the whole at one moment."""

    now: float
    """Unix seconds."""
    agents: Sequence[AgentInfo] = ()
    demands: Mapping[str, BackendDemand] = field(default_factory=dict)
    paused: str | None = None
    """The job's last warning, where it is fresh: what its services wait for."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Run -> samples per second just now, where that was watched."""
    done: Mapping[str, int] = field(default_factory=dict)
    """Run -> samples with an outcome, those of shards in flight included."""
    engine_lines: bool = True
    """Whether an engine's last line is told while it starts; not where that is shown elsewhere."""


@dataclass(frozen=True)
class Explanation:
    """Of one run."""

    run_id: str
    name: str
    what: What
    words: str


def explain_job(job: JobState, runs: Sequence[RunState], facts: Facts) -> list[Explanation]:
    """One explanation for each run, in the job's order; a rejected job has none."""
    return [explain_run(job, run, facts) for run in runs]


def explain_run(job: JobState, run: RunState, facts: Facts) -> Explanation:
    """Why the run is where it is."""
    what, words = _of(job, run, facts)
    if what in ("waiting", "starting", "serving") and facts.paused is not None:
        words = f"{words} ({facts.paused})"
    return Explanation(run.run_id, run.name, what, words)


def _of(job: JobState, run: RunState, facts: Facts) -> tuple[What, str]:
    if run.status == "failed":
        reason = run.failure.message if run.failure is not None else "no reason was given"
        return "failed", f"failed: {reason}"
    if run.stage == "done":
        if run.status == "cancelled":
            return "cancelled", f"cancelled: {run.counts.withdrawn} of {run.samples} samples were not asked"
        return "done", f"done: {run.samples} samples, {run.counts.failed} failed"
    if run.asking:
        jobs = _listed(list(run.asking.values()))
        return "waiting", f"waiting for models that its metrics ask; `vhb explain` says more of {jobs}"
    if run.stage == "evaluation":
        return "waiting", "waiting for an evaluator to score its answers"
    if run.stage == "reporting":
        return "waiting", "waiting for a reporter to write its report"
    if run.looking_up:
        return "waiting", "waiting for an agent to look for answers of earlier runs" + (
            "" if facts.agents else "; no agent is online"
        )
    demand = facts.demands.get(run.backend_id)
    if demand is None or run.run_id not in demand.run_ids:
        return "waiting", "waiting for the scheduler to ask for its backend"
    return _of_inference(run, demand, facts)


def _of_inference(run: RunState, demand: BackendDemand, facts: Facts) -> tuple[What, str]:
    held = [
        (agent, session)
        for agent in facts.agents
        for session in agent.sessions
        if session.backend_id == run.backend_id and session.state != "stopping"
    ]
    serving = [agent for agent, session in held if session.state in ("serving", "idle")]
    if serving:
        return "serving", _serving(run, serving, facts)
    for agent, session in held:
        seconds = max(0, round(facts.now - session.since))
        said = f": {session.detail}" if session.detail and facts.engine_lines else ""
        return "starting", f"agent {agent.agent_id} is starting it{said}, {seconds} s so far"
    return "waiting", f"waiting: {explain_demand(demand, facts)}"


def explain_demand(demand: BackendDemand, facts: Facts) -> str:
    """Why a backend that is wanted is held by nobody just now."""
    troubles = [
        (agent, trouble)
        for agent in facts.agents
        for trouble in agent.troubles
        if trouble.backend_id == demand.backend_id
    ]
    if troubles:
        agent, trouble = min(troubles, key=lambda pair: pair[1].next_try_at)
        wait = max(0, round(trouble.next_try_at - facts.now))
        message = trouble.message.rstrip(".")
        return (
            f"the backend failed on agent {agent.agent_id}: {message}; tried again in {wait} s "
            f"(try {trouble.tries + 1})"
        )
    return _unclaimed(demand, facts)


def _serving(run: RunState, agents: Sequence[AgentInfo], facts: Facts) -> str:
    names = _listed(sorted({agent.agent_id for agent in agents}))
    done = len(run.committed)
    words = f"served by {names}: {done} of {run.shards} shards done, {run.shards - done} left"
    samples = facts.done.get(run.run_id)
    if samples is not None:
        words += f"; {min(samples, run.samples)} of {run.samples} samples"
    rate = facts.rates.get(run.run_id)
    return words if rate is None else f"{words}, {rate:.3g} a second"


def _unclaimed(demand: BackendDemand, facts: Facts) -> str:
    """Why no agent holds the backend."""
    model = demand.model
    if not facts.agents:
        return "no agent is online"
    obstacles = {agent.agent_id: obstacle(model, agent) for agent in facts.agents}
    able = [agent for agent in facts.agents if obstacles[agent.agent_id] is None]
    if not able:
        return _nobody(model, facts.agents, [found for found in obstacles.values() if found is not None])
    needs = needs_of(model, able[0].backends.get(model.backend or "", ()))
    free = [agent for agent in able if room_of(agent, agent.sessions).pick(needs) is not None]
    place = _place_in_line(demand, facts)
    if free:
        waited = facts.now - demand.wanted_since
        if waited > OVERDUE_S and place == 1:
            return (
                f"agent {free[0].agent_id} has room for it and has not taken it for {waited:.0f} s; "
                "its log says what it does"
            )
        if place == 1:
            return f"agent {free[0].agent_id} has room for it and takes it in a moment"
        return f"{_ordinal(place)} in line; {free[0].agent_id} keeps its room for those before it"
    return f"{_taken(needs, able)}; {_ordinal(place)} in line"


def _nobody(model: ModelEntry, agents: Sequence[AgentInfo], obstacles: Sequence[Obstacle]) -> str:
    """Why none of the agents that are online can ever run it."""
    kind = next(kind for kind in _CLOSEST if any(found.kind == kind for found in obstacles))
    online = f"{len(agents)} agent{'s' * (len(agents) > 1)} online"
    if kind == "backend":
        return f"no agent has backend {model.backend!r}; {online}"
    words = sorted({found.words for found in obstacles if found.kind == kind})
    if kind == "image":
        return f"no agent allows the image {model.image}; {online}"
    if kind == "environment":
        return f"no agent can run it: {online}, {words[0]}" if len(agents) == 1 else f"no agent can run it: {words[0]}"
    nearest = [agent for agent, found in zip(agents, obstacles, strict=True) if found.kind == kind]
    needs = needs_of(model, nearest[0].backends.get(model.backend or "", ()))
    if kind == "devices":
        return f"needs {wanted_words(needs)}; {online}, {_largest(needs, nearest)}"
    if kind == "memory":
        most = max(agent.memory_gib or 0 for agent in nearest)
        return f"needs {wanted_words(needs)}; {online}, the largest has {most:.4g} GiB for backends"
    return f"needs {wanted_words(needs)}; {online}, none of them has such a place"


def _largest(needs: Needs, agents: Sequence[AgentInfo]) -> str:
    sizes = [device.memory_gib for agent in agents for device in agent.devices]
    if not sizes:
        return "none has a GPU"
    most = max(sum(needs.suits(device) for device in agent.devices) for agent in agents)
    if not most:
        return f"the largest has {max(sizes):.4g} GiB"
    return f"the largest has {most} such GPU{'s' * (most != 1)}"


def _taken(needs: Needs, able: Sequence[AgentInfo]) -> str:
    """Who holds what it needs."""
    held = [(agent, session) for agent in able for session in agent.sessions if _in_the_way(agent, session, needs)]
    by = _listed(list(dict.fromkeys(session.model for _, session in held))) or "others"
    if needs.place == "devices":
        fitting = sum(needs.suits(device) for agent in able for device in agent.devices)
        many = f"all {fitting} fitting GPUs are" if fitting > 1 else "the one fitting GPU is"
        if needs.gpus > 1:
            return f"needs {wanted_words(needs)} on one host; too many of the {fitting} fitting ones are taken by {by}"
        return f"{many} taken by {by}"
    places = sum(agent.slots if needs.place == "slot" else agent.remote_slots for agent in able)
    return f"all {places} places are taken by {by}" if places > 1 else f"the one place is taken by {by}"


def _in_the_way(agent: AgentInfo, session: SessionInfo, needs: Needs) -> bool:
    if needs.place != "devices":
        return session.place == needs.place
    return any(device.uuid in session.devices and needs.suits(device) for device in agent.devices)


def _place_in_line(demand: BackendDemand, facts: Facts) -> int:
    """Its place among those of its kind that nobody holds yet, 1 being next."""
    held = {session.backend_id for agent in facts.agents for session in agent.sessions}
    kind = bool(demand.model.resources.gpus)
    before = [
        other
        for other in facts.demands.values()
        if other.run_ids
        and other.backend_id not in held
        and bool(other.model.resources.gpus) == kind
        and (other.wanted_since, other.backend_id) < (demand.wanted_since, demand.backend_id)
        and any(obstacle(other.model, agent) is None for agent in facts.agents)
    ]
    return len(before) + 1


def _ordinal(number: int) -> str:
    return "first" if number == 1 else f"number {number}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES])
    return shown if len(names) <= _NAMES else f"{shown} and {len(names) - _NAMES} more"
