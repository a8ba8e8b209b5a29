"""Modules that a library imports for what we seldom or never use: loaded when something of them is first touched."""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from threading import RLock
from types import ModuleType
from typing import Any


class _Deferred(ModuleType):
    """Stands for a package until an attribute is asked for; then it becomes that package, being the same object.

    Not `importlib.util.LazyLoader`: the import statement itself looks at `__spec__`, which makes that one load at once.
    """

    def __init__(self, spec: ModuleSpec) -> None:
        super().__init__(spec.name)
        self.__spec__ = spec
        self.__file__ = spec.origin
        self.__loader__ = spec.loader
        self.__package__ = spec.name
        self._lock = RLock()
        self._loading = False

    def __getattr__(self, name: str) -> Any:
        spec = self.__spec__
        assert spec is not None and spec.loader is not None
        with self._lock:
            if type(self) is _Deferred and not self._loading:
                self._loading = True
                # Until here nobody could import its submodules behind its back.
                self.__path__ = spec.submodule_search_locations or []
                spec.loader.exec_module(self)
                self.__class__ = ModuleType  # type: ignore[assignment]
        try:
            return self.__dict__[name]
        except KeyError:
            raise AttributeError(f"module {spec.name!r} has no attribute {name!r}") from None


def defer(*packages: str) -> None:
    """Makes the next `import PACKAGE` of top-level packages free; the first access to an attribute loads it.

    For packages whose importer only keeps a reference. What is loaded already, or not installed, is left alone.
    """
    for name in packages:
        spec = find_spec(name) if name not in sys.modules else None
        if spec is not None and spec.loader is not None:
            sys.modules[name] = _Deferred(spec)
