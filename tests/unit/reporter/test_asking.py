"""How samples were asked, as reports tell it: prompts that are compared, repetitions, options."""

import re

import polars as pl

from vhb_shared.contracts.asking import ShuffleOptions
from vhb_shared.contracts.job import PromptSet, TaskEntry
from vhb_shared.datasets.records import SAMPLE_SCHEMA
from vhb_shared.store import layout


def board_titles(files: dict[str, str]) -> list[str]:
    board = files["report.md"].split("## Leaderboard")[1].split("\n## ")[0]
    return re.findall(r"^### (.*)$", board, re.M)


async def test_prompt_sets_of_a_task_stand_in_one_table(world) -> None:
    await world.dataset()
    for name, value in (("short", 0.5), ("long", 0.25)):
        task = TaskEntry(
            name=f"read+{name}", compare_as="read", dataset="./pages", metrics=("cer",),
            prompts=PromptSet(user_prompt=f"The {name} prompt."),
        )  # fmt: skip
        for model in ("small", "large"):
            await world.answer(world.plan_run(model, task), ["x"] * 8, [value] * 8)
    await world.answer(world.plan_run("small", "other"), ["x"] * 8, [0.5] * 8)
    files = await world.job()
    assert board_titles(files) == ["read", "other"]
    board = files["report.md"].split("### read\n")[1].split("### other")[0].replace("\\", "")
    for model in ("small", "large"):
        assert 0 < board.index(f"{model}__read+long") < board.index(f"{model}__read+short")
    assert "tasks: **2**" in files["report.md"]
    # Each run was asked something else: what is shown with a sample is the data set's own question.
    assert "The data set's question:" in files["report.html"] or "The data set&#39;s question:" in files["report.html"]
    assert "The short prompt." in files["report.html"] and "The long prompt." in files["report.html"]


async def test_a_plain_prompt_is_shown_with_samples_only_where_all_were_asked_it(world) -> None:
    await world.dataset(2)
    for name in ("one", "two"):
        task = TaskEntry(name=name, compare_as="read", dataset="./pages", metrics=("cer",), prompt=f"Prompt {name}.")
        await world.answer(world.plan_run("small", task), ["x", "y"], [1.0, 1.0])
    asked = re.findall(r'<p class="ask" dir="auto">(.*?)</p>', (await world.job())["report.html"])
    assert asked and all("What is the total of page" in text and "label" in text for text in asked)


async def test_tasks_asked_a_different_number_of_times_are_not_compared(world) -> None:
    await world.dataset(4)
    await world.answer(world.plan_run("small"), ["x"] * 4, [0.5] * 4)
    thrice = TaskEntry(name="thrice", compare_as="read", dataset="./pages", metrics=("cer",), epochs=3)
    world.plan_run("small", thrice, samples=12)
    files = await world.job()
    assert len(re.findall(r"^### read", files["report.md"], re.M)) >= 1
    assert "asked: each question 3 times" in files["report.md"]
    assert "questions asked: 12, about samples of 4" in files["report.md"]
    assert "<dd>each question 3 times</dd>" in files["report.html"]


async def test_options_are_shown_with_the_question_as_they_were_asked(world) -> None:
    await world.dataset(2)
    rows = [
        dict.fromkeys(SAMPLE_SCHEMA) | sample | {"choices": ["red", "<b>green", "blue"], "references": ["B"]}
        for sample in world.samples
    ]
    await world.put_parquet(layout.dataset_samples(world.digest), pl.DataFrame(rows, schema=SAMPLE_SCHEMA))
    task = TaskEntry(name="choose", dataset="./pages", metrics=("cer",), shuffle_options=ShuffleOptions(seed=1))
    await world.answer(world.plan_run("small", task), ["A", "A"], [1.0, 1.0])
    page = (await world.job())["report.html"]
    asked = re.findall(r'<p class="ask" dir="auto">(.*?)</p>', page, re.S)
    assert len(asked) == 2
    for text in asked:
        lines = text.splitlines()
        assert sorted(line[3:] for line in lines[1:]) == ["&lt;b&gt;green", "blue", "red"]
        assert [line[:3] for line in lines[1:]] == ["A. ", "B. ", "C. "]
