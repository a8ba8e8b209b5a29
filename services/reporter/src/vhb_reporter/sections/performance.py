"""How fast models answered and what that cost, measured on the requests that are scored."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple

from vhb_reporter import formats
from vhb_reporter.language import gettext, noted
from vhb_reporter.model import ComparisonGroup, Report, RunView
from vhb_reporter.sections.axes import Tick, axis
from vhb_reporter.sections.template import TemplateSection
from vhb_shared.contracts.performance import Performance

CURVES_SHOWN = 8
PLOT_HEIGHT = 200
"""Pixels."""
LEAST_ANSWERS = 5
"""A curve through fewer says nothing."""
_OUTLIER = 19
"""The share 0.95: what is far beyond it leaves the picture rather than squeezing all the rest."""


class Column(NamedTuple):
    """A column of a table with a row for each run."""

    title: str
    write: Callable[[Performance], str]


class Curve(NamedTuple):
    """One run's latencies as a line; positions in percent of the plot."""

    run: RunView
    points: str
    said: str
    """For who does not see it."""


class Curves(NamedTuple):
    """How latencies are spread, for the runs of one comparison."""

    group: ComparisonGroup
    curves: tuple[Curve, ...]
    ticks: tuple[Tick, ...]
    beyond: bool
    """Some answers took longer than the picture shows."""


def _joules(value: float | None) -> str:
    return formats.NOTHING if value is None else f"{formats.number(value, 1 if value < 10 else 2)} {gettext('J')}"


def _watts(value: float | None) -> str:
    return formats.NOTHING if value is None else f"{value:.0f} {gettext('W')}"


def _whole(value: float | None) -> str:
    return formats.count(None if value is None else round(value))


THROUGHPUT: tuple[Column, ...] = (
    Column(noted("requests/s"), lambda found: formats.number(found.requests_per_s, 2)),
    Column(noted("tokens out/s"), lambda found: formats.number(found.completion_tokens_per_s, 2)),
    Column(noted("tokens in/s"), lambda found: formats.number(found.prompt_tokens_per_s, 2)),
    Column(noted("tokens in"), lambda found: formats.count(found.prompt_tokens)),
    Column(noted("of them cached"), lambda found: formats.count(found.cached_tokens)),
    Column(noted("tokens out"), lambda found: formats.count(found.completion_tokens)),
    Column(noted("active"), lambda found: formats.seconds(found.active_s)),
    Column(noted("in flight, mean"), lambda found: formats.number(found.concurrency_mean, 1)),
    Column(noted("peak"), lambda found: formats.count(found.concurrency_peak)),
)
DEVICES: tuple[Column, ...] = (
    Column(noted("GPUs each"), lambda found: formats.count(found.devices or None)),
    Column(noted("memory idle"), lambda found: formats.size(found.device_memory_idle)),
    Column(noted("peak"), lambda found: formats.size(found.device_memory_peak)),
    Column(noted("use"), lambda found: formats.percent(found.device_use)),
    Column(
        noted("power"),
        lambda found: formats.NOTHING if found.power_w is None else f"{found.power_w:.0f} {gettext('W')}",
    ),
    Column(noted("energy"), lambda found: _joules(found.energy_j)),
    Column(noted("per answer"), lambda found: _joules(found.energy_j_per_answer)),
    Column(noted("per 1k tokens out"), lambda found: _joules(found.energy_j_per_1k_tokens)),
)
BACKEND: tuple[Column, ...] = (
    Column(noted("replicas"), lambda found: formats.count(found.replicas)),
    Column(noted("start"), lambda found: formats.seconds(found.backend_start_s)),
    Column(noted("restarts"), lambda found: formats.count(found.restarts or None)),
    Column(noted("memory peak"), lambda found: formats.size(found.memory_peak)),
    Column(noted("CPU time"), lambda found: formats.seconds(found.cpu_s)),
    Column(noted("engine queue peak"), lambda found: _whole(found.engine_waiting_peak)),
    Column(noted("cache peak"), lambda found: formats.percent(found.engine_cache_peak)),
)
_DEVICES = noted("GPUs")


class PerformanceSection(TemplateSection):
    """Latency, first token, time per token, throughput, and what the devices and the engine said meanwhile."""

    name: ClassVar[str] = "performance"
    title: ClassVar[str] = noted("Performance")
    order: ClassVar[int] = 600

    def wanted(self, report: Report) -> bool:
        return any(run.performance is not None for run in report.runs)

    def context(self, report: Report) -> Mapping[str, object]:
        runs = [(run, run.performance) for run in report.runs if run.performance is not None]
        tables = [
            (noted("Throughput"), _known(THROUGHPUT, runs)),
            (_DEVICES, _known(DEVICES, runs)),
            (noted("Backend"), _known(BACKEND, runs)),
        ]
        plots = [plot for group in report.groups if (plot := latency_curves(group)) is not None]
        return {
            "runs": runs,
            "tables": [(title, columns) for title, columns in tables if columns],
            "devices_title": _DEVICES,
            "plots": plots,
            "notes": _notes(runs),
            "plot_height": PLOT_HEIGHT,
        }


def _known(columns: Sequence[Column], runs: Sequence[tuple[RunView, Performance]]) -> list[Column]:
    """Those in which any run says something."""
    return [column for column in columns if any(column.write(found) != formats.NOTHING for _, found in runs)]


def latency_curves(group: ComparisonGroup) -> Curves | None:
    """The share of answers by the time they took; None where no run has enough of them."""
    found = [
        (run, run.performance.latency_curve)
        for run in group.runs
        if run.performance is not None
        and run.performance.latency_ms.n >= LEAST_ANSWERS
        and len(run.performance.latency_curve) > _OUTLIER + 1
    ][:CURVES_SHOWN]
    if not found:
        return None
    slowest = max(curve[-1] for _, curve in found)
    _, high, ticks = axis([0.0, min(slowest, 1.25 * max(curve[_OUTLIER] for _, curve in found))])
    curves = []
    for run, curve in found:
        step = 100 / (len(curve) - 1)
        points = " ".join(
            f"{min(100 * latency / high, 200):.2f},{100 - index * step:.2f}" for index, latency in enumerate(curve)
        )
        median, most = formats.milliseconds(curve[len(curve) // 2]), formats.milliseconds(curve[-1])
        curves.append(
            Curve(
                run, points, gettext("half within %(median)s, all within %(most)s") % {"median": median, "most": most}
            )
        )
    marks = tuple(Tick(round(100 * tick / high, 2), formats.milliseconds(tick) if tick else "0") for tick in ticks)
    return Curves(group, tuple(curves), marks, slowest > high)


def _notes(runs: Sequence[tuple[RunView, Performance]]) -> list[str]:
    """How it was measured, and what was not."""
    notes = []
    for run, found in runs:
        left_out = [
            f"{formats.count(number)} {what}"
            for number, what in (
                (found.failed + found.not_asked, gettext("failed")),
                (found.withdrawn, gettext("withdrawn")),
                (found.reused, gettext("taken from an earlier job")),
            )
            if number
        ]
        said = [f"{run.name}: {gettext('answers measured')}: {formats.count(found.measured)}"]
        if left_out:
            said.append(f"{gettext('not counted')}: {', '.join(left_out)}")
        if found.retried:
            said.append(
                gettext("asked more than once: %(number)s (figures are of the last attempt)")
                % {"number": found.retried}
            )
        said.append(_profile(found))
        if found.throttled:
            said.append(f"{gettext('clocks of the GPUs were held back by')} {found.throttled}")
        if found.pressure:
            said.append(f"{gettext('memory nearly used up at some time')}: {found.pressure}")
        notes.append("; ".join(said) + ".")
    return notes


def _profile(found: Performance) -> str:
    if found.profile == "single":
        return gettext("one request at a time, so its latencies are those of a request alone")
    mean = f"{found.concurrency_mean:.1f}" if found.concurrency_mean is not None else gettext("unknown")
    limit = found.concurrency_limit
    allowed = gettext("adapted to the server") if limit is None else gettext("at most %(number)s") % {"number": limit}
    return gettext(
        "under load: requests in flight %(allowed)s, on average %(mean)s; latencies include waiting for one another"
    ) % {"allowed": allowed, "mean": mean}
