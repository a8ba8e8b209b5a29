"""Saved queries: files of SQL beside this one. Their first lines are comments that say what they show and, each on a
line `-- $name: ...`, which parameters they take (`$name=20` has a default, `$name!` has to be given)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from vhb_shared.documents.check import did_you_mean
from vhb_shared.errors import UserError

_NAMED = re.compile(r"\$([A-Za-z_]\w*)")
_PARAMETER = re.compile(r"-- \$(?P<name>\w+)(?:(?P<needed>!)|=(?P<default>\w+))?: (?P<summary>.+)")


@dataclass(frozen=True)
class Parameter:
    """What a saved query can be told."""

    name: str
    summary: str
    default: str | None
    needed: bool


@dataclass(frozen=True)
class SavedQuery:
    """One query with a name."""

    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    sql: str

    def bound(self, given: Mapping[str, str]) -> dict[str, str | None]:
        """A value for each of its parameters, to be bound.

        Raises:
            UserError: one that it does not have, or one is missing.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                raise UserError(
                    f"The saved query {self.name} has no parameter {name!r}; {did_you_mean(name, [*known])}"
                )
        for parameter in self.parameters:
            if parameter.needed and parameter.name not in given:
                raise UserError(
                    f"The saved query {self.name} needs ${parameter.name}, {parameter.summary}: give it a value."
                )
        return {parameter.name: given.get(parameter.name, parameter.default) for parameter in self.parameters}


def saved_queries() -> tuple[SavedQuery, ...]:
    """All of them, by name."""
    found = [each for each in files("vhb_shared.analytics").joinpath("queries").iterdir() if each.name.endswith(".sql")]
    return tuple(
        saved_as(each.name.removesuffix(".sql"), each.read_text(encoding="utf-8"))
        for each in sorted(found, key=lambda each: each.name)
    )


def saved_query(name: str) -> SavedQuery:
    """One of them.

    Raises:
        UserError: there is none of that name.
    """
    by_name = {query.name: query for query in saved_queries()}
    if name not in by_name:
        raise UserError(f"There is no saved query {name!r}; {did_you_mean(name, [*by_name], 'vhb query --list')}")
    return by_name[name]


def saved_as(name: str, sql: str, summary: str | None = None) -> SavedQuery:
    """A query as its text says what it shows and takes; what it names without saying so is a parameter too.

    Args:
        name: its name.
        sql: its text.
        summary: what it shows, where its first lines do not say.
    """
    told, parameters = _head(sql)
    known = {parameter.name for parameter in parameters}
    unsaid = [each for each in dict.fromkeys(_NAMED.findall(sql)) if each not in known]
    parameters += [Parameter(each, "", None, needed=False) for each in unsaid]
    return SavedQuery(name, summary or " ".join(told), tuple(parameters), sql)


def _head(sql: str) -> tuple[list[str], list[Parameter]]:
    summary: list[str] = []
    parameters: list[Parameter] = []
    for line in sql.splitlines():
        if not line.startswith("-- "):
            break
        found = _PARAMETER.fullmatch(line)
        if found is None:
            summary.append(line.removeprefix("-- "))
        else:
            parameters.append(Parameter(found["name"], found["summary"], found["default"], found["needed"] is not None))
    return summary, parameters
