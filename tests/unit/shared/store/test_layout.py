"""Keys of object storage: what lies where is known to all who show or free it."""

import inspect

from vhb_shared.store import layout


def test_every_key_begins_with_a_prefix_that_is_named() -> None:
    made = set()
    for name, function in inspect.getmembers(layout, inspect.isfunction):
        if name == "file_name":
            continue
        kinds = {parameter: 1 if what.annotation is int else "x" for parameter, what in _parameters(function)}
        made.add(function(**kinds).partition("/")[0])
    assert made == set(layout.PREFIXES)


def _parameters(function: object) -> list[tuple[str, inspect.Parameter]]:
    return list(inspect.signature(function).parameters.items())  # type: ignore[arg-type]
