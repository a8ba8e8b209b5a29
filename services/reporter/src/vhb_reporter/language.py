"""The language of a report: every sentence of ours goes through `gettext` or `ngettext`, by its English wording.

`speaking` sets the language for what one thread renders, so that formats, sections and templates need not hand it on.
Catalogues are `catalogues/<language>.json`: English -> the translation, or the list of plural forms.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

from vhb_shared.contracts.job import ReportLanguage

_speaking: ContextVar[ReportLanguage] = ContextVar("report_language", default="en")

Catalogue = Mapping[str, str | tuple[str, ...]]


def _slavic(number: int) -> int:
    """1 запуск, 2 запуска, 5 запусков."""
    if number % 10 == 1 and number % 100 != 11:
        return 0
    return 1 if 2 <= number % 10 <= 4 and not 12 <= number % 100 <= 14 else 2


_PLURALS: Mapping[ReportLanguage, Callable[[int], int]] = MappingProxyType({"ru": _slavic})


@contextmanager
def speaking(language: ReportLanguage) -> Iterator[None]:
    """Renders in a language for as long as the block lasts."""
    token = _speaking.set(language)
    try:
        yield
    finally:
        _speaking.reset(token)


def current() -> ReportLanguage:
    """The language being rendered in."""
    return _speaking.get()


def gettext(message: str) -> str:
    """A sentence in the current language; in English where the catalogue lacks it."""
    found = catalogue(current()).get(message, message)
    return found if isinstance(found, str) else found[0]


def ngettext(one: str, many: str, number: int) -> str:
    """A sentence in the form that a number asks for."""
    language = current()
    found = catalogue(language).get(one)
    if found is None or isinstance(found, str):
        return one if number == 1 else many
    return found[_PLURALS[language](abs(number))]


def noted(message: str) -> str:
    """Marks a sentence that is translated where it is shown."""
    return message


WORDS = tuple(
    map(
        noted,
        (
            "completed", "cancelled", "incomplete",
            "answered", "empty", "truncated", "refused", "failed", "withdrawn",
            "inference", "evaluation", "reporting",
        ),
    )
)  # fmt: skip
"""What results say in one word, and reports show in the reader's language."""


@lru_cache
def catalogue(language: ReportLanguage) -> Catalogue:
    """Sentences of a language; none for English, which is the wording itself."""
    if language == "en":
        return {}
    content = json.loads(files("vhb_reporter").joinpath(f"catalogues/{language}.json").read_bytes())
    return {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
