"""`user_config.csv` of the earlier tool, as it is: rows are exact runs, Cyrillic everywhere."""

from pathlib import Path

from person import CLASSES, HEADER, TYPES, remote, table, vhb, write_csv, write_folder

from vhb_shared.testing.endpoint_process import EndpointProcess

COLUMNS = (
    "dataset", "task", "framework", "model_name", "system_prompt", "prompt_collection", "metrics",
    "only_evaluate_metrics", "metrics_aggregators", "filter_doc_class", "filter_question_type",
)  # fmt: skip
ALL = "['by_id', 'by_doc_question', 'by_doc_type', 'general']"


def test_rows_are_runs(place: Path, endpoint: EndpointProcess, tmp_path: Path) -> None:
    import yaml

    here = place / "настройки"
    write_folder(here / "Datasets/VQA/демо", 12)
    prompts = [[f"Подсказка: {c}, {t}", f"{c} {t}"] for c in CLASSES for t in TYPES]
    write_csv(here / "PromptCollections/VQA/демо/a.csv", ("prompt", "doc_class_question_type"), prompts)
    (here / "registry/models").mkdir(parents=True)
    entry = remote(endpoint.base_url, name="модель")
    (here / "registry/models/m.yaml").write_text(yaml.safe_dump(entry, allow_unicode=True), encoding="utf-8")
    write_csv(
        here / "answers/row-5__модель__демо.csv", ("id", "model_answer"), [[str(n), f"ответ {n}"] for n in range(12)]
    )
    rows = [
        ["демо", "VQA", "openai", "модель", "", "демо/a.csv", "['CER']", "False", ALL, "паспорт", "дата рождения"],
        ["демо", "VQA", "openai", "модель", "Ты помощник", "", "['CER', 'ANLS']", "False", "['overall']", "снилс", ""],
        ["демо", "VQA", "", "модель", "", "", "", "False", "", "", "ФИО"],
        ["демо", "VQA", "", "модель", "", "", "['WER']", "False", "['by_doc_type']", "", ""],
        ["демо", "VQA", "", "модель", "", "", "['CER']", "True", "['general']", "", ""],
    ]
    write_csv(here / "user_config.csv", COLUMNS, rows)

    done = vhb("run", here / "user_config.csv", "--no-reuse", "--out", tmp_path / "out", cwd=place)
    assert "user_config" in done.stderr
    runs = {n: tmp_path / f"out/runs/row-{n}__модель__демо" for n in range(1, 6)}
    ids = {n: [row["id"] for row in table(run / "answers.csv")] for n, run in runs.items()}
    assert ids == {
        1: ["4", "10"],  # both filters
        2: ["1", "3", "5", "7", "9", "11"],  # one
        3: ["2", "5", "8", "11"],  # the other
        4: [str(n) for n in range(12)],
        5: [str(n) for n in range(12)],
    }
    written = {n: {path.stem for path in run.glob("metrics*.csv")} for n, run in runs.items()}
    assert written == {
        1: {"metrics", "metrics_by_id", "metrics_by_doc_question", "metrics_by_doc_type", "metrics_general"},
        2: {"metrics", "metrics_general"},
        3: set(),
        4: {"metrics", "metrics_by_doc_type"},
        5: {"metrics", "metrics_general"},
    }
    said = {n: table(run / "answers.csv")[0]["model_answer"] for n, run in runs.items()}
    assert "Подсказка: паспорт, дата рождения" in said[1]
    assert "Ты помощник\nвопрос 1?" in said[2] and "вопрос 2?" in said[3]
    assert float(table(runs[5] / "metrics_general.csv")[0]["value"]) == 0
    assert endpoint.stats()["total"] == 2 + 6 + 4 + 12
    groups = [row["group"] for row in table(runs[4] / "metrics_by_doc_type.csv")]
    assert sorted(groups) == sorted(CLASSES)


def test_mistakes_say_line_and_column(tmp_path: Path) -> None:
    write_folder(tmp_path / "Datasets/VQA/demo", 2)
    assert HEADER[0] == "data_index"
    rows = [
        ["demo", "VQA", "", "rapidocrr", "", "", "['CER']", "False", "", "", ""],
        ["nowhere", "VQA", "", "echo", "", "no.csv", "CER]", "perhaps", "['by_idd']", "", ""],
    ]
    write_csv(tmp_path / "user_config.csv", COLUMNS, rows)
    lines = vhb("validate", "user_config.csv", cwd=tmp_path, code=2).stderr.splitlines()
    places = [line.split(": ")[1] for line in lines]
    assert places[0] == "user_config.csv, line 2, column model_name" and "'rapidocr'" in lines[0].replace('"', "'")
    columns = {place.rsplit(" ", 1)[1] for place in places[1:]}
    assert columns == {"dataset", "prompt_collection", "metrics", "only_evaluate_metrics", "metrics_aggregators"}
    assert all(place.startswith("user_config.csv, line 3, column") for place in places[1:])
