"""Which runs belong together."""

from pathlib import Path

import pytest

from vhb_shared.comparing.matching import match
from vhb_shared.comparing.runs import FoundRun
from vhb_shared.errors import UserError


def run(argument: str, model: str, task: str = "ask", digest: str = "d1", name: str | None = None) -> FoundRun:
    name = name or f"{model}__{task}"
    return FoundRun(
        argument=argument, job_id=argument, run_id=f"{argument}-{name}", name=name, model=model, task=task,
        dataset="data", dataset_digest=digest, scores=Path("scores.parquet"),
        replicates=Path("replicates.parquet"), stored=False,
    )  # fmt: skip


def shown(*sides: list[FoundRun]) -> tuple[list[tuple[str, ...]], list[str]]:
    matches, left_out = match(sides)
    return [each.labels for each in matches], [found.name for found in left_out]


def test_runs_of_one_job_belong_together_by_task():
    job = [run("j", model, task) for model in ("a", "b", "c") for task in ("read", "ask")]
    assert shown(job) == ([("a", "b", "c"), ("a", "b", "c")], [])
    prompts = [run("j", "a", task) for task in ("short", "long")]
    assert shown([*prompts, run("j", "a", "other", "d2")]) == ([("short", "long")], ["a__other"])


def test_jobs_are_matched_by_run_name_then_by_task():
    old = [run("old", model, task) for model in ("a", "b") for task in ("read", "ask")]
    new = [run("new", model, task) for model in ("b", "a") for task in ("read",)]
    assert shown(old, new) == ([("old", "new"), ("old", "new")], ["a__ask", "b__ask"])
    assert shown([run("x", "a"), run("x", "a", "read")], [run("y", "b")]) == ([("a", "b")], ["a__read"])
    assert shown([run("x", "a", "p1")], [run("y", "a", "p2")]) == ([("p1", "p2")], [])


def test_labels_tell_runs_apart():
    same = [run("x", "a"), run("x", "a")]
    assert shown([same[0]], [same[1]])[0] == [("x:a__ask (1)", "x:a__ask (2)")]
    assert shown([run("x", "a")], [run("y", "a")])[0] == [("x", "y")]


def test_what_does_not_belong_together_is_said():
    with pytest.raises(UserError, match=r"No two runs belong together \(x: a__ask, a__read; y: b__p, b__q\)"):
        match([[run("x", "a"), run("x", "a", "read")], [run("y", "b", "p"), run("y", "b", "q")]])
    with pytest.raises(UserError, match=r"x:a__ask and y:a__ask were asked different data .*d2.*same data set"):
        match([[run("x", "a")], [run("y", "a", digest="d2")]])
