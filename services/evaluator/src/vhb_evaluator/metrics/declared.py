"""Metrics that a job brings as data: known by name where its results are computed or compared."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from vhb_shared.contracts.metric_entry import MetricEntry

_declared: ContextVar[dict[str, MetricEntry]] = ContextVar("declared_metrics")


@contextmanager
def declared(entries: Iterable[MetricEntry | None]) -> Iterator[None]:
    """Within it, and in threads that are given its context, these names are metrics: two jobs may call different
    metrics by one name."""
    token = _declared.set({entry.name: entry for entry in entries if entry is not None})
    try:
        yield
    finally:
        _declared.reset(token)


def declared_entry(name: str) -> MetricEntry | None:
    """The entry of that name; None where there is none."""
    return _declared.get({}).get(name)
