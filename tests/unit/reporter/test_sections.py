"""The list of sections, plug-ins, and what a broken one does."""

from collections.abc import Callable
from pathlib import Path

import pytest
from markupsafe import Markup

from vhb_reporter.sections.base import ReportSection
from vhb_reporter.sections.registry import load_sections
from vhb_shared.testing.plugins import write_package


class Extra(ReportSection):
    name = "extra"
    title = "Extra"
    order = 250

    def html(self, report):
        return Markup("<p>extra about {}</p>").format(report.title)

    def markdown(self, report):
        return f"extra about {len(report.runs)}"


class Broken(Extra):
    name = "broken"
    title = "Broken"

    def html(self, report):
        raise RuntimeError("<b>no such column</b>")

    def markdown(self, report):
        raise RuntimeError("no such column")


class Unescaped(Extra):
    name = "unescaped"

    def html(self, report):
        return "<script>plain text from a careless plug-in</script>"


OURS = (
    "summary", "leaderboard", "differences", "charts", "tradeoffs", "breakdown", "class-map", "distributions",
    "confusion", "fields", "robustness", "outcomes", "judges", "performance", "timings", "samples", "disagreement",
    "failures", "setup", "provenance",
)  # fmt: skip


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Registers classes of this file as an installed package would: `add(extra="Extra")`."""

    def write(**classes: str) -> None:
        points = {name: f"{__name__}:{target}" for name, target in classes.items()}
        write_package(tmp_path / "site", "sections-of-others", {"vhb.report_sections": points})
        monkeypatch.syspath_prepend(str(tmp_path / "site"))

    return write


def test_our_sections_in_the_order_of_the_report() -> None:
    sections = [section for section in load_sections() if type(section).__module__.startswith("vhb_reporter.")]
    assert tuple(section.name for section in sections) == OURS
    assert len({section.order for section in sections}) == len(sections)
    assert all(section.title for section in sections)


async def test_an_installed_section_appears_in_its_place(world, add) -> None:
    add(extra="Extra")
    await world.dataset(2)
    await world.answer(world.plan_run("one"), ["x", "y"], [1.0, 1.0])
    files = await world.job("<em>")
    page = files["report.html"]
    assert "<p>extra about &lt;em&gt;</p>" in page and "extra about 1" in files["report.md"]
    assert page.index('id="leaderboard"') < page.index('id="extra"') < page.index('id="charts"')


async def test_a_broken_section_leaves_a_note_and_the_rest(world, add) -> None:
    add(broken="Broken", missing="Nothing", unescaped="Unescaped")
    await world.dataset(2)
    await world.answer(world.plan_run("one"), ["x", "y"], [1.0, 1.0])
    files = await world.job()
    assert "could not be made: &lt;b&gt;no such column" in files["report.html"]
    assert "could not be made: no such column" in files["report.md"]
    assert "&lt;script&gt;plain text" in files["report.html"]
    assert 'id="provenance"' in files["report.html"]
