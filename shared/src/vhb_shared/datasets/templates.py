"""Prompt templates: a small part of Jinja2 over a sample's fields, whose cost and output are bounded by its form."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from vhb_shared.datasets.options import choices_of, option_lines, question_of
from vhb_shared.errors import UserError

VARIABLES = ("question", "doc_class", "question_type", "id", "choices", "options", "fields")
"""What every sample has; other names are columns of the data set. What is missing is an empty text."""
MAX_PROMPT_CHARS = 1_000_000

_FILTERS = ("upper", "lower", "trim", "title", "capitalize", "default", "replace", "truncate", "length", "string")
_TESTS = ("defined", "undefined", "none", "string", "in", "eq", "ne", "equalto")
# No loops, calls, attributes, powers or products: what is left takes time and space in proportion to its own length.
_NODES = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Filter,
    nodes.Test,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Add,
    nodes.Concat,
    nodes.Getitem,
    nodes.Slice,
    nodes.List,
    nodes.Tuple,
    nodes.Neg,
    nodes.Keyword,
)


class _Environment(ImmutableSandboxedEnvironment):
    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
        self.globals.clear()
        self.filters = {name: self.filters[name] for name in _FILTERS} | {"replace": _replace}
        self.tests = {name: self.tests[name] for name in _TESTS}


def _replace(text: object, old: object, new: object) -> str:
    whole, before, after = str(text), str(old), str(new)
    if len(whole) + whole.count(before) * max(0, len(after) - len(before)) > MAX_PROMPT_CHARS:
        raise UserError(
            f"prompt template: `replace` makes a text of more than {MAX_PROMPT_CHARS} characters; shorten it"
        )
    return whole.replace(before, after)


class _Fields(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template that may be used."""

    template: Template
    columns: frozenset[str]
    """Columns of the data set that it names, beside what every sample has."""
    places_options: bool
    """Whether it says itself where the options of a multiple-choice question go."""


@lru_cache(maxsize=4096)
def compile_template(text: str) -> Compiled:
    """Compiles a prompt once. Whether a data set has the columns it names is for the caller to check.

    Raises:
        UserError: a syntax error, or an expression that is not allowed.
    """
    environment = _Environment()
    shown = text if len(text) <= 60 else text[:57] + "..."
    where = f"prompt template {shown!r}"
    if len(text) > MAX_PROMPT_CHARS:
        raise UserError(f"{where}: longer than {MAX_PROMPT_CHARS} characters; shorten it")
    try:
        tree = environment.parse(text)
        for node in tree.find_all(nodes.Node):
            if not isinstance(node, (*_NODES, nodes.Helper, nodes.EvalContextModifier)) or (
                isinstance(node, nodes.Name) and node.ctx != "load"
            ):
                kind = type(node).__name__.lower()
                raise UserError(
                    f"{where}, line {node.lineno}: `{kind}` is not allowed; use {{{{ variable }}}}, "
                    f"{{% if %}} and the filters {', '.join(_FILTERS)}"
                )
        names = find_undeclared_variables(tree)
        subscripts = {
            node.arg.value
            for node in tree.find_all(nodes.Getitem)
            if isinstance(node.node, nodes.Name) and node.node.name == "fields" and isinstance(node.arg, nodes.Const)
        }
        columns = {name for name in names if name not in VARIABLES} | {str(name) for name in subscripts}
        return Compiled(environment.from_string(tree), frozenset(columns), bool(names & {"choices", "options"}))
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        place = f", line {line}" if line else ""
        raise UserError(
            f"{where}{place}: {str(error.message).rstrip('.')}; mend it, or write literal braces as {{{{ '{{{{' }}}}"
        ) from error
    except RecursionError as error:
        raise UserError(f"{where}: nested too deeply; simplify it") from error


def render_template(text: str, sample: Mapping[str, object]) -> str:
    """Fills a prompt with a sample's fields.

    Raises:
        UserError: as `compile_template`; or the expression fails on this sample; or the result is too long.
    """
    compiled = compile_template(text)
    try:
        result = compiled.template.render(_variables(compiled, sample))
    except UserError:
        raise
    except Exception as error:  # whatever an expression does with this sample's text
        raise UserError(f"prompt template {text[:60]!r} fails on sample {sample.get('id')}: {error}") from error
    if len(result) > MAX_PROMPT_CHARS:
        raise UserError(f"prompt template {text[:60]!r}: more than {MAX_PROMPT_CHARS} characters; shorten it")
    return result


def _variables(compiled: Compiled, sample: Mapping[str, object]) -> dict[str, object]:
    fields = _Fields(_columns(sample))
    variables: dict[str, object] = {name: fields[name] for name in compiled.columns if name not in VARIABLES}
    for name in ("question", "doc_class", "question_type", "id"):
        variables[name] = "" if sample.get(name) is None else str(sample[name])
    choices = choices_of(sample)
    variables |= {"choices": choices, "options": option_lines(choices), "fields": fields}
    if not compiled.places_options:
        # A multiple-choice question without its options cannot be answered: they belong to it.
        variables["question"] = question_of(sample)
    return variables


def _columns(sample: Mapping[str, object]) -> dict[str, str]:
    stored = sample.get("fields")
    return json.loads(stored) if isinstance(stored, str) and stored else {}
