"""Reports of whole jobs: everything shown, what is missing said."""

import csv
import io
import json
import re

import polars as pl

from vhb_reporter.environment import html_environment, markdown_environment
from vhb_shared.contracts.job import Filter, ModelEntry, TaskEntry
from vhb_shared.contracts.results import METRIC_COLUMNS
from vhb_shared.store import layout

EXPORTS = ("metrics.csv", "metrics.parquet", "metrics.json", "results.xlsx", "job.json")
GOOD = [f"Total {index}.00 EUR" for index in range(8)]


async def two_models(world) -> None:
    await world.dataset()
    small = world.plan_run("small")
    await world.answer(small, ["Tota1 0.00 EUR", *GOOD[1:7], None], [0.07, *[0.0] * 6, None])
    await world.answer(world.plan_run("large"), GOOD, [0.0] * 8)


async def test_a_job_of_two_models(world) -> None:
    await two_models(world)
    files = await world.job()
    assert set(files) == {"report.md", "report.html", "samples.html", *EXPORTS}
    page = files["report.html"]
    for heading in ("Summary", "Leaderboard", "Charts", "By document class", "Outcomes", "Timings", "Failures"):
        assert heading in page
    board = page.split('<section id="leaderboard"')[1]
    assert board.index("large") < board.index("small")
    assert "the server answered 500" in page and "the server answered 500" in files["report.md"]
    assert "rapidocr" in page and "3.8.4" in page and "d" * 64 in page
    assert "<del>l</del><ins>1</ins>" in page


async def test_the_leaderboard_ranks_by_direction_and_shows_bounds(world) -> None:
    await two_models(world)
    files = await world.job()
    table = files["report.md"].split("## Leaderboard")[1].split("##")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert "cer ↓" in rows[0]
    assert rows[2].startswith("| large | **0.0000** |")
    # 0.07 over 7 scored; bounds: (0.07 + 0) / 8 and (0.07 + 1) / 8.
    assert rows[3].startswith("| small | 0.0100 ≈ (0.0088 to 0.1338) | 8 | 7 | 1 |")


async def test_higher_is_better_turns_the_ranking(world) -> None:
    await world.dataset()
    task = TaskEntry(name="read", dataset="./pages", metrics=("anls",))
    await world.answer(world.plan_run("small", task), GOOD, [0.2] * 8, "anls")
    await world.answer(world.plan_run("large", task), GOOD, [0.9] * 8, "anls")
    files = await world.job()
    rows = [line for line in files["report.md"].splitlines() if line.startswith("| large")]
    assert rows[0].startswith("| large | **0.9000** |")
    assert json.loads(files["job.json"])["runs"][0]["metrics"][0]["higher_is_better"] is True


async def test_directions_come_from_the_scores_when_no_state_is_left(world) -> None:
    await two_models(world)
    world.states.clear()
    rows = [line for line in (await world.job())["report.md"].splitlines() if line.startswith("| large")]
    assert rows[0].startswith("| large | **0.0000** |")


async def test_worst_samples_leave_out_perfect_ones_and_share_images(world) -> None:
    await two_models(world)
    page = (await world.job())["report.html"]
    assert page.count("<article") == 1
    assert page.count("data:image/jpeg;base64,") == 1
    assert "Tota" in page.split('id="samples"')[1]


async def test_one_image_asked_about_twice_is_encoded_once(world) -> None:
    await world.dataset()
    for model in ("small", "large"):
        await world.answer(world.plan_run(model), ["nothing like it"] * 8, [1.0] * 8)
    page = (await world.job())["report.html"]
    uris = re.findall(r'src="(data:[^"]+)"', page)
    assert len(uris) == len(set(uris)) == 4
    assert page.count('<section class="question">') == 8


async def test_a_run_that_failed_is_shown_with_its_reason(world) -> None:
    await two_models(world)
    world.fail(world.plan_run("broken"), "The image vllm:9 does not exist; name one that does.")
    files = await world.job()
    for name in ("report.html", "report.md"):
        assert "The image vllm:9 does not exist" in files[name]
    run = json.loads(files["job.json"])["runs"][2]
    assert (run["status"], run["metrics"], run["counts"]["failed"]) == ("failed", [], 8)
    assert json.loads(files["job.json"])["status"] == "completed"


async def test_a_job_where_nothing_is_left(world) -> None:
    await world.dataset(2)
    world.plan_run("gone")
    world.fail(world.plan_run("broken"), "No GPU.")
    files = await world.job()
    assert "no results are stored" in files["report.html"]
    assert json.loads(files["job.json"])["status"] == "failed"
    assert files["metrics.csv"].strip() == ",".join(METRIC_COLUMNS)


async def test_answers_without_scores_show_the_first_samples(world) -> None:
    await world.dataset()
    await world.answer(world.plan_run("small"), GOOD)
    files = await world.job()
    assert "Nothing was scored" in files["report.html"]
    assert "answered, but not scored" in files["report.html"]
    assert "Total 0.00 EUR" in files["report.md"]


async def test_one_model_alone_is_not_called_best(world) -> None:
    await world.dataset()
    await world.answer(world.plan_run("small"), GOOD, [0.1] * 8)
    page = (await world.job())["report.html"]
    assert "★" not in page and "Best on" not in page


async def test_two_tasks_and_filters_are_not_compared_with_each_other(world) -> None:
    await world.dataset()
    values = [0.5] * 8
    some = TaskEntry(name="read", dataset="./pages", metrics=("cer",), filter=Filter(doc_class=("receipt",)))
    await world.answer(world.plan_run("small"), GOOD, values)
    await world.answer(world.plan_run("small", "ask"), GOOD, values)
    await world.answer(world.plan_run("small", some, name="row-3"), GOOD, values)
    text = (await world.job())["report.md"]
    board = text.split("## Leaderboard")[1].split("\n## ")[0]
    assert re.findall(r"^### (.*)$", board, re.M) == ["read on pages", "ask", "read on pages (doc_class: receipt)"]


async def test_stored_results_of_another_run_are_shown_under_this_runs_name(world) -> None:
    await world.dataset()
    old = world.plan_run("small")
    await world.answer(old, GOOD, [0.25] * 8)
    world.runs.clear()
    world.plan_run("small", run_id="new", name="again", results_run_id=old.run_id, stages=("reporting",))
    files = await world.job()
    assert "0.2500" in files["report.md"] and "results of run0" in files["report.html"]
    assert {row["run"] for row in csv.DictReader(io.StringIO(files["metrics.csv"]))} == {"again"}


async def test_metrics_csv_has_every_level_but_by_id(world) -> None:
    await two_models(world)
    rows = list(csv.DictReader(io.StringIO((await world.job())["metrics.csv"])))
    assert tuple(rows[0]) == METRIC_COLUMNS
    assert {row["level"] for row in rows} == {"by_doc_type", "by_question_type", "general"}
    assert {row["run"] for row in rows} == {"small__read", "large__read"}
    stored = pl.read_csv(
        await world.store.get(layout.run_file("run0", "metrics.csv")), infer_schema=False
    ).filter(pl.col("level") == "general")  # fmt: skip
    assert stored["value"][0] == next(row for row in rows if row["level"] == "general")["value"]


async def test_without_the_stage_there_is_a_summary_and_no_report(world) -> None:
    await world.dataset()
    await world.answer(world.plan_run("small", stages=("inference", "evaluation")), GOOD, [0.25] * 8)
    files = await world.job()
    assert set(files) == set(EXPORTS)
    (general,) = [row for row in csv.DictReader(io.StringIO(files["metrics.csv"])) if row["level"] == "general"]
    assert float(general["value"]) == json.loads(files["job.json"])["runs"][0]["metrics"][0]["value"] == 0.25


async def test_reused_answers_are_said_and_count_in_no_rate(world) -> None:
    await world.dataset()
    spec = world.plan_run("small")
    await world.answer(spec, GOOD, [0.25] * 8)
    key = layout.run_file(spec.run_id, "answers.parquet")
    origin = pl.Series("reused_from", ["job0-0"] * 5 + [None] * 3, dtype=pl.String)
    answers = pl.read_parquet(await world.store.get(key)).with_columns(origin)
    await world.put_parquet(key, answers)
    files = await world.job()
    (run,) = json.loads(files["job.json"])["runs"]
    assert run["reused"] == {"count": 5, "jobs": ["job0"]}
    assert run["timings"]["requests"] == 3
    assert "5 of 8 answers were got by earlier runs (job0)" in " ".join(files["report.md"].replace("\\", "").split())
    await world.put_parquet(key, answers.with_columns(reused_from=pl.lit("job0-0")))
    timings = json.loads((await world.job())["job.json"])["runs"][0]["timings"]
    assert (timings["requests"], timings["requests_per_s"], timings["started_at"]) == (0, None, None)
    assert timings["latency_p50_ms"] is not None


async def test_reports_are_the_same_when_made_again(world) -> None:
    await two_models(world)
    assert await world.job() == await world.job()


async def test_a_results_file_replaced_by_a_retry_is_read_afresh(world) -> None:
    await two_models(world)
    await world.job()
    await world.answer(world.runs[0], GOOD, [0.0] * 8)
    assert json.loads((await world.job())["job.json"])["counts"]["failed"] == 0


async def test_the_report_of_a_run(world) -> None:
    await two_models(world)
    text = await world.run(world.runs[0])
    assert text.startswith("# small\\_\\_read\n")
    assert "0.0100 (0.0088 to 0.1338)" in text and "the server answered 500" in text
    assert "Tota1 0.00 EUR" in text and "data:image" not in text


async def test_skipped_rows_are_said(world) -> None:
    await world.dataset()
    await world.answer(world.plan_run("small", skipped_rows=3), GOOD, [0.0] * 8)
    files = await world.job()
    assert "3 bad rows were left out" in files["report.html"] and "3 bad rows were left out" in files["report.md"]


async def test_secrets_in_settings_are_not_repeated(world) -> None:
    await world.dataset()
    model = ModelEntry(
        name="remote", backend="openai", base_url="https://user:hunter2@host:8443/v1?sig=hunter2",
        api_key_env="MY_KEY", engine_args={"api-key": "hunter2", "max-model-len": 4096},
    )  # fmt: skip
    await world.answer(world.plan_run(model), GOOD, [0.0] * 8)
    files = await world.job()
    for name in ("report.html", "report.md", "job.json"):
        assert "hunter2" not in files[name]
    assert "https://host:8443/v1" in files["report.html"] and "MY_KEY" in files["report.html"]
    assert "4096" in files["report.html"]


async def test_an_image_that_cannot_be_shown_leaves_a_note(world) -> None:
    await world.dataset(2)
    world.samples[0]["images"] = ["a" * 64 + ".png"]
    await world.save_samples()
    broken = world.samples[1]["images"][0]
    await world.store.put(layout.dataset_media(world.digest, broken), b"not an image")
    await world.answer(world.plan_run("small"), ["x", "y"], [1.0, 1.0])
    page = (await world.job())["report.html"]
    assert "missing from storage" in page and "cannot be shown" in page
    assert str(world.folder) not in page


async def test_a_metric_of_unknown_direction_is_shown_but_not_ranked(world) -> None:
    await world.dataset()
    await world.answer(world.plan_run("small"), GOOD, [0.2] * 8)
    await world.answer(world.plan_run("large"), GOOD, [0.1] * 8)
    world.states.clear()
    files = await world.job()
    board = files["report.md"].split("## Leaderboard")[1].split("##")[0]
    assert "| small | 0.2000 |" in board and "| large | 0.1000 |" in board
    assert "\u2193 |" not in board and "**0" not in board and "\u2605" not in files["report.html"]
    assert json.loads(files["job.json"])["runs"][0]["metrics"][0]["higher_is_better"] is None


async def test_perfect_samples_are_not_among_the_worst_when_higher_is_better(world) -> None:
    await world.dataset()
    task = TaskEntry(name="read", dataset="./pages", metrics=("anls",))
    await world.answer(world.plan_run("small", task), GOOD, [1.0] * 5 + [0.8, 0.2, 1.0], "anls")
    page = (await world.job())["report.html"]
    section = page.split('id="samples"')[1].split('id="setup"')[0]
    assert re.findall(r'sample</span> <a href="samples.html#t0-i\d"><bdi>(.*?)</bdi>', section) == ["6", "5"]


async def test_the_question_shown_is_the_one_that_was_asked(world) -> None:
    await world.dataset(2)
    for name, changes in {
        "own": {},
        "plain": {"prompt": "Read it."},
        "filled": {"prompt": "Q: {{ question }}"},
    }.items():
        task = TaskEntry(name=name, dataset="./pages", metrics=("cer",), **changes)
        await world.answer(world.plan_run("small", task), ["x", "y"], [1.0, 1.0])
    page = (await world.job())["report.html"]
    asked = re.findall(r'<p class="ask" dir="auto">(.*?)</p>', page)
    theirs = '<span class="label">The data set\'s question:</span> '
    for index in range(2):
        question = f"What is the total of page {index}?"
        assert {question, "Read it.", theirs + question} <= set(asked)


async def test_runs_that_tie_are_not_called_best(world) -> None:
    await world.dataset()
    for model in ("small", "large"):
        await world.answer(world.plan_run(model), GOOD, [0.1] * 8)
    files = await world.job()
    assert "\u2605" not in files["report.html"] and "Best on" not in files["report.md"]


async def test_warming_up_compiles_every_template(world) -> None:
    environments = (html_environment(), markdown_environment())
    for environment in environments:
        assert environment.cache is not None
        environment.cache.clear()
    await world.handlers().warm_up()
    assert all(environment.cache is not None and len(environment.cache) >= 11 for environment in environments)
