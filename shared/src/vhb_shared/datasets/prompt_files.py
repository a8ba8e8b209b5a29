"""Reading prompt collections (CSV, JSON, YAML) and system prompts kept in text files."""

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from vhb_shared.contracts.job import PromptSet
from vhb_shared.datasets.table import nearest, read_table
from vhb_shared.errors import UserError

_TEXT_SUFFIXES = (".txt", ".md")
_MAX_BYTES = 64 * 1024 * 1024
_CONFIG_KEYS = ("system_prompt", "user_prompt", "fixed_prompt", "fixed_system_prompt", "type_mapping")


def read_prompts(path: Path) -> PromptSet:
    """Reads a prompt collection. Blocks: call it in a thread.

    `.csv`/`.tsv`: `prompt;doc_class_question_type[;cer]`. `.json`/`.yaml`: `prompt_config{...}` of the earlier tool, or
    the fields of `PromptSet`. `.txt`/`.md`: one prompt for all samples.

    Raises:
        UserError: no such file, not of this form, a key twice.
    """
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return _from_table(path)
    if suffix in (".json", ".yaml", ".yml"):
        return _from_mapping(path, _load(path))
    if suffix in _TEXT_SUFFIXES:
        return PromptSet(user_prompt=read_text(path))
    raise UserError(f"{path}: prompts are read from .csv, .json, .yaml, .yml, .txt or .md; rename or convert the file")


def read_system_prompt(value: str, *folders: Path) -> str:
    """A system prompt as given, or the whole text file that it names.

    A single line is a file name when such a file exists in one of the folders, or when it is one word that ends in
    .txt or .md.

    Raises:
        UserError: the file it names does not exist or is no text.
    """
    name = value.strip()
    if not name or "\n" in name or not name.lower().endswith(_TEXT_SUFFIXES):
        return value
    for folder in folders or (Path(),):
        if (folder / name).is_file():
            return read_text(folder / name)
    if any(character.isspace() for character in name):
        return value
    places = ", ".join(str(folder) for folder in folders or (Path(),))
    raise UserError(f'system prompt file "{name}" is not there (looked in {places}); check its name')


def read_text(path: Path) -> str:
    """A whole text file, UTF-8 with or without BOM.

    Raises:
        UserError: not there, too big, or not UTF-8 (which line).
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UserError(f"{path}: bigger than {_MAX_BYTES >> 20} MiB; expected a text")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: is not UTF-8; save it as UTF-8") from error
    if "\0" in text:
        raise UserError(f"{path}, line {text.count(chr(10), 0, text.index(chr(0))) + 1}: holds a NUL byte; not a text")
    return text


def _from_table(path: Path) -> PromptSet:
    columns = ("prompt", "doc_class_question_type", "cer")
    prompts: dict[str, str] = {}
    lines: dict[str, int] = {}
    problems: list[str] = []
    for row in read_table(path, columns=columns, required=columns[:2]):
        if row.problem is not None:
            problems.append(f"{path}, line {row.line}: {row.problem}")
            continue
        key, prompt = row.cells["doc_class_question_type"].strip(), row.cells["prompt"]
        if not prompt.strip():
            problems.append(f"{path}, line {row.line}, column prompt: expected a prompt, found an empty cell")
        elif key in prompts and prompts[key] != prompt:
            problems.append(
                f'{path}, line {row.line}, column doc_class_question_type: "{key}" has another prompt in line '
                f"{lines[key]} already; keep one"
            )
        prompts.setdefault(key, prompt)
        lines.setdefault(key, row.line)
    if problems:
        raise UserError(problems[0], problems=tuple(problems[:20]))
    if not prompts:
        raise UserError(f"{path}: no prompt below the header")
    return PromptSet(by_class_question=prompts)


def _load(path: Path) -> Any:
    text = read_text(path)
    try:
        return json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}, line {error.lineno}, column {error.colno}: malformed JSON ({error.msg})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise UserError(f"{path}{place}: malformed YAML ({getattr(error, 'problem', None) or error})") from error
    except RecursionError as error:
        raise UserError(f"{path}: nested too deeply; expected the fields of a prompt collection") from error


def _from_mapping(path: Path, content: Any) -> PromptSet:
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a mapping with prompt_config, or the fields of a prompt collection")
    if "prompt_config" in content:
        content = content["prompt_config"]
        if not isinstance(content, dict):
            raise UserError(f"{path}: prompt_config: expected a mapping with {', '.join(_CONFIG_KEYS)}")
    if "type_mapping" in content and "by_class" not in content:
        content = {"by_class" if key == "type_mapping" else key: value for key, value in content.items()}
    # The earlier tool writes what is unset as null or as an empty text.
    filled = {key: value for key, value in content.items() if value is not None}
    try:
        return with_system_files(PromptSet.model_validate(filled), path.parent)
    except ValidationError as error:
        problems = tuple(_sentence(path, detail) for detail in error.errors())
        raise UserError(problems[0], problems=problems) from error


def with_system_files(prompts: PromptSet, folder: Path) -> PromptSet:
    """The same collection with system prompts that name a file (`read_system_prompt`) replaced by its text. Blocks.

    Raises:
        UserError: a file that is named does not exist or is no text.
    """

    def read(value: str | None) -> str | None:
        return None if value is None else read_system_prompt(value, folder)

    by_class = {
        name: pair.model_copy(update={"system_prompt": read(pair.system_prompt)})
        for name, pair in prompts.by_class.items()
    }
    return prompts.model_copy(
        update={
            "system_prompt": read(prompts.system_prompt),
            "fixed_system_prompt": read(prompts.fixed_system_prompt),
            "by_class": by_class,
        }
    )


def _sentence(path: Path, detail: Any) -> str:
    place = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = (*PromptSet.model_fields, "type_mapping")
        return f'{path}: unknown key "{place}"{nearest(str(detail["loc"][-1]), known)}'
    return f"{path}: {place}: {detail['msg']}"
