"""A task and its variants with worse images: one table, one correction of p."""

from typing import Any

from vhb_shared.contracts.job import TaskEntry

from .test_intervals import section, with_intervals

COUNT = 8
GOOD = ["x"] * COUNT


async def job(world: Any, tasks: dict[str, dict[str, float]], *, broken: str = "") -> dict[str, str]:
    """A job of tasks, with the error rate of each model."""
    await world.dataset()
    for name, models in tasks.items():
        task = TaskEntry(name=name, dataset="./pages", metrics=("cer",))
        for model, value in models.items():
            run = world.plan_run(model, task)
            if f"{model} {name}" == broken:
                world.fail(run, "no memory")
                continue
            await world.answer(run, GOOD, [value + place / 1000 for place in range(COUNT)])
            await with_intervals(world, run)
    found: dict[str, str] = await world.job()
    return found


def rows(part: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("| ")
    ]


TASKS = {
    "read~blur-5": {"steady": 0.30, "brittle": 0.50},
    "read": {"brittle": 0.10, "steady": 0.20},
    "read~blur-1": {"steady": 0.20, "brittle": 0.15},
    "read~jpeg-3": {"steady": 0.25, "brittle": 0.12},
}


async def test_variants_stand_in_one_table_under_their_task(world: Any) -> None:
    files = await job(world, TASKS)
    board = section(files["report.html"], "leaderboard")
    assert board.count("<table") == 2 and board.count("<h3>") == 1
    part = files["report.md"].split("## Leaderboard")[1].split("\n## ")[0]
    head = next(row for row in rows(part) if "blur-1" in row)
    assert head == ["Model", "as they are", "blur-1", "blur-5", "jpeg-3"]
    found = {row[0]: row[1:] for row in rows(part.split("With worse images")[1])[2:]}
    # The order of the clean task; the best of each column is marked; values come with change and interval.
    assert list(found) == ["brittle", "steady"]
    assert found["brittle"][0].startswith("**0.1035** \\[") and found["steady"][0].startswith("0.2035 \\[")
    assert found["brittle"][2].startswith("0.5035 +0.40 \\[") and found["steady"][2].startswith("**0.3035** +0.10 \\[")
    assert found["steady"][1].startswith("0.2035 0 \\[")
    assert board.count('class="change worse"') == 5 and board.count('class="change"') == 1
    assert "the change against the images as they are" in board


async def test_a_seed_makes_a_variant_like_any_other(world: Any) -> None:
    seeded = {f"read~noise-{severity}-s7": {"steady": 0.3, "brittle": 0.4} for severity in (5, 1)}
    files = await job(world, {"read": TASKS["read"], **seeded, "read~noise-1": {"steady": 0.2, "brittle": 0.3}})
    board = section(files["report.html"], "leaderboard")
    assert board.count("<table") == 2 and board.count("<h3>") == 1
    part = files["report.md"].split("## Leaderboard")[1].split("\n## ")[0]
    head = next(row for row in rows(part) if "noise-1" in row)
    assert head == ["Model", "as they are", "noise-1-s7", "noise-5-s7", "noise-1"]
    assert "p is corrected for 1 comparison (Holm)." in files["report.md"]
    robustness = section(files["report.html"], "robustness")
    assert robustness.count("<figcaption>") == 2 and "<bdi>noise-s7</bdi>" in robustness


async def test_variants_are_neither_tested_nor_corrected_for_and_have_no_leader(world: Any) -> None:
    files = await job(world, TASKS)
    text = files["report.md"]
    differences = text.split("## Differences")[1].split("\n## ")[0]
    assert "p is corrected for 1 comparison (Holm)." in differences and "Variants with worse images" in differences
    assert "blur" not in differences
    assert "blur" not in text.split("## Summary")[1].split("\n## ")[0]


async def test_variants_without_their_task_keep_leaderboards_of_their_own(world: Any) -> None:
    files = await job(world, {name: models for name, models in TASKS.items() if name != "read"})
    board = section(files["report.html"], "leaderboard")
    assert board.count("<table") == 3 and "With worse images" not in board
    assert "corrected for 3 comparisons" in files["report.md"]


async def test_a_variant_that_failed_says_so(world: Any) -> None:
    files = await job(world, TASKS, broken="brittle read~blur-5")
    part = files["report.md"].split("## Leaderboard")[1].split("\n## ")[0]
    assert "- brittle, blur-5: failed. no memory" in part
    (row,) = (row for row in rows(part.split("With worse images")[1]) if row[0] == "brittle")
    assert row[3] == "—"
    board = section(files["report.html"], "leaderboard")
    assert "no memory" in board


async def test_every_run_is_in_metrics_and_in_the_workbook(world: Any) -> None:
    files = await job(world, TASKS)
    assert all(f"{model}__{task}" in files["metrics.csv"] for task in TASKS for model in ("steady", "brittle"))
    assert all(f"{model}__{task}" in files["job.json"] for task in TASKS for model in ("steady", "brittle"))
