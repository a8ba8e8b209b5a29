"""The report sections: what packages register under `vhb.report_sections`, ours in this member's pyproject.toml."""

import structlog

from vhb_reporter.sections.base import ReportSection
from vhb_shared.registry.plugins import load_plugin, plugin_names

_log = structlog.get_logger(__name__)


def load_sections() -> tuple[ReportSection, ...]:
    """All sections in report order: by `order`, then by name.

    One that cannot be loaded, or that several packages claim, is logged and left out: a broken plug-in must not cost
    the report.
    """
    found = (_section(name) for name in plugin_names("report_sections"))
    return tuple(sorted((section for section in found if section is not None), key=lambda section: section.order))


def _section(name: str) -> ReportSection | None:
    try:
        return load_plugin("report_sections", name, ReportSection)()
    except Exception as error:  # the constructor of a plug-in may raise anything
        _log.warning("report section cannot be loaded", section=name, error=str(error))
        return None
