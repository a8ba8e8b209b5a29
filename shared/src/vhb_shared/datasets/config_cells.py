"""What single cells of `user_config.csv` mean."""

import ast

from vhb_shared.datasets.table import nearest
from vhb_shared.errors import UserError

AGGREGATORS = ("by_id", "by_doc_question", "by_doc_type", "general")
_OLD_AGGREGATORS = {"overall": "general"}
_OLD_METRICS = {"em": "exact_match", "exactmatch": "exact_match", "rouge": "rouge_l"}
_LONGEST_LIST = 10_000
_TRUE = ("true", "1", "yes")
_FALSE = ("false", "0", "no", "")


def read_list(cell: str) -> tuple[str, ...]:
    """A Python list of texts, as `['CER']`; an empty cell is an empty one.

    Raises:
        UserError: anything else.
    """
    text = cell.strip()
    if not text:
        return ()
    expected = f"expected a list such as ['CER'], found {text[:60]!r}"
    if len(text) > _LONGEST_LIST:  # ast builds objects many times the size of the text
        raise UserError(expected)
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        raise UserError(expected) from None
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) and item.strip() for item in value):
        raise UserError(expected)
    return tuple(item.strip() for item in value)


def read_flag(cell: str) -> bool:
    """True or False; an empty cell is False.

    Raises:
        UserError: anything else.
    """
    text = cell.strip().lower()
    if text not in _TRUE + _FALSE:
        raise UserError(f"expected True or False, found {cell[:60]!r}")
    return text in _TRUE


def read_metrics(cell: str) -> tuple[str, ...]:
    """Metric ids: lower case, older names replaced, each once.

    Raises:
        UserError: no list.
    """
    names = [name.lower().replace(" ", "_").replace("-", "_") for name in read_list(cell)]
    return tuple(dict.fromkeys(_OLD_METRICS.get(name, name) for name in names))


def read_aggregators(cell: str) -> tuple[str, ...]:
    """Aggregators: older names replaced, each once.

    Raises:
        UserError: no list, or a name that is none.
    """
    names = [_OLD_AGGREGATORS.get(name.lower(), name.lower()) for name in read_list(cell)]
    for name in names:
        if name not in AGGREGATORS:
            raise UserError(
                f'unknown aggregator "{name}"; there are: {", ".join(AGGREGATORS)}{nearest(name, AGGREGATORS)}'
            )
    return tuple(dict.fromkeys(names))


def read_filter(cell: str) -> tuple[str, ...]:
    """One value, or a list of them; an empty cell lets everything pass.

    Raises:
        UserError: a list that is broken.
    """
    text = cell.strip()
    return read_list(text) if text.startswith("[") else ((text,) if text else ())
