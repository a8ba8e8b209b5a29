"""Which prompt counts, what a template may do, and what is said before anything runs."""

import json
from pathlib import Path

import polars as pl
import pytest

from vhb_shared.contracts.job import PromptPair, PromptSet, TaskEntry
from vhb_shared.datasets.pin import SAMPLE_SCHEMA
from vhb_shared.datasets.prompt_files import read_prompts, read_system_prompt
from vhb_shared.datasets.prompts import check_prompts, render_prompt
from vhb_shared.errors import UserError

SAMPLE = {"id": "7", "question": "Назовите {{ id }}", "doc_class": "паспорт РФ", "question_type": "Серия и номер"}
ALL = PromptSet(
    fixed_prompt="fixed",
    fixed_system_prompt="fixed system",
    by_class_question={"паспорт РФ Серия и номер": "by class and question"},
    by_class={"паспорт РФ": PromptPair(user_prompt="by class", system_prompt="class system")},
    user_prompt="general",
    system_prompt="general system",
)


def task(**fields) -> TaskEntry:
    return TaskEntry(name="t", dataset="d", **fields)


def without(*names: str) -> PromptSet:
    empty = {"by_class": {}, "by_class_question": {}}
    return ALL.model_copy(update={name: empty.get(name) for name in names})


USER_ORDER = ["fixed_prompt", "by_class_question", "by_class", "task", "user_prompt"]


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        (0, "fixed"),
        (1, "by class and question"),
        (2, "by class"),
        (3, "of the task"),
        (4, "general"),
        (5, "Назовите {{ id }}"),
    ],
)
def test_user_prompt_precedence(removed: int, expected: str) -> None:
    gone = USER_ORDER[:removed]
    prompts = without(*(name for name in gone if name != "task"))
    prompt = None if "task" in gone else "of the task"
    assert render_prompt(task(prompts=prompts, prompt=prompt), SAMPLE)[1] == expected


def test_system_prompt_precedence() -> None:
    asked = {"prompts": ALL, "system_prompt": "task system"}
    assert render_prompt(task(**asked), SAMPLE)[0] == "fixed system"
    asked["prompts"] = without("fixed_system_prompt")
    assert render_prompt(task(**asked), SAMPLE)[0] == "class system"
    asked["prompts"] = without("fixed_system_prompt", "by_class")
    assert render_prompt(task(**asked), SAMPLE)[0] == "task system"
    asked["system_prompt"] = None
    assert render_prompt(task(**asked), SAMPLE)[0] == "general system"
    assert render_prompt(task(), SAMPLE)[0] is None


def test_other_classes_get_the_next_in_order() -> None:
    other = SAMPLE | {"doc_class": "снилс"}
    assert render_prompt(task(prompts=without("fixed_prompt")), other)[1] == "general"


def test_an_empty_prompt_gives_way() -> None:
    assert render_prompt(task(prompt="  "), SAMPLE)[1] == SAMPLE["question"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ doc_class|upper }}: {{ question_type }}", "ПАСПОРТ РФ: Серия и номер"),
        ("{% if doc_class == 'паспорт РФ' %}да{% else %}нет{% endif %}\n", "да\n"),
        ("№ {{ id }} {{ question[:8] }}", "№ 7 Назовите"),
        ('{"a": {"b": 1}} 100% # plain', '{"a": {"b": 1}} 100% # plain'),
    ],
)
def test_templates(template: str, expected: str) -> None:
    assert render_prompt(task(prompt=template), SAMPLE)[1] == expected


def test_what_a_template_yields_is_no_template() -> None:
    assert render_prompt(task(prompt="{{ question }}"), SAMPLE)[1] == "Назовите {{ id }}"


def test_a_missing_field_is_an_empty_text() -> None:
    assert render_prompt(task(prompt="[{{ doc_class }}]"), SAMPLE | {"doc_class": None})[1] == "[]"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ question", "line 1"),
        ("one\n{% if id %}", "line 2"),
        ("{% for c in question %}{{ c }}{% endfor %}", "`for` is not allowed"),
        ("{{ question.__class__ }}", "`getattr` is not allowed"),
        ("{{ question['__class__'] }}", "fails on sample|sandbox"),
        ("{{ range(10) }}", "`call` is not allowed"),
        ("{{ 9 ** 9 }}", "`pow` is not allowed"),
        ("{{ 'a' * 9 }}", "`mul` is not allowed"),
        ("{% include 'x' %}", "`include` is not allowed"),
        ("{{ question|pprint }}", "No filter named 'pprint'; mend it"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "nested too deeply"),
    ],
)
def test_templates_that_are_refused(template: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        render_prompt(task(prompt=template), SAMPLE)


def test_replacing_over_and_over_is_bounded() -> None:
    growing = "{{ question" + "|replace('a', 'aaaaaaaaaa')" * 12 + " }}"
    with pytest.raises(UserError, match="more than 1000000 characters"):
        render_prompt(task(prompt=growing), SAMPLE | {"question": "a"})


def frame(*rows: tuple[str | None, str | None, str | None]) -> pl.LazyFrame:
    records = [
        {"index": n, "id": str(n), "question": question, "doc_class": doc_class, "question_type": kind}
        for n, (question, doc_class, kind) in enumerate(rows)
    ]
    return whole(records)


def whole(records: list[dict[str, object]]) -> pl.LazyFrame:
    """Rows with every column of a data set."""
    return pl.DataFrame([dict.fromkeys(SAMPLE_SCHEMA) | record for record in records], schema=SAMPLE_SCHEMA).lazy()


def test_check_names_the_kinds_without_a_prompt() -> None:
    samples = frame(("q", "a", "x"), (None, "a", "x"), (None, "b", "y"), ("", "b", "y"))
    asked = task(prompts=PromptSet(by_class_question={"a x": "covered"}))
    with pytest.raises(UserError, match="no prompt for 2 samples") as caught:
        check_prompts(asked, samples)
    (problem,) = caught.value.problems
    assert problem == (
        'no prompt for 2 samples of class "b" and question type "y", the first is 2: the data set has no question '
        "there and no prompt covers it; give the task a `prompt:`, or complete its `prompts:`"
    )
    check_prompts(task(prompt="for all"), samples)
    check_prompts(task(), frame(("q", None, None)))


def test_check_finds_every_wrong_template_even_one_that_no_sample_needs() -> None:
    prompts = PromptSet(by_class_question={"a x": "{{ nope }}", "b y": "{{"})
    with pytest.raises(UserError) as caught:
        check_prompts(task(prompts=prompts), frame(("q", "c", "z")))
    assert len(caught.value.problems) == 2


CHOICE = SAMPLE | {"question": "Какой цвет?", "choices": ["синий", "красный"]}


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (None, "Какой цвет?\nA. синий\nB. красный"),
        ("{{ question }} Буква?", "Какой цвет?\nA. синий\nB. красный Буква?"),
        ("{{ question }}\n--\n{{ options }}", "Какой цвет?\n--\nA. синий\nB. красный"),
        ("{{ question }} {{ choices[1] }} из {{ choices|length }}", "Какой цвет? красный из 2"),
        ("Опиши.", "Опиши."),
    ],
)
def test_options_are_sent_once(prompt: str | None, expected: str) -> None:
    assert render_prompt(task(prompt=prompt), CHOICE)[1] == expected


def test_options_alone_are_a_question() -> None:
    assert render_prompt(task(), CHOICE | {"question": None})[1] == "A. синий\nB. красный"
    check_prompts(task(), whole([{"index": 0, "id": "0", "choices": ["a", "b"]}]))


def test_more_options_than_letters_are_found_before_anything_runs() -> None:
    rows = whole([{"index": 0, "id": "0", "question": "q", "choices": [str(n) for n in range(27)]}])
    with pytest.raises(UserError, match="27 options; at most 26"):
        check_prompts(task(), rows)
    check_prompts(task(prompt="Read."), rows)


def test_columns_of_the_data_set_can_be_named() -> None:
    with_columns = SAMPLE | {"fields": json.dumps({"language": "ru", "l2-category": "цвет"}, ensure_ascii=False)}
    prompt = "{{ language }}/{{ fields['l2-category'] }}/{{ id }}"
    assert render_prompt(task(prompt=prompt), with_columns)[1] == "ru/цвет/7"
    assert render_prompt(task(prompt=prompt), SAMPLE)[1] == "//7"  # a sample without them
    hostile = SAMPLE | {"fields": json.dumps({"language": "{{ id }}"})}
    assert render_prompt(task(prompt="{{ language }}"), hostile)[1] == "{{ id }}"


def test_names_that_no_sample_has_are_found_before_anything_runs() -> None:
    rows = whole([{"index": n, "id": str(n), "question": "q", "fields": given} for n, given in
                  enumerate((None, '{"language": "ru"}'))])  # fmt: skip
    check_prompts(task(prompt="{{ language }} {{ fields['language'] }}"), rows)
    for prompt, said in (
        ("{{ docclass }}", 'no "docclass"; did you mean "doc_class"?; there are: .*language'),
        ("{{ languages }}", 'no "languages"; did you mean "language"'),
        ("{{ fields['l2'] }}", 'no "l2"'),
    ):
        with pytest.raises(UserError, match=said.replace("?", r"\?")):
            check_prompts(task(prompt=prompt), rows)


def test_collection_of_the_earlier_tool(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "prompt;doc_class_question_type;cer\n"
        '"Запиши серию и номер.\nПример: 4369 975136.";passport Серия и номер паспорта;0.0\n'
        "Напиши Фамилия. Пример: Куликов.;passport Фамилия;0.1\n",
        encoding="utf-8-sig",
    )
    prompts = read_prompts(path)
    assert prompts.by_class_question == {
        "passport Серия и номер паспорта": "Запиши серию и номер.\nПример: 4369 975136.",
        "passport Фамилия": "Напиши Фамилия. Пример: Куликов.",
    }
    sample = {"id": "0", "question": "?", "doc_class": "passport", "question_type": "Фамилия"}
    assert render_prompt(task(prompts=prompts), sample)[1] == "Напиши Фамилия. Пример: Куликов."


def test_two_prompts_for_one_key(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt;doc_class_question_type\none;k\none;k\ntwo;k\n;j\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_prompts(path)
    assert len(caught.value.problems) == 2
    assert "line 4" in caught.value.problems[0] and "line 2 already" in caught.value.problems[0]
    assert "line 5, column prompt" in caught.value.problems[1]


CONFIG = {
    "prompt_config": {
        "system_prompt": None,
        "user_prompt": "Read {{ doc_class }}",
        "fixed_prompt": "",
        "fixed_system_prompt": None,
        "type_mapping": {"снилс": {"system_prompt": "Точно.", "user_prompt": "Номер?"}},
    }
}


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_mapping_of_the_earlier_tool(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p.{suffix}"
    path.write_text(json.dumps(CONFIG), encoding="utf-8")
    prompts = read_prompts(path)
    asked = task(prompts=prompts)
    assert render_prompt(asked, SAMPLE | {"doc_class": "снилс"}) == ("Точно.", "Номер?")
    assert render_prompt(asked, SAMPLE) == (None, "Read паспорт РФ")


def test_yaml_with_our_own_fields(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("by_class:\n  a: {user_prompt: x}\nuser_prompt: y\n", encoding="utf-8")
    assert read_prompts(path) == PromptSet(by_class={"a": PromptPair(user_prompt="x")}, user_prompt="y")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("p.json", '{"prompt_config": {"fixed_promt": "x"}}', 'unknown key "fixed_promt"; did you mean "fixed_prompt"'),
        ("p.json", '{"a": \n ,}', "line 2, column 2: malformed JSON"),
        ("p.yaml", "a: [\nb: {", "line 2, column .*malformed YAML"),
        ("p.yaml", "- a", "expected a mapping"),
        ("p.json", '{"user_prompt": 5}', "user_prompt: Input should be a valid string"),
        ("p.json", "[" * 100_000, "nested too deeply|malformed JSON"),
        ("p.csv", "text;key\na;b\n", 'no such column "prompt"; found: text, key'),
        ("p.xlsx", "", "prompts are read from"),
        ("p.txt", "x\n\udcff", "line 2: is not UTF-8"),
    ],
)
def test_bad_collections(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=said):
        read_prompts(tmp_path / name)


def test_system_prompts_of_a_collection_may_be_files(tmp_path: Path) -> None:
    (tmp_path / "exact.txt").write_text("Один.\nДва.\n", encoding="utf-8")
    path = tmp_path / "p.yaml"
    path.write_text("by_class: {a: {system_prompt: exact.txt}}\nsystem_prompt: Общий.\n", encoding="utf-8")
    prompts = read_prompts(path)
    assert prompts.by_class["a"].system_prompt == "Один.\nДва.\n"
    assert prompts.system_prompt == "Общий."
    path.write_text("fixed_system_prompt: absent.txt\n", encoding="utf-8")
    with pytest.raises(UserError, match=r'"absent\.txt" is not there'):
        read_prompts(path)


def test_system_prompt_is_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "my system.txt").write_text("Первая строка\nВторая\n", encoding="utf-8-sig")
    assert read_system_prompt("my system.txt", tmp_path / "other", tmp_path) == "Первая строка\nВторая\n"
    assert read_system_prompt("You read documents.", tmp_path) == "You read documents."
    assert read_system_prompt("Answer as in example.txt", tmp_path) == "Answer as in example.txt"
    with pytest.raises(UserError, match=r'system prompt file "missing\.txt" is not there'):
        read_system_prompt("missing.txt", tmp_path)
