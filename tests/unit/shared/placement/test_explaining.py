"""`vhb explain`: the sentence for each situation."""

import pytest

from vhb.hints import hint_of
from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import ModelEntry, Resources
from vhb_shared.contracts.results import OutcomeCounts
from vhb_shared.contracts.state import (
    AgentInfo,
    BackendDemand,
    Device,
    JobState,
    RunState,
    SessionInfo,
    Trouble,
)
from vhb_shared.placement.explaining import Facts, explain_run

NOW = 1000.0
JOB = JobState(job_id="j", name="j", status="running", run_ids=("r",))
PLAIN = ModelEntry(name="m", backend="engine")


def model(gpus: int = 0, gib: float | None = None, **more: object) -> ModelEntry:
    resources = Resources(gpus=gpus, gpu_memory_gib=gib, memory_gib=more.pop("memory_gib", None))  # type: ignore[arg-type]
    return ModelEntry.model_validate({"name": "m", "backend": "engine", "resources": resources, **more})


def run(**changes: object) -> RunState:
    base = RunState(
        run_id="r", job_id="j", name="m__t", model="m", task="t", backend_id="b", stages=("inference",),
        stage="inference", samples=100, shards=4,
    )  # fmt: skip
    return base.model_copy(update=changes)


def agent(name: str = "a", sizes: tuple[float, ...] = (), **changes: object) -> AgentInfo:
    devices = tuple(
        Device(uuid=f"{name}{index}", index=index, name="x", memory_gib=size) for index, size in enumerate(sizes)
    )
    base = AgentInfo(
        agent_id=name, host=name, pid=1, started_at="", backends={"engine": ("docker",), "openai": ()},
        environments=("docker",), devices=devices, remote_slots=2, memory_gib=64,
    )  # fmt: skip
    return base.model_copy(update=changes)


def session(backend_id: str = "b", **changes: object) -> SessionInfo:
    base = SessionInfo(backend_id=backend_id, replica=0, model=backend_id, state="serving", since=NOW - 40)
    return base.model_copy(update=changes)


def words(entry: ModelEntry, *agents: AgentInfo, state: RunState | None = None, **more: object) -> str:
    demand = BackendDemand(backend_id="b", model=entry, job_ids=("j",), run_ids=("r",), since={"r": NOW - 5})
    facts = Facts(now=NOW, agents=agents, demands={"b": demand, **more.pop("demands", {})}, **more)  # type: ignore[arg-type,dict-item]
    return explain_run(JOB, state or run(), facts).words


def other(name: str, entry: ModelEntry, since: float) -> dict[str, BackendDemand]:
    return {name: BackendDemand(backend_id=name, model=entry, job_ids=("k",), run_ids=("k",), since={"k": since})}


@pytest.mark.parametrize(
    ("entry", "agents", "expected"),
    [
        (PLAIN, (), "waiting: no agent is online"),
        (
            model(2, 40),
            (agent("a"), agent("b", (16,)), agent("c", (24, 24))),
            "waiting: needs 2 GPUs with 40 GiB each; 3 agents online, the largest has 24 GiB",
        ),
        (
            model(4, 20),
            (agent("a", (24, 24)), agent("b", (80,))),
            "waiting: needs 4 GPUs with 20 GiB each; 2 agents online, the largest has 2 such GPUs",
        ),
        (model(1), (agent("a"),), "waiting: needs 1 GPU; 1 agent online, none has a GPU"),
        (
            model(memory_gib=128),
            (agent("a"), agent("b")),
            "waiting: needs 128 GiB of host memory; 2 agents online, the largest has 64 GiB for backends",
        ),
        (model(backend="sglang"), (agent(),), "waiting: no agent has backend 'sglang'; 1 agent online"),
        (
            model(environment="runpod"),
            (agent(),),
            "waiting: no agent can run it: 1 agent online, has no environment 'runpod'",
        ),
        (
            model(),
            (agent(unusable={"docker": "no engine answers; start dockerd"}),),
            "waiting: no agent can run it: 1 agent online, cannot use 'docker' now: no engine answers; start dockerd",
        ),
        (
            model(image="evil/x:1"),
            (agent(images={"docker": ("vllm/*",)}),),
            "waiting: no agent allows the image evil/x:1; 1 agent online",
        ),
        (
            model(1),
            (agent("a", (24, 24), sessions=(session("x", devices=("a0",)), session("y", devices=("a1",)))),),
            "waiting: all 2 fitting GPUs are taken by x, y; first in line",
        ),
        (
            model(2),
            (agent("a", (24, 24), sessions=(session("x", devices=("a0",), place="devices"),)),),
            "waiting: needs 2 GPUs on one host; too many of the 2 fitting ones are taken by x; first in line",
        ),
        (PLAIN, (agent(sessions=(session("x"),)),), "waiting: the one place is taken by x; first in line"),
        (PLAIN, (agent(),), "waiting: agent a has room for it and takes it in a moment"),
        (
            PLAIN,
            (agent(sessions=(session(state="starting", detail="loading shard 3 of 9"),)),),
            "agent a is starting it: loading shard 3 of 9, 40 s so far",
        ),
        (
            PLAIN,
            (agent(troubles=(Trouble(backend_id="b", message="no route.", tries=2, next_try_at=NOW + 12),)),),
            "waiting: the backend failed on agent a: no route; tried again in 12 s (try 3)",
        ),
        (PLAIN, (agent(sessions=(session(),)),), "served by a: 0 of 4 shards done, 4 left"),
    ],
)
def test_a_sentence_for_each_situation(entry: ModelEntry, agents: tuple[AgentInfo, ...], expected: str) -> None:
    assert words(entry, *agents) == expected


def test_an_explanation_is_in_parts_too() -> None:
    demand = BackendDemand(backend_id="b", model=model(2, 40), job_ids=("j",), run_ids=("r",), since={"r": NOW - 5})
    found = explain_run(JOB, run(), Facts(now=NOW, agents=(agent("c", (24, 24)),), demands={"b": demand}))
    assert [(one.before, one.code, one.given) for one in found.parts] == [
        ("; ", "waiting", {}),
        (": ", "needs_gpus_of", {"count": 2, "gib": 40}),
        ("; ", "online", {"count": 1}),
        (", ", "largest_gpu", {"gib": 24}),
    ]


def test_what_is_filled_in_is_no_template() -> None:
    state = run(status="failed", failure=Failure(kind="x", message="{reason} {0.__class__} %s"))
    assert explain_run(JOB, state, Facts(now=NOW)).words == "failed: {reason} {0.__class__} %s"


def test_who_serves_and_how_fast() -> None:
    serving = words(
        PLAIN,
        agent("a", sessions=(session(),)),
        agent("b", sessions=(session(),)),
        state=run(committed={0: "x"}),
        done={"r": 30},
        rates={"r": 12.345},
    )
    assert serving == "served by a, b: 1 of 4 shards done, 3 left; 30 of 100 samples, 12.3 a second"


def test_the_line_is_by_age_and_kind() -> None:
    busy = agent("a", (24,), sessions=(session("x", devices=("a0",)), session("y")))
    older = other("older", model(1), NOW - 50)
    assert words(model(1), busy, demands=older).endswith("number 2 in line")
    assert words(PLAIN, busy, demands=older).endswith("first in line")
    assert words(model(1), busy, demands=other("older", model(8), NOW - 50)).endswith("first in line"), "it never fits"


def test_an_agent_that_does_nothing_is_named() -> None:
    demand = BackendDemand(backend_id="b", model=PLAIN, job_ids=("j",), run_ids=("r",), since={"r": NOW - 90})
    facts = Facts(now=NOW, agents=(agent(),), demands={"b": demand})
    assert "agent a has room for it and has not taken it for 90 s" in explain_run(JOB, run(), facts).words


def test_other_stages_and_ends() -> None:
    facts = Facts(now=NOW)
    cases = {
        "waiting for the scheduler to ask for its backend": run(),
        "waiting for an agent to look for answers of earlier runs; no agent is online": run(looking_up=True),
        "waiting for an evaluator to score its answers": run(stage="evaluation"),
        "waiting for a reporter to write its report": run(stage="reporting"),
        "failed: out of memory": run(status="failed", failure=Failure(kind="x", message="out of memory")),
        "done: 100 samples, 2 failed": run(stage="done", status="completed", counts=OutcomeCounts(failed=2)),
        "cancelled: 60 of 100 samples were not asked": run(
            stage="done", status="cancelled", counts=OutcomeCounts(withdrawn=60)
        ),
    }
    for expected, state in cases.items():
        assert explain_run(JOB, state, facts).words == expected
    paused = Facts(now=NOW, paused="inference-agent paused: storage does not answer")
    assert explain_run(JOB, run(stage="evaluation"), paused).words.endswith(f"({paused.paused})")


def test_where_an_engines_lines_are_shown_elsewhere_they_are_not_told() -> None:
    starting = agent(sessions=(session(state="starting", detail="INFO 11-24 loading shard 3 of 9"),))
    assert words(PLAIN, starting, engine_lines=False) == "agent a is starting it, 40 s so far"


def test_a_hint_is_about_what_waits() -> None:
    facts = Facts(now=NOW)
    done, stuck = run(stage="done", status="completed"), run(stage="evaluation")
    assert hint_of([explain_run(JOB, done, facts)]) is None
    hint = hint_of([explain_run(JOB, one, facts) for one in (done, stuck, stuck)])
    assert hint == "m__t: waiting for an evaluator to score its answers (and 1 more run waits)"
