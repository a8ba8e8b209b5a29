"""The two Jinja2 environments. In both, whatever a template prints is made inert unless it is `Markup`."""

from collections.abc import Callable
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vhb_reporter import formats, inert
from vhb_reporter.language import gettext, ngettext

_HARD_LIMIT = 20_000
"""Characters of any one value: what forgets to clip cannot blow up a page."""


@lru_cache(maxsize=1)
def html_environment() -> Environment:
    """Autoescapes; control and direction characters are shown, not obeyed."""
    return _environment(autoescape=True, finalize=_html_value)


@lru_cache(maxsize=1)
def markdown_environment() -> Environment:
    """Escapes every printed value as inline Markdown; literal template text is Markdown."""
    return _environment(autoescape=False, finalize=_markdown_value)


def _environment(*, autoescape: bool, finalize: Callable[[object], object]) -> Environment:
    environment = Environment(
        loader=PackageLoader("vhb_reporter", "templates"),
        autoescape=autoescape,  # noqa: S701 - Markdown is escaped by `finalize`
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.do", "jinja2.ext.i18n"],
    )
    # The language is looked up when a sentence is printed; a compiled template serves all of them.
    environment.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.filters |= {
        "clip": inert.clip,
        "one_line": inert.one_line,
        "num": formats.number,
        # For what is not written in a template: `_` would take it for markup and a format.
        "said": lambda text: gettext(str(text)),
        "interval": formats.interval,
        "bounds": formats.bounds,
        "count": formats.count,
        "percent": formats.percent,
        "ms": formats.milliseconds,
        "duration": formats.seconds,
        "moment": formats.moment,
        "size": formats.size,
        "short": formats.short_digest,
        "code_block": formats.code_block,
    }
    return environment


def _html_value(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Markup):
        return inert.visible(inert.clip(value, _HARD_LIMIT))
    return value


def _markdown_value(value: object) -> object:
    if isinstance(value, Markup):
        return value
    return inert.markdown(inert.clip(str(value), _HARD_LIMIT))
