"""Why a run is where it is. Pure: `placement.gather` gathers what it reads.

Texts from engines and models are untrusted: they are shortened, and whoever shows them treats them as plain text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from vhb_shared.contracts.job import ModelEntry
from vhb_shared.contracts.state import AgentInfo, BackendDemand, JobState, RunState, SessionInfo
from vhb_shared.placement.needs import Obstacle, needs_of, obstacle, room_of
from vhb_shared.placement.parts import Before, Part, in_english, part
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
    parts: tuple[Part, ...]

    @property
    def words(self) -> str:
        """The sentence, in English."""
        return in_english(self.parts)


def explain_job(job: JobState, runs: Sequence[RunState], facts: Facts) -> list[Explanation]:
    """One explanation for each run, in the job's order; a rejected job has none."""
    return [explain_run(job, run, facts) for run in runs]


def explain_run(job: JobState, run: RunState, facts: Facts) -> Explanation:
    """Why the run is where it is."""
    what, parts = _of(job, run, facts)
    if what in ("waiting", "starting", "serving") and facts.paused is not None:
        parts = (*parts, part("paused", " ", reason=facts.paused))
    return Explanation(run.run_id, run.name, what, parts)


def _of(job: JobState, run: RunState, facts: Facts) -> tuple[What, tuple[Part, ...]]:
    if run.status == "failed":
        reason = run.failure.message if run.failure is not None else "no reason was given"
        return "failed", (part("failed", reason=reason),)
    if run.stage == "done":
        if run.status == "cancelled":
            return "cancelled", (part("cancelled", withdrawn=run.counts.withdrawn, samples=run.samples),)
        return "done", (part("done", samples=run.samples, failed=run.counts.failed),)
    if run.asking:
        return "waiting", (part("metrics"), part("metrics_jobs", jobs=_listed(list(run.asking.values()))))
    if run.stage == "evaluation":
        return "waiting", (part("evaluator"),)
    if run.stage == "reporting":
        return "waiting", (part("reporter"),)
    if run.looking_up:
        return "waiting", (part("earlier_answers"),) + (() if facts.agents else (part("no_agent"),))
    demand = facts.demands.get(run.backend_id)
    if demand is None or run.run_id not in demand.run_ids:
        return "waiting", (part("scheduler"),)
    return _of_inference(run, demand, facts)


def _of_inference(run: RunState, demand: BackendDemand, facts: Facts) -> tuple[What, tuple[Part, ...]]:
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
        line = (part("engine_line", ": ", line=session.detail),) if session.detail and facts.engine_lines else ()
        return "starting", (part("starting", agent=agent.agent_id), *line, part("so_far", ", ", seconds=seconds))
    first, *others = explain_demand(demand, facts)
    return "waiting", (part("waiting"), first.model_copy(update={"before": ": "}), *others)


def explain_demand(demand: BackendDemand, facts: Facts) -> tuple[Part, ...]:
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
        return (
            part("trouble", agent=agent.agent_id, message=trouble.message.rstrip(".")),
            part("tried_again", seconds=wait, number=trouble.tries + 1),
        )
    return _unclaimed(demand, facts)


def _serving(run: RunState, agents: Sequence[AgentInfo], facts: Facts) -> tuple[Part, ...]:
    names = _listed(sorted({agent.agent_id for agent in agents}))
    done = len(run.committed)
    parts = [part("served", agents=names, done=done, shards=run.shards, left=run.shards - done)]
    samples = facts.done.get(run.run_id)
    if samples is not None:
        parts.append(part("samples", done=min(samples, run.samples), samples=run.samples))
    rate = facts.rates.get(run.run_id)
    if rate is not None:
        parts.append(part("rate", ", ", rate=rate))
    return tuple(parts)


def _unclaimed(demand: BackendDemand, facts: Facts) -> tuple[Part, ...]:
    """Why no agent holds the backend."""
    model = demand.model
    if not facts.agents:
        return (part("no_agent"),)
    obstacles = {agent.agent_id: obstacle(model, agent) for agent in facts.agents}
    able = [agent for agent in facts.agents if obstacles[agent.agent_id] is None]
    if not able:
        return _nobody(model, facts.agents, [found for found in obstacles.values() if found is not None])
    needs = needs_of(model, able[0].backends.get(model.backend or "", ()))
    free = [agent for agent in able if room_of(agent, agent.sessions).pick(needs) is not None]
    number = _place_in_line(demand, facts)
    line = part("first_in_line") if number == 1 else part("in_line", number=number)
    if not free:
        return (*_taken(needs, able), line)
    agent_id = free[0].agent_id
    if number > 1:
        return (line, part("keeps_room", agent=agent_id))
    waited = facts.now - demand.wanted_since
    if waited > OVERDUE_S:
        return (part("overdue", agent=agent_id, seconds=round(waited)), part("its_log"))
    return (part("taken_soon", agent=agent_id),)


def _nobody(model: ModelEntry, agents: Sequence[AgentInfo], obstacles: Sequence[Obstacle]) -> tuple[Part, ...]:
    """Why none of the agents that are online can ever run it."""
    kind = next(kind for kind in _CLOSEST if any(found.kind == kind for found in obstacles))
    online = part("online", count=len(agents))
    if kind == "backend":
        return (part("no_backend", backend=model.backend or ""), online)
    if kind == "image":
        return (part("no_image", image=model.image or ""), online)
    if kind == "environment":
        lacking = (found for found in obstacles if found.kind == kind)
        found = min(lacking, key=lambda found: (found.reason is None, found.environment or "", found.reason or ""))
        if len(agents) > 1:
            return (part("nobody"), _of_environment(found, ": "))
        return (part("nobody"), online.model_copy(update={"before": ": "}), _of_environment(found, ", "))
    nearest = [agent for agent, found in zip(agents, obstacles, strict=True) if found.kind == kind]
    needs = needs_of(model, nearest[0].backends.get(model.backend or "", ()))
    if kind == "devices":
        missing = _largest(needs, nearest)
    elif kind == "memory":
        missing = part("largest_memory", ", ", gib=max(agent.memory_gib or 0 for agent in nearest))
    else:
        missing = part("no_place", ", ")
    return (*_wanted(needs), online, missing)


def _of_environment(found: Obstacle, before: Before) -> Part:
    if found.reason is None:
        return part("no_environment", before, environment=found.environment or "")
    return part("unusable", before, environment=found.environment or "", reason=found.reason)


def _wanted(needs: Needs) -> tuple[Part, ...]:
    """What is needed."""
    parts: list[Part] = []
    if needs.gpus and needs.gpu_memory_gib:
        parts.append(part("needs_gpus_of", count=needs.gpus, gib=needs.gpu_memory_gib))
    elif needs.gpus:
        parts.append(part("needs_gpus", count=needs.gpus))
    if needs.memory_gib:
        memory = needs.memory_gib
        parts.append(part("and_memory", " ", gib=memory) if parts else part("needs_memory", gib=memory))
    if not parts:
        parts.append(part("needs_remote_place" if needs.place == "remote" else "needs_place"))
    return tuple(parts)


def _largest(needs: Needs, agents: Sequence[AgentInfo]) -> Part:
    sizes = [device.memory_gib for agent in agents for device in agent.devices]
    if not sizes:
        return part("no_gpu", ", ")
    most = max(sum(needs.suits(device) for device in agent.devices) for agent in agents)
    return part("such_gpus", ", ", count=most) if most else part("largest_gpu", ", ", gib=max(sizes))


def _taken(needs: Needs, able: Sequence[AgentInfo]) -> tuple[Part, ...]:
    """Who holds what it needs."""
    held = [(agent, session) for agent in able for session in agent.sessions if _in_the_way(agent, session, needs)]
    by = _listed(list(dict.fromkeys(session.model for _, session in held))) or "…"
    if needs.place == "devices":
        fitting = sum(needs.suits(device) for agent in able for device in agent.devices)
        if needs.gpus > 1:
            return (*_wanted(needs), part("on_one_host", " "), part("too_many_taken", gpus=fitting, by=by))
        return (part("gpus_taken", count=fitting, by=by),)
    places = sum(agent.slots if needs.place == "slot" else agent.remote_slots for agent in able)
    return (part("places_taken", count=places, by=by),)


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


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES])
    return shown if len(names) <= _NAMES else f"{shown} (+{len(names) - _NAMES})"
