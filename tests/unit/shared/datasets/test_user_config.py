"""Files of the earlier tool become jobs: nothing renumbered, nothing guessed, each mistake with line and column."""

from pathlib import Path

import pytest
import yaml

from vhb_shared.contracts.job import Filter, MetricSpec
from vhb_shared.datasets.prompts import render_prompt
from vhb_shared.datasets.run_yaml import is_run_yaml, read_run_yaml
from vhb_shared.datasets.user_config import read_user_config
from vhb_shared.errors import UserError

HEADER = (
    "dataset;task;framework;model_name;system_prompt;prompt_collection;metrics;only_evaluate_metrics;"
    "metrics_aggregators;filter_doc_class;filter_question_type"
)
EXAMPLE = (
    "demo_mini;VQA;Hugging Face;Qwen2-VL-2B-Instruct;;demo_mini/a.csv;['CER'];False;"
    "['by_id', 'by_doc_question', 'by_doc_type', 'general'];passport;Серия и номер паспорта"
)
VLM_BASE = (
    "framework;model_family;model_name;docker_image;git_python_package;python_package;module;class_name\n"
    "Hugging Face;Qwen2-VL;Qwen2-VL-2B-Instruct;image:1;git+https://host/x.git@0.1.1;model_qwen2_vl;models;Qwen2VL\n"
    "vLLM;Qwen2-VL;Qwen2-VL-2B-Instruct;vllm/vllm-openai:v1;;;;\n"
)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The folders of the earlier tool."""
    (tmp_path / "Datasets/VQA/demo_mini").mkdir(parents=True)
    (tmp_path / "data_dirs/Datasets/VQA/второй").mkdir(parents=True)
    collection = tmp_path / "data_dirs/PromptCollections/VQA/demo_mini/a.csv"
    collection.parent.mkdir(parents=True)
    collection.write_text(
        "prompt;doc_class_question_type\nЗапиши номер;passport Серия и номер паспорта\n", encoding="utf-8-sig"
    )
    (tmp_path / "vlm_base.csv").write_text(VLM_BASE, encoding="utf-8-sig")
    return tmp_path


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "user_config.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8-sig")
    return path


def refused(path: Path, **options) -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        read_user_config(path, **options)
    return caught.value.problems


def test_the_example_of_the_format(here: Path) -> None:
    job = read_user_config(write(here, EXAMPLE))
    assert job.name == "user_config"
    (run,) = job.runs
    assert run.name == "row-1__Qwen2-VL-2B-Instruct__demo_mini"
    assert run.stages == ("inference", "evaluation", "reporting")
    (model,) = job.models
    assert (run.model, run.task) == (model.name, "demo_mini")
    assert (model.backend, model.model, model.image) == ("transformers", "Qwen/Qwen2-VL-2B-Instruct", None)
    assert "git+https://host/x.git@0.1.1" in (model.description or "") and "image:1" in (model.description or "")
    (task,) = job.tasks
    assert task.dataset == "Datasets/VQA/demo_mini"
    assert task.metrics == (MetricSpec(name="cer"),)
    assert task.aggregators == ("by_id", "by_doc_question", "by_doc_type", "general")
    assert task.filter == Filter(doc_class=("passport",), question_type=("Серия и номер паспорта",))
    sample = {"id": "0", "question": "?", "doc_class": "passport", "question_type": "Серия и номер паспорта"}
    assert render_prompt(task, sample) == (None, "Запиши номер")


def test_rows_share_models_and_tasks(here: Path) -> None:
    job = read_user_config(
        write(
            here,
            EXAMPLE,
            EXAMPLE.replace("Hugging Face", "vLLM"),
            "demo_mini;VQA;Hugging Face;Qwen2-VL-2B-Instruct;;;['CER'];False;['overall'];;",
            "demo_mini;VQA;vLLM;Qwen2-VL-2B-Instruct;;;['CER'];False;['overall'];;Фамилия",
        )
    )
    assert [(run.model, run.task) for run in job.runs] == [
        ("Qwen2-VL-2B-Instruct", "demo_mini"),
        ("Qwen2-VL-2B-Instruct-vllm", "demo_mini"),
        ("Qwen2-VL-2B-Instruct", "demo_mini-2"),
        ("Qwen2-VL-2B-Instruct-vllm", "demo_mini-3"),
    ]
    assert job.models[1].model == "Qwen/Qwen2-VL-2B-Instruct" and job.models[1].image == "vllm/vllm-openai:v1"
    assert job.tasks[1].aggregators == ("general",) and job.tasks[1].filter == Filter()
    assert job.tasks[2].filter == Filter(question_type=("Фамилия",))


def test_a_model_of_the_registry(here: Path) -> None:
    path = write(here, "второй;VQA;ocr;rapidocr;;;['CER', 'WER'];;;снилс;")
    job = read_user_config(path, registered={"rapidocr"})
    assert (job.models[0].name, job.models[0].backend, job.models[0].model) == ("rapidocr", "ocr", None)
    assert job.tasks[0].dataset == "data_dirs/Datasets/VQA/второй"
    assert job.tasks[0].aggregators == ()
    assert job.runs[0].name == "row-1__rapidocr__второй"
    (problem,) = refused(path, registered={"rapid-ocr"})
    assert "line 2, column model_name: expected a model of vlm_base.csv" in problem and '"rapid-ocr"' in problem


def test_the_other_framework_is_named(here: Path) -> None:
    (problem,) = refused(write(here, EXAMPLE.replace("Hugging Face", "SGLang")), registered=set())
    assert problem.endswith('found "Qwen2-VL-2B-Instruct"; it is there for transformers')


def test_no_metrics_no_evaluation(here: Path) -> None:
    job = read_user_config(write(here, "demo_mini;VQA;Hugging Face;Qwen2-VL-2B-Instruct;;;;;;;"))
    assert job.runs[0].stages == ("inference", "reporting")
    assert job.tasks[0].metrics == ()


ONLY = "demo_mini;VQA;Hugging Face;Qwen2-VL-2B-Instruct;;;['CER'];True;['general'];;"
ONLY_NAME = "row-1__Qwen2-VL-2B-Instruct__demo_mini"


def test_only_evaluation_of_stored_answers(here: Path, tmp_path: Path) -> None:
    path = write(here, ONLY)
    (problem,) = refused(path)
    assert "line 2, column only_evaluate_metrics" in problem and f"answers/{ONLY_NAME}.csv" in problem
    earlier = tmp_path / "elsewhere" / "runs" / ONLY_NAME / "answers.csv"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("id,model_answer\n0,x\n")
    job = read_user_config(path, out=tmp_path / "elsewhere")
    assert job.runs[0].answers == f"elsewhere/runs/{ONLY_NAME}/answers.csv"
    assert job.runs[0].stages == ("evaluation", "reporting")
    (here / "answers").mkdir()
    (here / f"answers/{ONLY_NAME}.csv").write_text("id;model_answer\n0;x\n")
    assert read_user_config(path).runs[0].answers == f"answers/{ONLY_NAME}.csv"


def test_answers_that_are_given(here: Path) -> None:
    (here / "mine.csv").write_text("id;model_answer\n0;x\n")
    for given in ("mine.csv", "run:abc"):
        job = read_user_config(write(here, f"{ONLY};{given}", header=f"{HEADER};answers"))
        assert job.runs[0].answers == given
    (problem,) = refused(write(here, f"{ONLY};none.csv", header=f"{HEADER};answers"))
    assert 'column answers: expected a file of answers, "none.csv" is not there' in problem


def test_older_file_without_task(here: Path) -> None:
    header = "dataset;docker_image;framework;model_name;metrics"
    job = read_user_config(
        write(here, "demo_mini;img:2;vLLM;Qwen2-VL-2B-Instruct;['BLEU', 'Exact match']", header=header)
    )
    assert job.tasks[0].dataset == "Datasets/VQA/demo_mini"
    assert job.models[0].image == "img:2"
    assert [metric.name for metric in job.tasks[0].metrics] == ["bleu", "exact_match"]
    assert job.tasks[0].aggregators == ("by_id", "by_doc_question", "by_doc_type", "general")


def test_system_prompt_as_text_and_as_file(here: Path) -> None:
    folder = here / "SystemPrompts/VQA"
    folder.mkdir(parents=True)
    (folder / "s.txt").write_text("Первая\nвторая\n", encoding="utf-8")
    row = "demo_mini;VQA;Hugging Face;Qwen2-VL-2B-Instruct;{};;['CER'];;;;"
    job = read_user_config(write(here, row.format("Отвечай кратко."), row.format("s.txt")))
    assert [task.system_prompt for task in job.tasks] == ["Отвечай кратко.", "Первая\nвторая\n"]


def test_every_mistake_is_listed_with_its_place(here: Path) -> None:
    problems = refused(
        write(
            here,
            "nowhere;VQA;Hugging Face;Qwen2-VL-2B-Instruct;;gone.csv;CER;perhaps;['by_idd'];;",
            '"demo_mini";VQA;Hugging Face;;;;;;;;',
            "demo_mini;VQA",
            "demo_mini;VQA;Hugging Face;Qwen2-VL-2B-Instruct;no.txt;;[1];;;[passport];",
            "demo_mini;VQA;Hugging Face;Qwen2-VL-2B-Instruct;;;;True;;;",
        )
    )
    path = here / "user_config.csv"
    starts = [problem.removeprefix(f"{path}, ").split(":")[0] for problem in problems]
    assert starts == [
        "line 2, column only_evaluate_metrics",
        "line 2, column metrics",
        "line 2, column dataset",
        "line 2, column metrics_aggregators",
        "line 2, column prompt_collection",
        "line 3, column model_name",
        "line 4",
        "line 5, column metrics",
        "line 5, column filter_doc_class",
        "line 5, column system_prompt",
        "line 6, column metrics",
        "line 6, column only_evaluate_metrics",
    ]
    assert "looked in Datasets/VQA" in problems[2] and 'did you mean "by_id"' in problems[3]


@pytest.mark.parametrize("cell", ["__import__('os')", "[" * 5000, "['a'" + ", 'a'" * 5000 + "]", "{'a'}", "[['a']]"])
def test_lists_are_only_lists(here: Path, cell: str) -> None:
    row = f"demo_mini;VQA;Hugging Face;Qwen2-VL-2B-Instruct;;;{cell};;;;".replace("\n", "")
    (problem,) = refused(write(here, row))
    assert "column metrics: expected a list such as ['CER']" in problem


def test_header_alone_and_no_such_column(here: Path) -> None:
    assert "no row below the header" in refused(write(here))[0]
    assert 'no such column "dataset"' in refused(write(here, header="datasett;model_name"))[0]


FLAT = """
name: invoices
task: VQA
dataset: demo_mini
model_name: Qwen2-VL-2B-Instruct
docker_image: vllm/vllm-openai:v1
metrics: [CER, ANLS]
framework: vLLM
parameters: {max_tokens: 128, temperature: 0.5, repetition_penalty: 1.1}
"""
NESTED = """
ml_task: VQA
model:
  name: Qwen/Qwen2-VL-2B-Instruct
  framework: SGLang
  docker_image: lmsysorg/sglang:v1
  package_manager: uv
  engine_params: {mem-fraction-static: 0.8}
  env: {}
dataset: demo_mini
metrics: []
reports: [markdown]
"""


def test_flat_run_yaml(here: Path) -> None:
    content = yaml.safe_load(FLAT)
    assert is_run_yaml(content)
    job = read_run_yaml(content, here / "run.yaml")
    (model,), (task,) = job.models, job.tasks
    assert (job.name, model.name, model.backend) == ("invoices", "Qwen2-VL-2B-Instruct", "vllm")
    assert (model.model, model.image) == ("Qwen/Qwen2-VL-2B-Instruct", "vllm/vllm-openai:v1")
    assert (model.generation.max_tokens, model.generation.temperature) == (128, 0.5)
    assert model.generation.extra == {"repetition_penalty": 1.1}
    assert task.dataset == "Datasets/VQA/demo_mini"
    assert [metric.name for metric in task.metrics] == ["cer", "anls"]
    assert job.runs == ()


def test_nested_run_yaml(here: Path) -> None:
    content = yaml.safe_load(NESTED)
    assert is_run_yaml(content)
    job = read_run_yaml(content, here / "run.yaml")
    assert (job.name, job.models[0].backend, job.models[0].name) == ("run", "sglang", "Qwen2-VL-2B-Instruct")
    assert job.models[0].engine_args == {"mem-fraction-static": 0.8}
    assert job.stages == ("inference", "reporting")
    assert job.models[0].env == {}
    with_env = yaml.safe_load(NESTED.replace("env: {}", "env: {VLLM_USE_V1: 1, LANG: C}"))
    assert read_run_yaml(with_env, here / "run.yaml").models[0].env == {"VLLM_USE_V1": "1", "LANG": "C"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FLAT + "datset: x\n", r'run\.yaml: unknown key "datset"; did you mean "dataset"'),
        (NESTED.replace("  framework:", "  framwork:"), 'unknown key "model.framwork"; did you mean "framework"'),
        (FLAT.replace("max_tokens: 128", "max_tokens: -1"), "max_tokens: Input should be greater than 0"),
        (FLAT.replace("dataset: demo_mini", ""), '"dataset" is missing'),
        (NESTED.replace("env: {}", "env: [A]"), r"model\.env: Input should be a valid dictionary"),
    ],
)
def test_bad_run_yaml(here: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_run_yaml(yaml.safe_load(text), here / "run.yaml")


def test_a_job_is_no_run_yaml() -> None:
    assert not is_run_yaml({"name": "x", "models": [], "tasks": []})
    assert not is_run_yaml(["a"])
