"""What a pydantic error means, in words for people."""

from typing import Any

_LONGEST = 60
_WHOLE = "should be a whole number"
_SHOULD = "should be "
_FIXED = {
    "string_type": "should be text (put it in quotes)",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": "is too large a number",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "finite_number": "should be a finite number",
    "dict_type": "should be keys and values",
    "model_type": "should be keys and values",
    "model_attributes_type": "should be keys and values",
    "tuple_type": "should be a list",
    "list_type": "should be a list",
    "none_required": "should be left out",
    "string_too_short": "should not be empty",
    "too_short": "should not be empty",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "{} or more"),
    "greater_than": ("gt", "above {}"),
    "less_than_equal": ("le", "{} or less"),
    "less_than": ("lt", "below {}"),
}
_SAYS_ENOUGH = ("string_too_short", "too_short", "string_too_long", "too_long")


def expected(errors: list[Any]) -> str:
    """The rest of a sentence that begins with what is wrong.

    Args:
        errors: items of `ValidationError.errors()` about one value; several where it may have several forms.
    """
    phrases = list(dict.fromkeys(_phrase(error) for error in errors))
    first = errors[0]
    if len(phrases) > 1 and all(phrase.startswith(_SHOULD) for phrase in phrases):
        phrases = [_SHOULD + " or ".join(phrase.removeprefix(_SHOULD).split(" (")[0] for phrase in phrases)]
    # A key pasted where the name of a variable belongs must not end up in a log.
    hidden = "api_key_env" in first["loc"] or first["type"] in _SAYS_ENOUGH
    return phrases[0] if hidden else f"{phrases[0]}, not {_show(first.get('input'))}"


def _phrase(error: Any) -> str:
    kind, context, loc = error["type"], error.get("ctx", {}), error["loc"]
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return _SHOULD + words.format(_bound(context[name]))
    if kind == "literal_error":
        return f"{_SHOULD}{context['expected']}"
    if kind in ("string_too_long", "too_long"):
        return f"is too long: at most {context['max_length']} are allowed"
    if kind == "string_pattern_mismatch":
        if "api_key_env" in loc:
            return "should be the name of an environment variable, never a key itself"
        if "name" in loc:
            return "should be a name without slashes, backslashes and line breaks"
        return f"should match {context['pattern']}"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"is wrong: {message[:1].lower()}{message[1:]}"


def _bound(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, (list, tuple)):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...{text[:1]}"
