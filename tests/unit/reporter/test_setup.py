"""The section "What was run": all that was set, by the names of the job file."""

from typing import Any

from vhb_shared.contracts.job import MetricSpec, TaskEntry

from .test_hostile import assert_inert
from .test_intervals import section
from .test_more_sections import plain

TASK = TaskEntry.model_validate({
    "name": "read~blur-4", "dataset": "./pages", "epochs": 3, "circular": True, "shuffle_options": {},
    "few_shot": {"count": 4, "seed": 9},
    "variant": {"of": "read", "corruption": {"kind": "blur", "severity": 4, "seed": 11}},
    "metrics": [
        {"name": "cer", "normalisation": "text-lower", "pass_threshold": 0.25},
        {"name": "f1_macro", "options": {"classes": ["<i>", "b"]},
         "gate": {"name": "structural_fidelity", "options": {"strict": True}}},
    ],
})  # fmt: skip
SAID = (
    ("epochs", "3"), ("circular", "true"), ("shuffle_options.seed", "0"), ("few_shot.dataset", "same"),
    ("few_shot.count", "4"), ("few_shot.seed", "9"), ("variant.of", "read"), ("variant.corruption.kind", "blur"),
    ("variant.corruption.severity", "4"), ("variant.corruption.seed", "11"),
)  # fmt: skip
METRICS = (
    "cer, text-lower, pass_threshold: 0.25",
    'f1_macro, classes: ["<i>", "b"], gate: structural_fidelity, gate.strict: true',
)


async def test_all_that_was_set_is_shown(world: Any) -> None:
    await world.dataset()
    await world.answer(world.plan_run("small", TASK), ["x"] * 8, [0.5] * 8)
    files = await world.job()
    assert_inert(files["report.html"])
    page = section(files["report.html"], "setup")
    shown = page.replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"')
    assert all(f"<div>{metric}</div>" in shown for metric in METRICS)
    text = files["report.md"].split("## What was run")[1].replace("\\", "").replace("&lt;", "<").replace("&gt;", ">")
    assert "; ".join(METRICS) in text
    for name, value in SAID:
        assert f"{name} {value} " in plain(page)
        assert f"- {name}: {value}" in text.splitlines()


async def test_what_was_not_set_is_not_shown_and_secrets_never_are(world: Any) -> None:
    await world.dataset()
    asked = MetricSpec(name="cer", options={"judge": {"api_key": "sk-1234"}})
    plain_task = TaskEntry(name="read", dataset="./pages", metrics=(asked,))
    await world.answer(world.plan_run("small", plain_task), ["x"] * 8, [0.5] * 8)
    files = await world.job()
    for page in (files["report.html"], files["report.md"]):
        assert "sk-1234" not in page and "(set, not shown)" in page.replace("\\", "")
        assert not any(name in page for name in ("few_shot", "shuffle_options", "circular", "pass_threshold"))
