"""Checks a document against a pydantic model and says each mistake in a sentence with its place."""

import difflib
import types
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from vhb_shared.documents.base import Document, Loc, problems_error, spell
from vhb_shared.documents.words import expected

M = TypeVar("M", bound=BaseModel)
MAX_PROBLEMS = 30


def check_document(document: Document, model: type[M], loc: Loc = ()) -> M:
    """The document's data (or a part of it) as a model.

    Args:
        document: what was read.
        model: what it should be.
        loc: the part to check.

    Raises:
        UserError: every mistake with file, line and column; an unknown key names the nearest known one.
    """
    data = _part(document.data, loc)
    if not isinstance(data, dict):
        keys = ", ".join(model.model_fields)
        raise problems_error(
            document.path, (f"{document.where(loc)}: expected keys and values ({keys}), not {_describe(data)}.",)
        )
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise problems_error(document.path, _sentences(document, model, loc, error)) from error


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant."""
    by_lower = {item.lower(): item for item in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[found[0]] if found else None


def did_you_mean(name: str, known: Sequence[str], list_with: str | None = None) -> str:
    """`did you mean 'x'?`, or what there is. Ends the sentence.

    Args:
        name: what was written.
        known: what could have been.
        list_with: a command that lists them; without it they are listed here.
    """
    near = nearest(name, known)
    hint = f"did you mean {near!r}?" if near else ""
    if list_with:
        return f"{hint} `{list_with}` lists what there is.".strip()
    return hint or f"known are: {', '.join(sorted(known)) or 'none'}."


def _sentences(document: Document, model: type[BaseModel], base: Loc, error: ValidationError) -> tuple[str, ...]:
    data = _part(document.data, base)
    lines: dict[Loc, str] = {}
    wrong: dict[Loc, list[Any]] = {}
    for item in error.errors(include_url=False):
        if item["type"] == "extra_forbidden":
            inner = _without_branches(data, item["loc"])
            lines[inner] = _unknown_key(document, model, base, inner)
        elif item["type"] == "missing":
            inner = (*_without_branches(data, item["loc"][:-1]), item["loc"][-1])
            around = (*base, *inner[:-1])
            lines[inner] = (
                f"{document.where(around)}: {spell(around) or 'the file'} lacks the key {str(inner[-1])!r}: add it."
            )
        else:
            wrong.setdefault(_without_branches(data, item["loc"]), []).append(item)
    for inner, items in wrong.items():
        # Where text or a mapping is allowed and a mapping is given, what is wrong is inside it.
        inside = any(len(other) > len(inner) and other[: len(inner)] == inner for other in (*lines, *wrong))
        if not inside:
            loc = (*base, *inner)
            lines[inner] = f"{document.where(loc)}: {spell(loc) or 'the file'} {expected(items)}."
    ordered = sorted(lines, key=lambda inner: document.line((*base, *inner)))
    sentences = [lines[inner] for inner in ordered]
    if len(sentences) > MAX_PROBLEMS:
        sentences[MAX_PROBLEMS:] = [f"... and {len(sentences) - MAX_PROBLEMS} more."]
    return tuple(sentences)


def _unknown_key(document: Document, model: type[BaseModel], base: Loc, inner: Loc) -> str:
    loc, key = (*base, *inner), str(inner[-1])
    place = f" in {spell(loc[:-1])}" if loc[:-1] else ""
    hint = did_you_mean(key, _keys_at(model, inner[:-1]))
    return f"{document.where(loc, key=True)}: unknown key {key!r}{place}; {hint}"


def _part(data: Any, loc: Loc) -> Any:
    for part in loc:
        data = data[part]
    return data


def _without_branches(data: Any, loc: Loc) -> Loc:
    """Pydantic names the branch of a union in the way to an error; the file has no such part."""
    way: list[str | int] = []
    for part in loc:
        inside = isinstance(data, dict) and part in data
        if inside or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            data = data[part]
            way.append(part)
    return tuple(way)


def _keys_at(model: type[BaseModel], loc: Loc) -> list[str]:
    """The keys that a mapping at this place may have."""
    models: list[type[BaseModel]] = [model]
    for part in loc:
        if isinstance(part, int):
            continue
        models = [
            inner
            for outer in models
            if part in outer.model_fields
            for inner in _models_in(outer.model_fields[part].annotation)
        ]
    return sorted({key for found in models for key in found.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, tuple, list, dict, Annotated):
        return [model for argument in get_args(annotation) for model in _models_in(argument)]
    return []


def _describe(data: Any) -> str:
    if isinstance(data, list):
        return "a list"
    return "a single value" if not isinstance(data, str) else "a piece of text"
