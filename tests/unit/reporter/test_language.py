"""Every visible sentence of a report goes through the catalogue, and the Russian one lacks none."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest

import vhb_reporter
from vhb_reporter import formats, language
from vhb_reporter.environment import html_environment
from vhb_shared.contracts.job import JobSpec, ReportOptions
from vhb_shared.statistics import verdict

from .test_hostile import assert_inert

ROOT = Path(vhb_reporter.__file__).parent
TEMPLATES = sorted((ROOT / "templates").glob("*.j2"))
CALLS = {"gettext", "ngettext", "noted", "_"}
_WORD = re.compile(r"[A-Za-z]{2,}")
_SPOKEN = re.compile(r'(?:alt|aria-label|title|placeholder)="([^"]*)"')
FREE = {"VLMHyperBench", "sha256", "Content", "job.json", "p10", "p50", "p90", "p99"}
"""Names and units that are the same in every language."""


def literal_text(path: Path) -> Iterator[str]:
    """What a template says by itself: text between tags and in spoken attributes, with expressions taken out."""
    source = path.read_text("utf-8")
    data = "".join(
        value if kind == "data" else "\x00"
        for _, kind, value in html_environment().lex(source)
        if kind in ("data", "variable_begin", "block_begin")
    )
    if path.name.endswith(".html.j2"):
        data = re.sub(r"<(style|script)[^>]*>.*?</\1>", " ", data, flags=re.S)
        yield from _SPOKEN.findall(data)
        data = re.sub(r"<[^>]*>", " ", data)
        data = re.sub(r"&[a-z]+;", " ", data)
    yield data


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_says_nothing_by_itself(path: Path) -> None:
    words = [word for text in literal_text(path) for word in _WORD.findall(re.sub(r"p\d\d|sha256|n =", " ", text))]
    assert [word for word in words if word not in FREE] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_only_what_we_wrote_is_a_format(path: Path) -> None:
    """`_` takes its sentence for markup and a format: a value that came from elsewhere goes through `said`."""
    source = path.read_text("utf-8")
    tokens = [(kind, value) for _, kind, value in html_environment().lex(source) if kind != "whitespace"]
    for (_, name), (_, bracket), (kind, value) in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if name in CALLS and bracket == "(":
            assert kind == "string", value


def of_templates() -> Iterator[tuple[str, str | tuple[str | None, ...]]]:
    environment = html_environment()
    for path in TEMPLATES:
        try:
            found = environment.extract_translations(path.read_text("utf-8"), gettext_functions=tuple(CALLS))
        except jinja2.TemplateSyntaxError as error:
            raise AssertionError(f"{path.name}: {error}") from error
        for _line, _function, message in found:
            yield path.name, message


def of_code() -> Iterator[tuple[str, tuple[str, ...]]]:
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in CALLS:
                texts = tuple(item.value for item in node.args if isinstance(item, ast.Constant))
                strings = tuple(text for text in texts if isinstance(text, str))
                if strings:
                    yield path.name, strings


def sentences() -> dict[str, tuple[str, bool]]:
    """Sentence -> where it stands, and whether it has plural forms."""
    found: dict[str, tuple[str, bool]] = {}
    words = (("language.py", word) for word in language.WORDS)
    verdicts = (("verdict.py", message) for message in (*verdict.SENTENCES, *verdict.PLURALS))
    for where, message in (*of_templates(), *of_code(), *words, *verdicts):
        texts = tuple(text for text in ((message,) if isinstance(message, str) else message) if text)
        if texts:
            plural = len(texts) > 1 or found.get(texts[0], ("", False))[1]
            found[texts[0]] = (where, plural)
    return found


def test_the_russian_catalogue_is_complete_and_has_nothing_else() -> None:
    known, said = language.catalogue("ru"), sentences()
    assert len(said) > 200
    missing = {text: where for text, (where, _) in said.items() if text not in known}
    assert missing == {}
    assert set(known) - set(said) == set()


def test_plural_forms_and_places_fit() -> None:
    known = language.catalogue("ru")
    for text, (where, plural) in sentences().items():
        forms = known[text]
        assert isinstance(forms, tuple) == plural, (where, text)
        for form in forms if isinstance(forms, tuple) else (forms,):
            places = re.findall(r"%\(\w+\)[sd]|%\d|%%", text)
            assert sorted(re.findall(r"%\(\w+\)[sd]|%\d|%%", form)) == sorted(places), (where, text, form)
            assert not set("<>") & set(form), (where, form)


def test_russian_plural_forms() -> None:
    forms = [language._slavic(number) for number in (0, 1, 2, 4, 5, 11, 12, 21, 22, 25, 101, 111)]
    assert forms == [2, 0, 1, 1, 2, 2, 2, 0, 1, 2, 0, 2]


def test_the_language_is_that_of_the_block_only() -> None:
    with language.speaking("ru"):
        assert language.gettext("Leaderboard") != "Leaderboard" and formats.milliseconds(12) == "12 мс"
    assert language.gettext("Leaderboard") == "Leaderboard" and formats.milliseconds(12) == "12 ms"
    assert language.ngettext("%(num)s run", "%(num)s runs", 2) == "%(num)s runs"


async def test_a_report_in_russian(world: Any) -> None:
    await world.dataset()
    await world.answer(world.plan_run("small"), ["x"] * 7 + [None], [0.5] * 7 + [None])
    await world.answer(world.plan_run("large"), ["x"] * 8, [0.25] * 8)
    spec = JobSpec(name="pages", report=ReportOptions(language="ru"))
    files = await world.job(spec=spec)
    for name in ("report.html", "samples.html"):
        assert '<html lang="ru">' in files[name]
    assert "Таблица лидеров" in files["report.html"] and "## Таблица лидеров" in files["report.md"]
    assert "примеров без ответа" in files["report.md"].lower() or "пример без ответа" in files["report.md"]
    assert "Все примеры" in files["samples.html"] and '"noName":"(нет)"' in files["samples.html"]
    parser = assert_inert(files["report.html"])
    left = {word for text in parser.text for word in re.findall(r"[A-Za-z]{3,}", text)}
    # Names of files, of settings and of the data itself; no word of ours.
    assert left <= set(SAID.split()), left - set(SAID.split())
    # Programs read the same in every language.
    assert json.loads(files["job.json"])["runs"][0]["status"] == "completed"
    run = world.runs[0]
    assert "Таблица лидеров" in await world.run(run)


SAID = f"""
    VLMHyperBench pages small large read job cer text metrics csv answers samples html folder report images performance
    json plan receipt letter clean blurred the server answered What total page Total EUR temperature seed max tokens
    generation sha rapidocr python packages backend ocr UTC vhb shared reporter run {"b" * 16} {"d" * 64}
"""
