"""Finds and makes the metric."""

import importlib
from typing import Any

from vhb_metric_worker.errors import Problem, raised


def load(target: str, options: "dict[str, Any]") -> Any:
    """The object that scores.

    Args:
        target: `module:Object`; a class (or a function that makes one) is called with the options as keywords, an
            object that has `score` already is taken as it is.
        options: of the job, over the entry's defaults.

    Raises:
        Problem: it cannot be imported or made, or has no `score`.
    """
    module, _, path = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
        if isinstance(found, type) or not hasattr(found, "score"):
            found = found(**options)
    except BaseException as error:  # foreign code may even call sys.exit
        if isinstance(error, KeyboardInterrupt):
            raise
        raise raised("import_failed", error) from error
    if not callable(getattr(found, "score", None)):
        raise Problem("import_failed", f"{target} has no method `score(samples)`")
    return found
