"""samples.html: the page itself. Blocking; call it in a thread.

Its policy lets run the one script that is written here, by its hash, and what that script loads; nothing that a text
could bring into the page would run.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files

from markupsafe import Markup

from vhb_reporter.environment import html_environment
from vhb_reporter.explorer.data import CHUNK, Comparison
from vhb_reporter.inert import clip, one_line, visible
from vhb_reporter.language import gettext as _
from vhb_reporter.language import speaking
from vhb_reporter.model import Report
from vhb_shared.contracts.results import OUTCOMES

_ARROWS = {True: "\u2191", False: "\u2193", None: ""}


def samples_page(report: Report, comparisons: Sequence[Comparison]) -> str:
    """The page over data files that were written by `data.write`."""
    style, script = _file("report.css") + _file("explorer.css"), _file("explorer.js")
    with speaking(report.language):
        return (
            html_environment()
            .get_template("samples_page.html.j2")
            .render(
                report=report,
                language=report.language,
                about=Markup(_about(report, comparisons)),  # noqa: S704 - JSON without markup
                script=Markup(script),  # noqa: S704 - our file
                style=Markup(style),  # noqa: S704 - our file
                script_hash=_hash(script),
                style_hash=_hash(style),
            )
        )


def _file(name: str) -> str:
    return files("vhb_reporter").joinpath(f"templates/{name}").read_text("utf-8")


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _about(report: Report, comparisons: Sequence[Comparison]) -> str:
    """What the script must know, as JSON that cannot end the element it stands in."""
    content = {
        "language": report.language,
        "chunk": CHUNK,
        "comparisons": [_comparison(item) for item in comparisons],
        "outcomes": [
            {"label": _(outcome), "bad": outcome in ("failed", "withdrawn"), "plain": outcome == "answered"}
            for outcome in OUTCOMES
        ],
        "say": _words(),
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _comparison(item: Comparison) -> dict[str, object]:
    group = item.group
    return {
        "title": _short(group.title, 160),
        "metrics": [
            {"label": _short(metric, 60), "arrow": _ARROWS[group.higher_is_better.get(metric)]}
            for metric in group.metrics
        ],
        "runs": [
            {"place": place, "label": _short(run.label, 80), "colour": run.colour % 8}
            for place, run, _tables in item.runs
        ],
        "classes": [_short(name, 80) for name in item.classes.known],
        "moreClasses": item.classes.more,
        "types": [_short(name, 80) for name in item.types.known],
        "moreTypes": item.types.more,
    }


def _short(text: str, limit: int) -> str:
    return clip(visible(one_line(text, limit)), 4 * limit)


def _words() -> dict[str, str]:
    """What the script says; %1 and %2 are numbers."""
    return {
        "all": _("all"),
        "noName": _("(none)"),
        "otherNames": _("(others)"),
        "count": _("%1 of %2 samples"),
        "page": _("page %1 of %2"),
        "searched": _("searched %1 %"),
        "sample": _("sample"),
        "missing": _("A data file is missing; the folder samples belongs beside this page:"),
        "noPreview": _("No preview was written of this image; the key report.images of a job says how many there are."),
        "noImage": _("This image is missing from storage, or cannot be shown."),
        "image": _("Image %1 of the sample"),
        "moreImages": _("and %1 more images"),
        "reference": _("Reference"),
        "references": _("References"),
        "empty": _("(empty)"),
        "none": _("none"),
        "unparsable": _("unparsable"),
        "noRow": _("no row in the results"),
        "ms": _("ms"),
        "cut": _("the first %1 of %2 characters"),
    }
