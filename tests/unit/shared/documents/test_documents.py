"""What a person gets to read when a file is wrong."""

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vhb_shared.contracts.job import JobSpec
from vhb_shared.documents.check import check_document
from vhb_shared.documents.read import MAX_BYTES, read_document
from vhb_shared.errors import UserError


def job(tmp_path: Path, content: str | bytes, name: str = "job.yaml") -> JobSpec:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return check_document(read_document(path, "job file"), JobSpec)


def complaint(tmp_path: Path, content: str | bytes, name: str = "job.yaml") -> str:
    with pytest.raises(UserError) as caught:
        job(tmp_path, content, name)
    text = str(caught.value)
    assert str(tmp_path) in text
    return text.replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("name: x\nmodels: [a\n", "job.yaml, line 3, column 1: malformed YAML: did not find expected ',' or ']'"),
        ("a:\n\tb: 1\n", "job.yaml, line 2, column 1: malformed YAML: found character"),
        ("name: a: b\n", "job.yaml, line 1, column 8: malformed YAML: mapping values are not allowed"),
        (b"\x00\x01\x02ELF", "job.yaml is not a text file"),
        (b"name: x\nmodels: \xff\xfe\n", "job.yaml, line 2: not UTF-8 text"),
        ("", "job.yaml is empty"),
        ("# only a comment\n", "job.yaml is empty"),
        ("- a\n- b\n", "job.yaml, line 1, column 1: expected keys and values (name, models"),
        ("just words\n", "not a piece of text"),
        ("name: x\nmodels: []\nname: y\n", "line 3, column 1: key 'name' is given twice (first on line 1)"),
        ("name: x\nmodels: [{name: a, name: b}]\n", "line 2, column 20: key 'name' is given twice"),
        ("a: &a [*a]\n", "an alias that contains itself"),
        ("a: !!python/object/apply:os.system [ls]\n", "line 1, column 4: the tag !!python/object/apply:os.system"),
        ("a: !mine x\n", "the tag !mine is not allowed"),
        ("a: !!int x\n", "line 1, column 4: the value is not what int means"),
        (f"a: {'9' * 10_000}\n", "line 1, column 4: the value is not what int means"),
        ("? [a, b]\n: c\n", "a key has to be text"),
        ("name: x\n---\nname: y\n", "but found another document"),
        ("[" * 100_000, "nest"),
        ("- " * 100_000, "nest"),
        ("\n".join(" " * depth + "a:" for depth in range(400)), "line 201: nested more than 200 deep"),
    ],
)
def test_malformed(tmp_path: Path, content: str | bytes, expected: str) -> None:
    assert expected in complaint(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"name": "x",\n "models": [}', "job.json, line 2, column 13: malformed JSON: expecting value"),
        ('{"name": "x",\n\t"models": [], "models": []}', "job.json, line 2, column 16: key 'models' is given twice"),
        ('{"name": "x", "shard_size": NaN}', "NaN is not JSON"),
        ("name: x\n", "malformed JSON"),
        ("", "job.json is empty"),
        ('{"name": "x", "shard_sise": 3}', "line 1, column 15: unknown key 'shard_sise'; did you mean 'shard_size'?"),
    ],
)
def test_malformed_json(tmp_path: Path, content: str, expected: str) -> None:
    assert expected in complaint(tmp_path, content, "job.json")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("modles: []", "column 1: unknown key 'modles'; did you mean 'models'?"),
        ("shard_size: 0", "column 13: shard_size should be 1 or more, not 0."),
        ("shard_size: -5", "shard_size should be 1 or more, not -5."),
        ("shard_size: many", "shard_size should be a whole number, not 'many'."),
        ("shard_size: 1.5", "shard_size should be a whole number, not 1.5."),
        ("models: rapidocr", "models should be a list, not 'rapidocr'."),
        ("models: [{backend: ocr}]", "models[0] lacks the key 'name': add it."),
        ("models: [{name: a/b}]", "models[0].name should be a name without slashes"),
        ("models: [{name: ''}]", "models[0].name should not be empty."),
        ("models: [{name: 5}]", "models[0].name should be text (put it in quotes), not 5."),
        ("models: [{name: no}]", "models[0].name should be text (put it in quotes), not false."),
        ("models: [{name: a, generation: {temprature: 0}}]", "'temprature' in models[0].generation; did you mean"),
        ("models: [{name: a, generation: {max_tokens: -3}}]", "generation.max_tokens should be above 0, not -3."),
        ("models: [{name: a, generation: {top_p: 2}}]", "generation.top_p should be 1 or less, not 2."),
        ("models: [{name: a, stream: perhaps}]", "models[0].stream should be true or false, not 'perhaps'."),
        ("tasks: [{name: t, prompts: 5}]", "tasks[0].prompts should be text or keys and values, not 5."),
        ("tasks: [{name: t, prompts: {by_clas: {}}}]", "unknown key 'by_clas' in tasks[0].prompts; did you mean"),
        ("tasks: [{name: t, filter: {doc_clas: x}}]", "unknown key 'doc_clas' in tasks[0].filter; did you mean"),
        ("tasks: [{name: t, metrics: [{nam: cer}]}]", "tasks[0].metrics[0] lacks the key 'name'"),
        ("tasks: [{name: t, limit: 0}]", "tasks[0].limit should be 1 or more, not 0."),
        ("stages: [inference, evalution]", "stages[1] should be 'inference', 'evaluation' or 'reporting', not"),
    ],
)
def test_not_a_job(tmp_path: Path, line: str, expected: str) -> None:
    text = complaint(tmp_path, f"name: x\n{line}\n")
    assert text.startswith("job.yaml")
    assert "line 2, column " in text
    assert expected in text


def test_all_mistakes_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        job(tmp_path, "modles: []\nshard_size: -1\nname: x\ntasks:\n- nam: t\n")
    assert [problem.split(":")[0].rsplit(", ", 2)[1] for problem in caught.value.problems] == [
        "line 1", "line 2", "line 5", "line 5",
    ]  # fmt: skip
    assert "has 4 mistakes" in str(caught.value)


def test_a_key_pasted_by_mistake_is_not_repeated(tmp_path: Path) -> None:
    text = complaint(tmp_path, "name: x\nmodels: [{name: a, api_key_env: sk-very-secret}]\n")
    assert "never a key itself" in text
    assert "sk-very-secret" not in text


@pytest.mark.parametrize("merge", [False, True])
def test_aliases_cannot_fill_the_memory(tmp_path: Path, merge: bool) -> None:
    lines = ["a0: &a0 {k: 1}"]
    for number in range(1, 40):
        inner = f"*a{number - 1}"
        body = f"{{<<: [{inner}, {inner}], k{number}: 1}}" if merge else f"[{inner}, {inner}, {inner}]"
        lines.append(f"a{number}: &a{number} {body}")
    started = time.monotonic()
    assert "parts, with aliases written out" in complaint(tmp_path, "\n".join(lines))
    assert time.monotonic() - started < 20


def test_aliases_and_merges_work(tmp_path: Path) -> None:
    spec = job(
        tmp_path,
        "name: x\n"
        "models:\n"
        "- &base {name: a, backend: ocr, replicas: 2}\n"
        "- {<<: *base, name: b}\n"
        "- {name: c, <<: [{backend: openai}, *base]}\n",
    )
    assert [(model.name, model.backend, model.replicas) for model in spec.models] == [
        ("a", "ocr", 2), ("b", "ocr", 2), ("c", "openai", 2),
    ]  # fmt: skip


def test_shorthands_and_texts_that_yaml_would_change(tmp_path: Path) -> None:
    spec = job(
        tmp_path,
        "\ufeffname: 2024-01-01\nmodels: [rapidocr]\n"
        "tasks: [{name: t, metrics: [CER, {name: anls}], filter: {doc_class: счёт}}]\n",
    )
    assert spec.name == "2024-01-01"
    assert spec.models[0].name == "rapidocr"
    assert [metric.name for metric in spec.tasks[0].metrics] == ["cer", "anls"]
    assert spec.tasks[0].filter.doc_class == ("счёт",)


def test_utf16_of_windows(tmp_path: Path) -> None:
    assert job(tmp_path, "name: имя\n".encode("utf-16")).name == "имя"


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no job file at"):
        read_document(tmp_path / "missing.yaml", "job file")
    with pytest.raises(UserError, match="is a folder"):
        read_document(tmp_path, "job file")
    with pytest.raises(UserError, match=r"cannot be read|no job file"):
        read_document(Path("a\0b"), "job file")
    with pytest.raises(UserError, match="not an ordinary file"):
        read_document(Path("/dev/null"), "job file")


def test_size_is_bounded(tmp_path: Path) -> None:
    with (tmp_path / "big.yaml").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(UserError, match="larger than 16 MiB"):
        read_document(tmp_path / "big.yaml", "job file")


def test_a_long_job_is_read_quickly(tmp_path: Path) -> None:
    runs = "".join(f"- {{model: m, task: t, name: run {number}}}\n" for number in range(5000))
    started = time.monotonic()
    assert len(job(tmp_path, f"name: x\nruns:\n{runs}").runs) == 5000
    assert time.monotonic() - started < 20


GOOD = b"""name: x
models:
  - &m {name: a, backend: openai, base_url: "http://h/v1", generation: {temperature: 0}}
  - {<<: *m, name: b}
tasks: [{name: t, dataset: ./d, metrics: [cer, {name: anls}], filter: {doc_class: [x, y]}}]
stages: [inference, evaluation]
"""
PIECES = [
    b"<<: ",
    b"&a ",
    b"*m ",
    b"- ",
    b"!!set ",
    b"!!binary ",
    b"? ",
    b"{}: ",
    b".nan",
    b"1e999",
    b"[",
    b"}",
    b"\t",
    b"\xff",
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(
        st.tuples(st.integers(0, len(GOOD)), st.integers(0, 8), st.sampled_from(PIECES) | st.binary(max_size=6)),
        max_size=5,
    )
)
def test_whatever_is_written_the_user_is_told(tmp_path: Path, edits: list[tuple[int, int, bytes]]) -> None:
    content = GOOD
    for position, removed, added in edits:
        content = content[:position] + added + content[position + removed :]
    path = tmp_path / "job.yaml"
    path.write_bytes(content)
    try:
        check_document(read_document(path, "job file"), JobSpec)
    except UserError as error:
        assert str(path) in str(error)
