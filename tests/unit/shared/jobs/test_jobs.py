"""From a job file to runs, on real files and a real (directory) storage."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from vhb_shared.contracts.job import JobSpec
from vhb_shared.contracts.plan import RunSpec
from vhb_shared.datasets.prompts import render_prompt
from vhb_shared.errors import UserError
from vhb_shared.jobs.bundle import bundle_job
from vhb_shared.jobs.expand import MAX_SHARDS, expand_job
from vhb_shared.jobs.load import LoadedJob, load_job
from vhb_shared.jobs.validate import validate_job
from vhb_shared.registry.registry import Registry
from vhb_shared.settings import RegistrySettings
from vhb_shared.store import layout
from vhb_shared.store.directory import DirectoryStore

HEADER = "data_index;split;image_path;question;answer;doc_class;question_type;answer_bbox\n"


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store", durable=False)


def documents(folder: Path, samples: int = 5) -> None:
    """A data set in the folder format: classes alternate between invoice and receipt."""
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (8, 8), "white").save(folder / "images" / "a.png")
    rows = "".join(
        f"{number};test;images/a.png;What?;text {number};{'invoice' if number % 2 == 0 else 'receipt'};kind;\n"
        for number in range(samples)
    )
    (folder / "annotation.csv").write_text(HEADER + rows, encoding="utf-8-sig")


def write_job(folder: Path, **changes: Any) -> Path:
    job = {
        "name": "demo",
        "models": [{"name": "remote", "backend": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1"}],
        "tasks": [{"name": "read", "dataset": "./docs", "prompt": "Read.", "metrics": ["cer"]}],
        **changes,
    }
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(job, allow_unicode=True), encoding="utf-8")
    return path


def registry(beside: Path | None = None) -> Registry:
    return Registry.load(beside, RegistrySettings(registry_dirs=()))


def problems(tmp_path: Path, **changes: Any) -> str:
    loaded = load_job(write_job(tmp_path, **changes))
    with pytest.raises(UserError) as caught:
        validate_job(loaded.spec, registry(tmp_path), where=loaded.where, environ={})
    return "\n".join(caught.value.problems)


async def planned(path: Path, store: DirectoryStore) -> tuple[JobSpec, tuple[RunSpec, ...]]:
    loaded = load_job(path)
    known = registry(loaded.base_dir)
    validate_job(loaded.spec, known, where=loaded.where)
    bundled = await bundle_job(loaded, store, known)
    # What arrives at a scheduler elsewhere: the same after a trip as JSON, without the files.
    travelled = LoadedJob(JobSpec.model_validate_json(bundled.model_dump_json()), None)
    validate_job(travelled.spec, registry())
    assert await bundle_job(travelled, store, registry()) == bundled
    return bundled, await expand_job(bundled, "demo-1", store)


OPENAI = {"name": "a", "backend": "openai", "base_url": "http://h/v1"}
TASK = {"name": "t", "dataset": "./docs"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"models": []}, "the job has no models"),
        ({"tasks": []}, "the job has no tasks"),
        ({"models": [OPENAI, OPENAI]}, "models[1]: model 'a' is listed 2 times: rename one."),
        ({"tasks": [TASK, TASK]}, "tasks[1]: task 't' is listed 2 times: rename one."),
        ({"models": ["rapidocrr"]}, "line 2, column 3: models[0]: no model is named 'rapidocrr': did you mean"),
        ({"tasks": ["raed-page"]}, "no task is named 'raed-page': did you mean 'read-page'?"),
        ({"tasks": ["read-page"]}, "name a `dataset` beside it"),
        ({"models": [OPENAI | {"backend": "opnai"}]}, "unknown backend 'opnai'; did you mean 'openai'?"),
        (
            {
                "models": [{"name": "t", "backend": "transformers", "model": "org/m"}],
                "tasks": [TASK | {"response_schema": {"type": "object"}}],
            },
            "has a `response_schema`, which backend transformers of model 't' cannot keep",
        ),
        ({"models": [OPENAI | {"backend": "vllm"}]}, "use `backend: openai` for a server that runs already"),
        ({"models": [{"name": "a", "backend": "openai"}]}, "needs `base_url`"),
        ({"models": [OPENAI | {"base_url": "localhost:8000"}]}, "base_url"),
        ({"models": [OPENAI | {"api_key_env": "NO_SUCH_KEY"}]}, "NO_SUCH_KEY"),
        (
            {"models": [{"name": "echo", "environment": "proces"}]},
            "unknown environment 'proces'; did you mean 'process'?",
        ),
        ({"tasks": [TASK | {"metrics": ["cerr"]}]}, "metrics[0]: task 't': unknown metric 'cerr'; did you mean 'cer'?"),
        ({"tasks": [TASK | {"metrics": ["structural_fidelity"]}]}, "give the task a `response_schema`"),
        (
            {"tasks": [TASK | {"metrics": [{"name": "cer", "gate": "structural_fidelity"}]}]},
            "give the task a `response_schema`",
        ),
        (
            {"tasks": [TASK | {"metrics": [{"name": "cer", "gate": "anls"}], "response_schema": {}}]},
            "metric 'anls' cannot be a gate: use structural_fidelity",
        ),
        (
            {"tasks": [TASK | {"metrics": [{"name": "iou", "options": {"box_format": "xxyy"}}]}]},
            "option 'box_format' of metric 'iou'",
        ),
        (
            {"tasks": [TASK | {"metrics": [{"name": "structural_fidelity", "options": {"schema": {"type": 5}}}]}]},
            "is not a JSON Schema: at type",
        ),
        ({"tasks": [TASK | {"metrics": ["judge"]}]}, "say who judges: `models` that agents serve"),
        (
            {"tasks": [TASK | {"metrics": [{"name": "cer", "normalisation": "tekst"}]}]},
            "task 't': unknown normalisation",
        ),
        ({"tasks": [TASK | {"metrics": [{"name": "cer", "profile": "x"}]}]}, "unknown profile 'x' of metric 'cer'"),
        ({"tasks": [TASK | {"aggregators": ["by_class"]}]}, "unknown aggregator 'by_class'"),
        ({"tasks": [TASK | {"prompt": " "}]}, "`prompt` is empty"),
        (
            {"tasks": [TASK | {"prompts": {"user_prompt": "x"}, "prompt_sets": {"a": {}}}]},
            "tasks[0].prompt_sets: task 't' has both `prompts` and `prompt_sets`",
        ),
        (
            {"tasks": [TASK | {"prompt_sets": {"a": {}}}, TASK | {"name": "t+a"}]},
            "prompt set 'a' of task 't' makes a task that the job has already",
        ),
        (
            {
                "tasks": [TASK | {"prompt_sets": {"a": {}}}],
                "runs": [{"model": "remote", "task": "t", "name": n} for n in ("x", "x+a")],
            },
            "make a run 'x+a', which is there already",
        ),
        ({"tasks": [TASK | {"prompt_sets": {"a": {}}, "answers": "run:x-0"}]}, "make no difference to it"),
        ({"tasks": [TASK | {"prompt_sets": {"a": {}}, "name": "n" * 191}]}, "too long for a folder"),
        ({"stages": []}, "has no stage left to do"),
        ({"stages": ["inference", "inference"]}, "stage 'inference' is listed twice"),
        ({"stages": ["evaluation"]}, "name stored `answers`"),
        ({"stages": ["reporting"]}, "name its stored `results`"),
        ({"stages": ["inference"], "tasks": [TASK | {"answers": "run:x-0"}]}, "(answers are given"),
        ({"runs": [{"model": "remot", "task": "read"}]}, "no model is named 'remot', neither in the job nor"),
        ({"runs": [{"model": "remote", "task": "raed"}]}, "runs[0].task: no task is named 'raed'"),
        ({"runs": [{"model": "remote", "task": "read"}] * 2}, "run 'remote__read' is there 2 times"),
        ({"runs": [{"model": "remote", "task": "read", "name": "x" * 201}]}, ""),
        ({"runs": [{"model": "remote", "task": "read", "name": "ж" * 150}]}, "too long for a folder"),
        ({"runs": [{"model": "remote", "task": "read", "results": "r-0"}]}, "should be run:<run id>"),
        ({"runs": [{"model": "remote", "task": "read", "results": "run:r-0"}]}, "its stages should be [reporting]"),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    if not expected:  # refused by the schema already
        with pytest.raises(UserError, match="too long"):
            load_job(write_job(tmp_path, **changes))
        return
    found = problems(tmp_path, **changes)
    assert expected in found
    assert "job.yaml, line " in found


def test_all_problems_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, models=["no-such", OPENAI, OPENAI], tasks=[TASK | {"metrics": ["x", "y"]}])
    assert len(found.splitlines()) == 4


def test_a_good_job_has_no_problems(tmp_path: Path) -> None:
    loaded = load_job(write_job(tmp_path, models=["rapidocr", "echo", OPENAI | {"api_key_env": "KEY"}]))
    validate_job(loaded.spec, registry(tmp_path), environ={"KEY": "x"})


def test_models_that_are_not_asked_need_no_backend(tmp_path: Path) -> None:
    runs = [{"model": "theirs", "task": "read", "answers": "run:old-0", "stages": ["evaluation", "reporting"]}]
    loaded = load_job(write_job(tmp_path, models=[{"name": "theirs", "backend": "imported"}], runs=runs))
    validate_job(loaded.spec, registry(tmp_path))


async def test_models_times_tasks(tmp_path: Path, store: DirectoryStore) -> None:
    documents(tmp_path / "docs")
    invoices = {"name": "invoices", "dataset": "./docs", "filter": {"doc_class": "invoice"}, "limit": 2}
    path = write_job(tmp_path, models=["echo", OPENAI], tasks=["read-page", invoices], shard_size=2)
    registered = {"name": "read-page", "dataset": "docs", "metrics": ["wer"]}
    (tmp_path / "registry" / "tasks").mkdir(parents=True)
    (tmp_path / "registry" / "tasks" / "t.json").write_text(json.dumps(registered | {"dataset": "../../docs"}))
    bundled, runs = await planned(path, store)
    assert [run.name for run in runs] == ["echo__read-page", "echo__invoices", "a__read-page", "a__invoices"]
    assert [run.run_id for run in runs] == ["demo-1-0", "demo-1-1", "demo-1-2", "demo-1-3"]
    assert [run.samples for run in runs] == [5, 2, 5, 2]
    assert [run.shards for run in runs] == [3, 1, 3, 1]
    assert {run.dataset.digest for run in runs} == {bundled.tasks[0].dataset.removeprefix("sha256:")}  # type: ignore[union-attr]
    assert runs[0].backend_id == runs[1].backend_id != runs[2].backend_id
    assert runs[0].model.backend == "ocr"
    assert runs[0].task.metrics[0].name == "wer"
    assert {run.stages for run in runs} == {("inference", "evaluation", "reporting")}
    assert {run.results_run_id == run.run_id for run in runs} == {True}


async def test_files_become_content(tmp_path: Path, store: DirectoryStore) -> None:
    documents(tmp_path / "docs")
    (tmp_path / "p.csv").write_text("prompt;doc_class_question_type\nRead it;invoice kind\nAnd it;receipt kind\n")
    (tmp_path / "s.json").write_text('{"type": "object", "properties": {"total": {"type": "number"}}}')
    task = {"name": "t", "dataset": "./docs", "prompts": "p.csv", "response_schema": "./s.json"}
    _, (run,) = await planned(write_job(tmp_path, tasks=[task]), store)
    assert not isinstance(run.task.prompts, str)
    assert run.task.prompts is not None
    assert run.task.prompts.by_class_question["invoice kind"] == "Read it"
    assert run.task.response_schema == {"type": "object", "properties": {"total": {"type": "number"}}}


async def test_system_prompts_are_whole_files(tmp_path: Path, store: DirectoryStore) -> None:
    documents(tmp_path / "docs")
    (tmp_path / "exact.txt").write_text("One.\nTwo.\n")
    pair = {"by_class": {"invoice": {"system_prompt": "exact.txt"}}}
    tasks = [
        {"name": "a", "dataset": "./docs", "system_prompt": "exact.txt"},
        {"name": "b", "dataset": "./docs", "system_prompt": "Read as in exact.txt", "prompts": pair},
    ]
    _, (first, second) = await planned(write_job(tmp_path, tasks=tasks), store)
    assert first.task.system_prompt == "One.\nTwo.\n"
    assert second.task.system_prompt == "Read as in exact.txt"
    assert second.task.prompts.by_class["invoice"].system_prompt == "One.\nTwo.\n"  # type: ignore[union-attr]


async def test_samples_asked_several_times(tmp_path: Path, store: DirectoryStore) -> None:
    documents(tmp_path / "docs")
    documents(tmp_path / "shown", 2)
    task = {"name": "t", "dataset": "./docs", "epochs": 3, "limit": 3, "few_shot": {"dataset": "./shown", "count": 2}}
    _, (run,) = await planned(write_job(tmp_path, tasks=[task], shard_size=4), store)
    assert (run.samples, run.shards) == (9, 3)
    assert run.task.few_shot is not None and run.task.few_shot.dataset.startswith("sha256:")


async def test_a_registered_task_can_be_asked_several_times(tmp_path: Path, store: DirectoryStore) -> None:
    documents(tmp_path / "docs")
    task = {"name": "read-page", "dataset": "./docs", "epochs": 2}
    _, (run,) = await planned(write_job(tmp_path, tasks=[task]), store)
    assert run.samples == 10 and run.task.metrics and run.task.prompt


async def test_prompt_sets_become_tasks_that_are_compared(tmp_path: Path, store: DirectoryStore) -> None:
    documents(tmp_path / "docs")
    (tmp_path / "long.csv").write_text("prompt;doc_class_question_type\nInvoice!;invoice kind\n")
    (tmp_path / "exact.txt").write_text("Exactly.\n")
    sets = {
        "long": "long.csv",
        "short": {"user_prompt": "Read."},
        "strict": {"user_prompt": "Read all.", "system_prompt": "exact.txt"},
    }
    task = {"name": "t", "dataset": "./docs", "prompt": "Own.", "system_prompt": "Own system.", "prompt_sets": sets}
    other = {"name": "other", "dataset": "./docs"}
    bundled, runs = await planned(write_job(tmp_path, models=["echo", OPENAI], tasks=[task, other]), store)
    assert [entry.name for entry in bundled.tasks] == ["t+long", "t+short", "t+strict", "other"]
    assert [run.name for run in runs[:4]] == ["echo__t+long", "echo__t+short", "echo__t+strict", "echo__other"]
    assert len(runs) == 8 and len({run.run_id for run in runs}) == 8
    assert [entry.comparison for entry in bundled.tasks] == ["t", "t", "t", "other"]
    invoice = {"id": "0", "question": "?", "doc_class": "invoice", "question_type": "kind"}
    receipt = invoice | {"doc_class": "receipt"}
    asked = [[render_prompt(entry, sample) for sample in (invoice, receipt)] for entry in bundled.tasks[:3]]
    assert asked == [
        [("Own system.", "Invoice!"), ("Own system.", "Own.")],
        [("Own system.", "Read."), ("Own system.", "Read.")],
        [("Exactly.\n", "Read all."), ("Exactly.\n", "Read all.")],
    ]


async def test_exact_runs_of_a_task_with_prompt_sets(tmp_path: Path, store: DirectoryStore) -> None:
    documents(tmp_path / "docs")
    task = {"name": "t", "dataset": "./docs", "prompt_sets": {"a": {"user_prompt": "A"}, "b": {"user_prompt": "B"}}}
    runs = [{"model": "echo", "task": "t", "name": "mine"}, {"model": "remote", "task": "t"}]
    _, made = await planned(
        write_job(tmp_path, models=["echo", OPENAI | {"name": "remote"}], tasks=[task], runs=runs), store
    )
    assert [run.name for run in made] == ["mine+a", "mine+b", "remote__t+a", "remote__t+b"]
    assert [run.task.name for run in made] == ["t+a", "t+b"] * 2


async def test_stored_answers(tmp_path: Path, store: DirectoryStore) -> None:
    documents(tmp_path / "docs", 2)
    (tmp_path / "theirs.csv").write_text("id;model_answer\n0;text 0\n1;nothing\n")
    task = {"name": "t", "dataset": "./docs", "metrics": ["cer"]}
    runs = [
        {"model": "theirs", "task": "t", "answers": "theirs.csv", "stages": ["evaluation", "reporting"]},
        {"model": "theirs", "task": "t", "name": "again", "answers": "run:old-3"},
        {"model": "theirs", "task": "t", "name": "shown", "results": "run:old-3", "stages": ["reporting"]},
    ]
    path = write_job(tmp_path, models=["theirs"], tasks=[task], runs=runs)
    _, planned_runs = await planned(path, store)
    imported, again, shown = planned_runs
    assert imported.answers_key is not None
    assert await store.exists(imported.answers_key)
    assert imported.stages == ("evaluation", "reporting")
    assert again.answers_key == layout.run_file("old-3", "answers.parquet")
    assert again.stages == ("evaluation", "reporting")
    assert (shown.results_run_id, shown.answers_key) == ("old-3", None)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"dataset": "./nowhere"}, "nowhere"),
        ({"dataset": "./docs", "prompt_sets": {"a": "no.csv"}}, "`prompt_sets.a` names 'no.csv', but there is no file"),
        ({"dataset": "./docs", "prompts": "no.csv"}, "`prompts` names 'no.csv', but there is no file"),
        ({"dataset": "./docs", "response_schema": "no.json"}, "`response_schema` names 'no.json'"),
        ({"dataset": "./docs", "response_schema": "broken.json"}, "not a valid JSON Schema: at type"),
        ({"dataset": "./docs", "response_schema": {"type": 5}}, "not a valid JSON Schema: at type"),
        ({"dataset": "./docs", "answers": "no.csv"}, "`answers` names 'no.csv'"),
        ({"dataset": "./docs", "answers": "run:../x"}, "names no run"),
        ({"dataset": "./docs", "filter": {"doc_class": "letter"}}, "(there are: 'invoice', 'receipt')"),
        ({"dataset": "./docs", "filter": {"question_type": ["x"]}}, "question_type 'x' (there are: 'kind')"),
        ({"dataset": "./docs", "prompt": "{{ unclosed"}, "task 't': prompt template"),
        ({"dataset": "./docs", "prompt": "{{ langauge }}"}, 'samples have no "langauge"'),
        ({"dataset": "./docs", "system_prompt": "no.txt"}, 'system prompt file "no.txt" is not there'),
        ({"dataset": "./docs", "circular": True}, "`circular` moves the options of multiple-choice questions"),
        ({"dataset": "./docs", "shuffle_options": {}}, "`shuffle_options` moves the options"),
        ({"dataset": "./docs", "few_shot": {"ids": ["9"]}}, "task 't': `few_shot` names sample '9'"),
        ({"dataset": "./docs", "few_shot": {"count": 5}}, "draws 5 examples, and only 4 other samples"),
        ({"dataset": "./docs", "few_shot": {"dataset": "./nowhere", "count": 5}}, "nowhere"),
    ],
)
async def test_what_the_data_refuse(tmp_path: Path, store: DirectoryStore, task: dict[str, Any], expected: str) -> None:
    documents(tmp_path / "docs")
    (tmp_path / "broken.json").write_text('{"type": "objekt"}')
    with pytest.raises(UserError) as caught:
        await planned(write_job(tmp_path, tasks=[{"name": "t", **task}]), store)
    assert expected in "\n".join([str(caught.value), *caught.value.problems])


async def test_shards_grow_rather_than_multiply(tmp_path: Path, store: DirectoryStore) -> None:
    documents(tmp_path / "docs", MAX_SHARDS + 1)
    _, (run,) = await planned(write_job(tmp_path, shard_size=1), store)
    assert run.shard_size == 2
    assert run.shards == MAX_SHARDS // 2 + 1
    assert sum(run.shard_range(shard)[1] for shard in range(run.shards)) == run.samples == MAX_SHARDS + 1


async def test_user_config(tmp_path: Path, store: DirectoryStore) -> None:
    documents(tmp_path / "Datasets" / "VQA" / "mini")
    (tmp_path / "user_config.csv").write_text(
        "dataset;task;framework;model_name;system_prompt;prompt_collection;metrics;only_evaluate_metrics;"
        "metrics_aggregators;filter_doc_class;filter_question_type\n"
        "mini;VQA;;echo;;;['CER'];False;['by_id'];invoice;\n",
        encoding="utf-8-sig",
    )
    _, (run,) = await planned(tmp_path / "user_config.csv", store)
    assert (run.name, run.samples) == ("row-1__echo__mini", 3)
    assert [metric.name for metric in run.task.metrics] == ["cer"]


def test_run_yaml_of_the_earlier_tool(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("name: r\ntask: VQA\ndataset: d\nmodel_name: echo\nframework: ocr\nmetrics: [CER]\n")
    spec = load_job(path).spec
    assert (len(spec.models), len(spec.tasks)) == (1, 1)


def test_what_is_no_job_file(tmp_path: Path) -> None:
    (tmp_path / "job.txt").write_text("name: x")
    with pytest.raises(UserError, match=r"expected one of \.yaml"):
        load_job(tmp_path / "job.txt")
    with pytest.raises(UserError, match="no job file at"):
        load_job(tmp_path / "job.yaml")
    with pytest.raises(UserError, match="is a folder"):
        load_job(tmp_path)
    with pytest.raises(UserError, match="no job file at"):
        load_job(tmp_path / "user_config.csv")
