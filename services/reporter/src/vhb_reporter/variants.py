"""Tasks with worse images, `<task>~<corruption>-<severity>[-s<seed>]`, and the tasks that they are variants of."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from vhb_reporter.model import ComparisonGroup

_NAME = re.compile(r"^(?P<task>.+)~(?P<kind>[^~]+)-(?P<severity>\d{1,3})(?:-s(?P<seed>\d{1,10}))?$")


class Corruption(NamedTuple):
    """What a task's name says of its images."""

    task: str
    """The task with the images as they are."""
    kind: str
    severity: int
    seed: int = 0

    @property
    def series(self) -> str:
        """What differs in severity only: `noise`, with a seed other than 0 `noise-s7`."""
        return self.kind + (f"-s{self.seed}" if self.seed else "")

    @property
    def label(self) -> str:
        """`noise-3`, `noise-3-s7`: as in the task's name."""
        return f"{self.kind}-{self.severity}" + (f"-s{self.seed}" if self.seed else "")


class Family(NamedTuple):
    """A comparison, and those of the same task with worse images."""

    group: ComparisonGroup
    variants: tuple[tuple[Corruption, ComparisonGroup], ...]
    """By corruption and seed in the order of the job, then by severity."""


def corruption_of(task: str) -> Corruption | None:
    """What the name says; None for images as they are."""
    found = _NAME.match(task)
    return Corruption(found["task"], found["kind"], int(found["severity"]), int(found["seed"] or 0)) if found else None


def families(groups: Sequence[ComparisonGroup]) -> tuple[Family, ...]:
    """All comparisons in the order of the job, variants with their task.

    A variant whose task is not in the job, or is compared on several data sets or filters, is a family of its own.
    """
    times = Counter(group.task for group in groups)
    once = {group.task: group for group in groups if times[group.task] == 1}
    variants: dict[str, list[tuple[Corruption, ComparisonGroup]]] = {}
    alone = []
    for group in groups:
        found = corruption_of(group.task)
        if found is not None and group.task in once and found.task in once and corruption_of(found.task) is None:
            variants.setdefault(found.task, []).append((found, group))
        else:
            alone.append(group)
    return tuple(Family(group, _ordered(variants.get(group.task, []))) for group in alone)


def _ordered(
    variants: list[tuple[Corruption, ComparisonGroup]],
) -> tuple[tuple[Corruption, ComparisonGroup], ...]:
    series = list(dict.fromkeys(found.series for found, _ in variants))
    return tuple(sorted(variants, key=lambda each: (series.index(each[0].series), each[0].severity)))


def compared_groups(groups: Sequence[ComparisonGroup]) -> tuple[ComparisonGroup, ...]:
    """The comparisons that stand for themselves: all but variants of a task that is among them."""
    return tuple(family.group for family in families(groups))
