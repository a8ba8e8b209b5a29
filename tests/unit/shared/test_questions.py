"""Questions of metrics as a data set."""

import json
from pathlib import Path

import polars as pl
import pytest

from vhb_shared.contracts.events import Questions
from vhb_shared.contracts.job import MetricSpec, ModelEntry, TaskEntry
from vhb_shared.contracts.plan import DatasetRef, RunSpec
from vhb_shared.datasets.pin import load_manifest
from vhb_shared.datasets.prompts import check_prompts, render_prompt
from vhb_shared.datasets.questions import ModelQuestion, QuestionTable, store_questions
from vhb_shared.datasets.selection import run_samples
from vhb_shared.jobs.questions import question_job, question_job_id
from vhb_shared.store import layout
from vhb_shared.store.directory import DirectoryStore

HOSTILE = "{{ question }} {% raw %} \x00 <b> \u202e end"


def the_run() -> RunSpec:
    metric = MetricSpec(name="judge", models=(ModelEntry(name="m", backend="openai"),))
    return RunSpec(
        job_id="j", run_id="j-0", name="a__b", model=ModelEntry(name="a"),
        task=TaskEntry(name="b", metrics=(MetricSpec(name="cer"), metric)),
        dataset=DatasetRef(digest="d" * 64, name="d", source="./d", samples=3, shows="f" * 64),
        samples=3, shard_size=2, shards=2, backend_id="b", stages=("inference", "evaluation"), reuse=True,
        results_run_id="j-0",
    )  # fmt: skip


def filled(folder: Path, *questions: ModelQuestion) -> QuestionTable:
    table = QuestionTable(folder)
    for question in questions:
        table.add(question)
    return table


async def test_a_question_is_there_once_and_sent_word_for_word(tmp_path: Path) -> None:
    run = the_run()
    asked = [ModelQuestion(HOSTILE, HOSTILE, ("1.png",)), ModelQuestion("s", "t"), ModelQuestion("s", "t")]
    table = filled(tmp_path / "t", *asked)
    assert len(table) == 2
    digest, file = table.finish(run.dataset.media_digest)
    table.close()
    store = DirectoryStore(tmp_path / "store")
    ref = await store_questions(digest, file, len(table), run, store)
    assert await store_questions(digest, file, len(table), run, store) == ref
    assert (await load_manifest(digest, store)).dataset == ref
    assert ref.media_digest == "f" * 64 and ref.samples == 2

    job = question_job(run, Questions(metric=1, dataset_digest=digest, samples=2), "receipts")
    assert job.stages == ("inference",) and job.models == run.task.metrics[1].models and job.reuse
    (task,) = job.tasks
    child = run.model_copy(update={"task": task, "dataset": ref, "samples": 2})
    stored = store.local_path(layout.dataset_samples(digest))
    assert stored is not None
    rows = run_samples(stored, child)
    check_prompts(task, rows)
    sent = [render_prompt(task, row) for row in rows.collect().to_dicts()]
    assert sent == [(HOSTILE, HOSTILE), ("s", "t")]
    table_ = pl.read_parquet(stored)
    assert table_["id"].to_list() == [asked[0].id, asked[1].id] and table_["images"].to_list() == [["1.png"], []]


def test_the_digest_covers_what_is_sent(tmp_path: Path) -> None:
    def digest(name: str, shows: str, *questions: ModelQuestion) -> str:
        table = filled(tmp_path / name, *questions)
        found, _ = table.finish(shows)
        table.close()
        return found

    one, two = ModelQuestion("s", "t"), ModelQuestion("s", "u")
    known = digest("1", "x", one, two)
    assert digest("2", "x", one, two, one) == known
    assert len({known, digest("3", "x", two, one), digest("4", "y", one, two), digest("5", "x", one)}) == 4
    assert len({one.id, two.id, ModelQuestion("s", "t", ("i",)).id, ModelQuestion("t", "s").id}) == 4


@pytest.mark.parametrize("run_id", ["invoices-x7-0", "x" * 79 + "-0", "x" * 79 + "-1"])
def test_job_ids_fit_and_differ(run_id: str) -> None:
    found = {question_job_id(run_id, round_, metric) for round_ in range(3) for metric in range(3)}
    assert len(found) == 9 and all(len(job_id) <= 80 for job_id in found)
    assert question_job_id(run_id, 0, 1) == question_job_id(run_id, 0, 1)
    assert question_job_id("x" * 79 + "-0", 0, 0) != question_job_id("x" * 79 + "-1", 0, 0)


def test_records_are_text(tmp_path: Path) -> None:
    table = filled(tmp_path / "t", ModelQuestion("s", HOSTILE))
    table.finish("x")
    (line,) = (tmp_path / "t" / "questions.ndjson").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["question"] == HOSTILE
