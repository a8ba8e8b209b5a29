"""Every mistake is a sentence on standard error that says what, where and how to mend it; exit code 2, nothing done."""

import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from person import remote, vhb, write_folder, write_job

from vhb.main import main

URL = "http://127.0.0.1:9/v1"
Change = Callable[[dict[str, Any]], Any]
Rows = Callable[[list[list[str]], Path], Any]


def of_model(**more: Any) -> Change:
    return lambda job: job["models"][0].update(more)


def of_task(**more: Any) -> Change:
    return lambda job: job["tasks"][0].update(more)


def also(kind: str, *entries: Any) -> Change:
    return lambda job: job.update({kind: [*job.get(kind, []), *entries]})


JOBS: dict[str, tuple[Change, tuple[str, ...]]] = {
    "unknown key": (of_task(metrcs=["cer"]), ("job.yaml, line 12, column 3", "'metrcs'", "did you mean 'metrics'")),
    "unknown key at the top": (lambda job: job.update(stage=[]), ("'stage'", "did you mean 'stages'")),
    "wrong type": (of_task(limit="many"), ("tasks[0].limit should be a whole number", "'many'")),
    "not a list": (lambda job: job.update(models=5), ("models should be a list",)),
    "negative": (of_task(limit=-3), ("tasks[0].limit should be 1 or more, not -3",)),
    "negative tokens": (of_model(generation={"max_tokens": -1}), ("max_tokens should be above 0",)),
    "negative concurrency": (of_model(concurrency=-1), ("concurrency should be 1 or more",)),
    "unknown metric": (of_task(metrics=["crr"]), ("unknown metric 'crr'", "did you mean 'cer'")),
    "unknown option": (of_task(metrics=[{"name": "cer", "normalisation": "nope"}]), ("unknown normalisation 'nope'",)),
    "one reference": (of_task(metrics=["vqa_accuracy"]), ("at least 2 references", "has 1", "use exact_match")),
    "no classes": (of_task(metrics=["f1_macro"]), ("has to know the classes", "classes: [...]")),
    "no letter": (of_task(metrics=["choice_accuracy"]), ("neither the letter nor the text", "correct it")),
    "unknown backend": (of_model(backend="opnai"), ("unknown backend 'opnai'", "did you mean 'openai'")),
    "unknown model": (also("models", "rapidocrr"), ("no model is named 'rapidocrr'", "did you mean 'rapidocr'")),
    "unknown task": (also("tasks", "read-pag"), ("no task is named 'read-pag'", "did you mean 'read-page'")),
    "unknown stage": (lambda job: job.update(stages=["inferense"]), ("stages[0] should be 'inference'",)),
    "unknown pair": (also("runs", {"model": "remot", "task": "ask"}), ("'remot'", "did you mean 'remote'")),
    "no models": (lambda job: job.update(models=[]), ("the job has no models",)),
    "one name twice": (also("models", remote(URL)), ("model 'remote' is listed 2 times", "rename one")),
    "no url": (lambda job: job["models"][0].pop("base_url"), ("needs `base_url`", "http://127.0.0.1:8000/v1")),
    "no such url": (of_model(base_url="127.0.0.1:80"), ("'127.0.0.1:80' is not an http(s) URL",)),
    "key not set": (of_model(api_key_env="SURELY_NOT_SET"), ("SURELY_NOT_SET", "is not set", "set it")),
    "a key itself": (of_model(api_key_env="sk-1234-5678"), ("the name of an environment variable, never a key",)),
    "no such data": (of_task(dataset="./nowhere"), ("nowhere", "check the path")),
    "no such class": (of_task(filter={"doc_class": "снлс"}), ("leaves no sample", "'снилс'")),
    "no such file of prompts": (of_task(prompts="no.csv"), ("`prompts` names 'no.csv'", "check the path")),
    "schema": (of_task(response_schema={"type": "nonsense"}), ("not a valid JSON Schema",)),
    "evaluation of nothing": (lambda job: job.update(stages=["evaluation"]), ("name stored `answers`",)),
}

FILES: dict[str, tuple[str, bytes | None, tuple[str, ...]]] = {
    "missing": ("no.yaml", None, ("no job file at no.yaml", "check the path")),
    "a folder": ("data", None, ("data is a folder", "name the job file inside it")),
    "malformed": ("a.yaml", b"name: x\nmodels:\n  - name: m\n   backend: b\n", ("a.yaml, line 4, column 4", "YAML")),
    "malformed JSON": ("a.json", b'{"name": "x", }', ("a.json, line 1, column 15", "malformed JSON")),
    "binary": ("a.yaml", bytes(range(256)) * 20, ("a.yaml is not a text file",)),
    "an image": ("a.yaml", b"\x89PNG\r\n\x1a\n\xff\xfe\x80", ("a.yaml, line 1: not UTF-8 text",)),
    "empty": ("a.yaml", b"", ("a.yaml is empty",)),
    "a list": ("a.yaml", b"- a\n- b\n", ("expected keys and values", "not a list")),
    "a key twice": ("a.yaml", b"name: x\nname: y\n", ("line 2, column 1", "'name' is given twice")),
    "another format": ("a.txt", b"name: x\n", ("expected one of .yaml",)),
    "an empty table": ("user_config.csv", b"", ("user_config.csv", "header")),
    "no such column in it": ("user_config.csv", b"dataset;modl_name\nx;y\n", ('no such column "model_name"',)),
}


def cell(row: int, column: int, value: str) -> Rows:
    def change(rows: list[list[str]], folder: Path) -> None:
        rows[row][column] = value

    return change


def image(content: bytes) -> Rows:
    return lambda rows, folder: (folder / "images/2.png").write_bytes(content)


def link(rows: list[list[str]], folder: Path) -> None:
    (folder / "images/link.png").symlink_to("/etc/hostname")
    rows[2][2] = "images/link.png"


def huge(width: int, height: int) -> bytes:
    """A PNG of one bit a pixel, small on disk."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = zlib.compress((b"\0" * (1 + width // 8)) * height, 9)
    size = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


LINE_4 = "annotation.csv, line 4, column image_path"
DATA: dict[str, tuple[Rows, tuple[str, ...]]] = {
    "no image": (cell(2, 2, "images/none.png"), (LINE_4, '"images/none.png" does not exist', "--skip-bad-rows")),
    "text": (image(b"hello"), (LINE_4, "expected an image", "is none or is damaged")),
    "cut off": (image(huge(8, 8)[:50]), (LINE_4, "is none or is damaged")),
    "no bytes": (image(b""), (LINE_4, "is empty")),
    "200 megapixels": (image(huge(20_000, 10_000)), (LINE_4, "at most 100 megapixels", "has 200 megapixels")),
    "far more": (image(huge(60_000, 20_000)), (LINE_4, "at most 100 megapixels")),
    "leaves the folder": (cell(2, 2, "../../secret.png"), (LINE_4, "a path inside the folder of the data set")),
    "elsewhere": (cell(2, 2, "/etc/hostname"), (LINE_4, "a path inside the folder of the data set")),
    "a link that leaves": (link, (LINE_4, "a path inside the folder of the data set")),
    "a short row": (lambda rows, folder: rows[2].__delitem__(slice(4, None)), ("line 4", "expected 8 cells, found 4")),
    "no rows": (lambda rows, folder: rows.clear(), ("no row below the header",)),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_folder(tmp_path / "data", 4)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def said(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Types `vhb validate FILE`, which must refuse it; gives the lines on standard error."""

    def validate(file: str) -> list[str]:
        before = sorted(folder.iterdir())
        monkeypatch.setattr(sys, "argv", ["vhb", "validate", file])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert (left.value.code, out) == (2, "")
        assert sorted(folder.iterdir()) == before
        lines = err.splitlines()
        assert lines and all(line.startswith("vhb: ") for line in lines) and len(set(lines)) == len(lines), err
        return lines

    return validate


def job() -> dict[str, Any]:
    return {"name": "job", "models": [remote(URL)], "tasks": [{"name": "ask", "dataset": "./data", "metrics": ["cer"]}]}


@pytest.mark.parametrize("what", JOBS)
def test_a_job(what: str, said: Callable[..., list[str]]) -> None:
    change, parts = JOBS[what]
    spec = job()
    change(spec)
    Path("job.yaml").write_text(yaml.safe_dump(spec, allow_unicode=True, sort_keys=False))
    (line,) = said("job.yaml")
    assert [part for part in parts if part not in line] == [], line


@pytest.mark.parametrize("what", FILES)
def test_a_file(what: str, said: Callable[..., list[str]]) -> None:
    name, content, parts = FILES[what]
    if content is not None:
        Path(name).write_bytes(content)
    (line,) = said(name)
    assert [part for part in parts if part not in line] == [], line


@pytest.mark.parametrize("what", DATA)
def test_data(what: str, folder: Path, said: Callable[..., list[str]]) -> None:
    change, parts = DATA[what]
    write_folder(folder / "other", 4, change=lambda rows: change(rows, folder / "other"))
    write_job(folder / "job.yaml", [remote(URL)], [{"name": "ask", "dataset": "./other"}])
    (line,) = said("job.yaml")
    assert [part for part in ("other", *parts) if part not in line] == [], line


def test_all_mistakes_of_a_job_at_once(folder: Path, said: Callable[..., list[str]]) -> None:
    spec = job() | {"stages": ["inference"]}
    spec["models"] += [remote(URL), "nobody"]
    spec["tasks"][0]["metrics"] = ["cer", "crr", "wr"]
    Path("job.yaml").write_text(yaml.safe_dump(spec))
    lines = said("job.yaml")
    assert len(lines) == 4
    assert all("job.yaml, line " in line for line in lines)


def test_many_bad_rows(folder: Path, said: Callable[..., list[str]]) -> None:
    def change(rows: list[list[str]]) -> None:
        for row in rows[:30]:
            row[2] = f"images/none-{row[0]}.png"

    write_folder(folder / "other", 40, change=change)
    write_job(folder / "job.yaml", [remote(URL)], [{"name": "ask", "dataset": "./other"}])
    lines = said("job.yaml")
    assert "30 bad rows of 40" in lines[0] and "--skip-bad-rows" in lines[0]
    assert len(lines) == 22 and lines[1].startswith("vhb: annotation.csv, line 2") and "10 more" in lines[-1]


def test_run_refuses_before_anything_is_written(folder: Path) -> None:
    write_job(folder / "key.yaml", [remote(URL, api_key_env="SURELY_NOT_SET")], [{"name": "ask", "dataset": "./data"}])
    write_job(folder / "ok.yaml", [remote(URL)], [{"name": "ask", "dataset": "./data"}])
    (folder / "full").mkdir()
    (folder / "full" / "mine.txt").touch()
    before = sorted(folder.iterdir())
    for arguments, part in (
        (("key.yaml",), "SURELY_NOT_SET"),
        (("ok.yaml", "--out", "full"), "holds other files"),
        (("ok.yaml", "--out", "ok.yaml"), "is a file"),
        (("ok.yaml", "--limit", "-1"), "limit"),
    ):
        assert part in vhb("run", *arguments, cwd=folder, code=2).stderr
    assert sorted(folder.iterdir()) == before


def test_nothing_runs_here(folder: Path) -> None:
    for arguments in (("status",), ("submit", "ok.yaml"), ("events",)):
        write_job(folder / "ok.yaml", [remote(URL)], [{"name": "ask", "dataset": "./data"}])
        assert "No stack runs in .vhb" in vhb(*arguments, cwd=folder, code=3).stderr
    down = vhb("status", "--server", "nats://127.0.0.1:9", cwd=folder, code=3, env={"VHB_NATS_CREDS": ""})
    assert "No NATS server answers at nats://127.0.0.1:9" in down.stderr and len(down.stderr.splitlines()) == 1
    hidden = vhb("status", "--server", "nats://me:hush@127.0.0.1:9", cwd=folder, code=3, env={"VHB_NATS_CREDS": ""})
    assert "at nats://127.0.0.1:9" in hidden.stderr and "hush" not in hidden.stderr
