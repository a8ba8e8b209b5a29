"""Field descriptions for schemas, from the docstrings below the fields.

Pydantic can do this (`use_attribute_docstrings`), but reads the source at every import; here only generation pays.
"""

import ast
import inspect
import textwrap
from functools import cache
from typing import Any

from pydantic import BaseModel


def describe_fields(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Adds descriptions to a model's schema and to the definitions it refers to."""
    models = {found.__name__: found for found in _reachable(model, {})}
    for name, definition in ((model.__name__, schema), *schema.get("$defs", {}).items()):
        found = models.get(name)
        if found is None:
            continue
        if definition.get("description"):
            definition["description"] = " ".join(inspect.cleandoc(definition["description"]).split())
        for field, text in _field_docs(found).items():
            if field in definition.get("properties", {}):
                definition["properties"][field].setdefault("description", text)


def _reachable(annotation: Any, seen: dict[Any, None]) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation not in seen:
            seen[annotation] = None
            for field in annotation.model_fields.values():
                _reachable(field.annotation, seen)
    else:
        for argument in getattr(annotation, "__args__", ()):
            _reachable(argument, seen)
    return list(seen)


@cache
def _field_docs(model: type[BaseModel]) -> dict[str, str]:
    docs: dict[str, str] = {}
    for owner in reversed([base for base in model.__mro__ if issubclass(base, BaseModel) and base is not BaseModel]):
        body = next(node for node in ast.parse(_source(owner)).body if isinstance(node, ast.ClassDef)).body
        for field, text in zip(body, body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                docs[field.target.id] = " ".join(text.value.value.split())
    return docs


def _source(model: type[BaseModel]) -> str:
    return textwrap.dedent(inspect.getsource(model))
