"""Reading a YAML or JSON file of bounded size into a `Document`."""

import json
from pathlib import Path
from typing import Any

import yaml

from vhb_shared.documents.base import Document
from vhb_shared.documents.nodes import Builder, Refused
from vhb_shared.errors import UserError

MAX_BYTES = 16 << 20
MAX_DEPTH = 200
"""Of lists and mappings within one another."""
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_document(path: Path, what: str = "file") -> Document:
    """Reads a YAML file, or a JSON one (by its suffix). Blocks.

    Args:
        path: the file.
        what: what it is to the user, for messages: "job file".

    Raises:
        UserError: missing, no file, too big, not text, malformed, a key given twice, nothing in it.
    """
    text = read_text(path, what)
    is_json = path.suffix.lower() == ".json"
    if is_json:
        _check_json(path, text)
        text = text.replace("\t", " ")  # allowed between JSON's tokens, not between YAML's
    document = _compose(path, text)
    if document.data is None:
        raise UserError(f"{path} is empty: expected a {what} with keys and values.")
    return document


def read_text(path: Path, what: str, max_bytes: int = MAX_BYTES) -> str:
    """A text file's content, without a byte order mark. Blocks.

    Raises:
        UserError: missing, no file, too big, not text.
    """
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder: name the {what} inside it.")
        if not path.exists():
            raise UserError(f"no {what} at {path}: check the path.")
        if not path.is_file():
            raise UserError(f"{path} is not an ordinary file: name a {what}.")
        if path.stat().st_size > max_bytes:
            raise UserError(f"{path} is larger than {max_bytes >> 20} MiB: is it really a {what}?")
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    if b"\0" in content[:4096] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path} is not a text file: expected a {what}.")
    try:
        encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: not UTF-8 text; save the {what} as UTF-8.") from error


def _check_json(path: Path, text: str) -> None:
    def refuse(constant: str) -> None:
        raise UserError(f"{path}: {constant} is not JSON; write a number or null.")

    try:
        json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        if not text.strip():
            return
        place = f"{path}, line {error.lineno}, column {error.colno}"
        raise UserError(f"{place}: malformed JSON: {error.msg[:1].lower()}{error.msg[1:]}.") from error
    except RecursionError as error:
        raise UserError(f"{path}: nested too deeply.") from error


def _compose(path: Path, text: str) -> Document:
    loader = _Loader(text)
    try:
        _check_depth(path, text)
        root = loader.get_single_node()
        if root is None:
            return Document(path, None)
        builder = Builder(loader)
        return Document(path, builder.build(root), builder.keys, builder.values)
    except Refused as error:
        raise UserError(f"{path}, line {error.mark.line}, column {error.mark.column}: {error}.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path)
        raise UserError(f"{place}: malformed YAML: {_reason(error, text)}.") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else 1
        raise UserError(f"{path}, line {line}: a character that text does not have (#x{error.character:x}).") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{path}: malformed YAML: {error or 'nested too deeply'}.") from error
    finally:
        loader.dispose()


def _check_depth(path: Path, text: str) -> None:
    """Before nodes are made, which takes a call (of C, without a guard) for each level."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise UserError(f"{path}, line {_line(event.start_mark)}: nested more than {MAX_DEPTH} deep.")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _reason(error: yaml.MarkedYAMLError, text: str) -> str:
    parts = [part for part in (error.problem, error.context) if part]
    hint = ""
    problem = error.problem or ""
    mark = error.problem_mark
    lines = text.splitlines()
    if mark and mark.line < len(lines) and "\t" in lines[mark.line][: mark.column + 1]:
        hint = "; indent with spaces, not tabs"
    elif "mapping values are not allowed" in problem:
        hint = "; check the indentation, or put a text with a colon in quotes"
    elif "could not find expected ':'" in problem or "did not find expected key" in problem:
        hint = "; check the indentation and the colon after each key"
    return ", ".join(parts) + hint


def _line(mark: Any) -> int:
    return int(mark.line) + 1 if mark is not None else 1
