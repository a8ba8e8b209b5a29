"""Engine arguments of an entry as words of a command line."""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

_KEY = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")

Off = Literal["no-flag", "left out"]
"""How an engine is told that a switch is off: vLLM knows `--no-x`, others only the absence of `--x`."""


def option(key: str) -> str:
    """The one spelling of an option's name: `max_model_len` and `max-model-len` are the same."""
    head, dot, rest = key.partition(".")
    return head.replace("_", "-") + dot + rest


def options(engine_args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by option, sorted; what is null is left to the engine."""
    return {option(key): value for key, value in sorted(engine_args.items()) if value is not None}


def command_words(engine_args: Mapping[str, Any], off: Off) -> list[str]:
    """`--key value`, `--flag`, JSON for mappings, several words for a list of plain values.

    Args:
        engine_args: As the entry says them.
        off: What becomes of a `false`.
    """
    words: list[str] = []
    for key, value in options(engine_args).items():
        if value is True:
            words.append(f"--{key}")
        elif value is False:
            words += [f"--no-{key}"] if off == "no-flag" else []
        elif isinstance(value, (list, tuple)) and value and all(isinstance(item, (str, int, float)) for item in value):
            words += [f"--{key}", *(_text(item) for item in value)]
        else:
            words.append(f"--{key}")
            words.append(_text(value))
    return words


def argument_problems(model: str, engine_args: Mapping[str, Any], reserved: Mapping[str, str]) -> list[str]:
    """What is wrong with the arguments, each a sentence.

    Args:
        model: The entry's name.
        engine_args: As the entry says them.
        reserved: Options that are not the user's to set -> what to do instead.
    """
    problems: list[str] = []
    seen: dict[str, str] = {}
    for key in engine_args:
        if not _KEY.match(key):
            problems.append(
                f"Model {model}: `engine_args: {key}` is no option; write its name without dashes in front, "
                "like `max-model-len: 8192`."
            )
            continue
        name = option(key)
        if name in seen:
            problems.append(f"Model {model}: `engine_args` says {name} twice ({seen[name]}, {key}); keep one.")
        seen[name] = key
        if name in reserved:
            problems.append(f"Model {model}: `engine_args: {key}` is not for the entry to say; {reserved[name]}.")
    return problems


def whole_number(value: Any) -> int | None:
    """The value as a whole number above 0, None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    try:
        number = int(value)
    except ValueError:
        return None
    return number if number > 0 else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
