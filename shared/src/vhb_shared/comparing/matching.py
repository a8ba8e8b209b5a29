"""Which runs are compared with which."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from vhb_shared.comparing.runs import FoundRun
from vhb_shared.errors import UserError


class Match(NamedTuple):
    """Runs on the same data, the baseline first."""

    runs: tuple[FoundRun, ...]
    labels: tuple[str, ...]
    """What each is called: as short as tells them apart."""


def match(sides: Sequence[Sequence[FoundRun]]) -> tuple[list[Match], list[FoundRun]]:
    """Matches the runs of several arguments, the first of which is the baseline.

    One argument: its runs of the same task (of the same data set, where no task has two) belong together, the first is
    the baseline. Several: a run belongs to the baseline's run of the same name, else to the only ones of the same task,
    else to the only one there is.

    Returns:
        Matches in the order of the baseline, and runs that belong to none.

    Raises:
        UserError: nothing belongs together, or what does was asked different data.
    """
    groups = _within(sides[0]) if len(sides) == 1 else _across(sides)
    if not groups:
        shown = "; ".join(f"{side[0].argument}: {', '.join(run.name for run in side)}" for side in sides)
        raise UserError(f"No two runs belong together ({shown}): name one of each, as in JOB_ID:RUN or FOLDER:RUN.")
    for group in groups:
        _check_data(group)
    used = {id(run) for group in groups for run in group}
    left_out = [run for side in sides for run in side if id(run) not in used]
    return [Match(tuple(group), _labels(group)) for group in groups], left_out


def _within(runs: Sequence[FoundRun]) -> list[list[FoundRun]]:
    keys: tuple[Callable[[FoundRun], tuple[str, ...]], ...] = (
        lambda run: (run.dataset_digest, run.task),
        lambda run: (run.dataset_digest,),
    )
    for key in keys:
        groups: dict[tuple[str, ...], list[FoundRun]] = {}
        for run in runs:
            groups.setdefault(key(run), []).append(run)
        found = [group for group in groups.values() if len(group) > 1]
        if found:
            return found
    return []


def _across(sides: Sequence[Sequence[FoundRun]]) -> list[list[FoundRun]]:
    first, *others = sides
    groups = []
    for baseline in first:
        partners = [found for side in others if (found := _partner(baseline, first, side)) is not None]
        if partners:
            groups.append([baseline, *partners])
    return groups


def _partner(baseline: FoundRun, first: Sequence[FoundRun], side: Sequence[FoundRun]) -> FoundRun | None:
    same_name = [run for run in side if run.name == baseline.name]
    if same_name:
        return same_name[0]
    same_task = [run for run in side if run.task == baseline.task]
    rivals = [run for run in first if run.task == baseline.task]
    if len(same_task) == len(rivals) == 1:
        return same_task[0]
    return side[0] if len(first) == len(side) == 1 else None


def _check_data(group: Sequence[FoundRun]) -> None:
    baseline = group[0]
    for run in group[1:]:
        if run.dataset_digest != baseline.dataset_digest:
            raise UserError(
                f"{_full(baseline)} and {_full(run)} were asked different data ({baseline.dataset!r}, digest "
                f"{baseline.dataset_digest[:12]}, and {run.dataset!r}, {run.dataset_digest[:12]}), so their samples "
                "cannot be paired: run both on the same data set."
            )


def _labels(group: Sequence[FoundRun]) -> tuple[str, ...]:
    ways: tuple[Callable[[FoundRun], str], ...] = (
        lambda run: run.model,
        lambda run: run.task,
        lambda run: run.name,
        lambda run: run.argument,
        _full,
        lambda run: run.run_id,
    )
    for way in ways:
        labels = tuple(way(run) for run in group)
        if len(set(labels)) == len(labels):
            return labels
    return tuple(f"{_full(run)} ({place})" for place, run in enumerate(group, start=1))


def _full(run: FoundRun) -> str:
    return f"{run.argument}:{run.name}"
