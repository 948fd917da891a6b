"""What the code of a driver can reach beside the driver's own attributes: functions, what they name, closures, class attributes.

Only code of the author's own is followed: modules that are neither the standard library's nor installed beside it, and those of
the packages that the driver and its workload come from.
"""

from __future__ import annotations

import functools
import sys
from collections import deque
from collections.abc import Iterator
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from movable.explore.campaign import is_local
from movable.explore.instrument.class_swap import plain
from movable.introspection import vars_of

MAX_OBJECTS = 20_000
"""Objects that are looked at at most."""
CONTAINERS = (dict, list, tuple, set, frozenset, deque)
WRAPPERS: dict[type, tuple[str, ...]] = {
    MethodType: ("__func__", "__self__"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    property: ("fget", "fset", "fdel"),
    functools.partial: ("func", "args", "keywords"),
}
"""What stands around a function, and the attributes that lead on."""


class Reach:
    """A walk from some roots. ``functions`` and ``classes`` are those of the author's own that were met.

    ``cells`` leads from the id of a closure's variable to (name of its function, name of the variable, the variable).
    """

    def __init__(self, *roots: Any) -> None:
        self.functions: list[FunctionType] = []
        self.classes: list[type] = []
        self.cells: dict[int, tuple[str, str, CellType]] = {}
        self._tops = {_top(root) for root in roots} - {"movable", "builtins"}
        self._seen: dict[int, Any] = {}
        self._todo: deque[tuple[Any, str]] = deque()

    def own(self, module: str | None) -> bool:
        """Whether a module, by its name, is the author's."""
        if not isinstance(module, str) or module == "movable" or module.startswith("movable."):
            return False
        found = sys.modules.get(module)
        return module.partition(".")[0] in self._tops or (found is not None and is_local(found))

    def walk(self, value: Any, where: str) -> Iterator[tuple[str, Any]]:
        """Everything that can be reached from ``value`` and was not met before, as (where, what)."""
        self._todo.append((value, where))
        while self._todo and len(self._seen) < MAX_OBJECTS:
            value, where = self._todo.popleft()
            if id(value) not in self._seen:
                self._seen[id(value)] = value  # kept, so that no other object gets its number
                yield where, value
                self._open(value, where)

    def _open(self, value: Any, where: str) -> None:
        if isinstance(value, FunctionType):
            if self.own(value.__globals__.get("__name__")):  # a wrapper of somebody else's has the module of what it wraps
                self._function(value)
            elif hasattr(value, "__wrapped__"):
                self._todo.append((value.__wrapped__, where))
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, tuple(WRAPPERS)):
            names = next(names for kind, names in WRAPPERS.items() if isinstance(value, kind))
            self._todo.extend((getattr(value, name), where) for name in names)
        elif isinstance(value, CONTAINERS):
            self._container(value, where)
        elif isinstance(value, ModuleType):
            if self.own(value.__name__) and value.__name__ not in sys.modules:  # a driver that is a module, copied for its machine
                self._todo.extend((part, f"{value.__name__}.{name}") for name, part in vars(value).items())
        elif self.own(type(value).__module__):
            self._todo.extend((part, f"{where}.{name}") for name, part in vars_of(value).items())
            self._todo.append((plain(type(value)), ""))

    def _container(self, value: Any, where: str) -> None:
        # asking a container of the author's own class would run the author's code
        if isinstance(value, dict):
            self._todo.extend((part, f"{where}[{key!r}]") for key, part in dict.items(value))
        elif isinstance(value, list | tuple | deque):
            kind: Any = next(kind for kind in CONTAINERS if isinstance(value, kind))
            self._todo.extend((part, f"{where}[{number}]") for number, part in enumerate(kind.__iter__(value)))
        if self.own(type(value).__module__):
            self._todo.extend((part, f"{where}.{name}") for name, part in vars_of(value).items())

    def _class(self, cls: type) -> None:
        for one in cls.__mro__:
            if self.own(one.__module__) and one not in self.classes:
                self.classes.append(one)
                self._todo.extend((part, f"{one.__name__}.{name}") for name, part in vars(one).items())

    def _function(self, function: FunctionType) -> None:
        self.functions.append(function)
        home = short_name(function.__module__)
        for code in codes(function.__code__):
            for name in code.co_names:
                if name in function.__globals__:
                    value = function.__globals__[name]
                    self._todo.append((value, f"{home}.{name}"))
                    if isinstance(value, ModuleType) and self.own(value.__name__):
                        self._named_in(value, code)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            self.cells.setdefault(id(cell), (function.__qualname__, name, cell))
            try:
                self._todo.append((cell.cell_contents, f"{name} of {function.__qualname__}"))
            except ValueError:  # it has no value yet
                continue
        self._todo.extend((part, f"a default of {function.__qualname__}") for part in function.__defaults__ or ())
        self._todo.extend((part, f"{name} of {function.__qualname__}") for name, part in (function.__kwdefaults__ or {}).items())
        self._todo.extend((part, f"{function.__qualname__}.{name}") for name, part in vars(function).items())

    def _named_in(self, module: ModuleType, code: CodeType) -> None:
        names = vars(module)
        self._todo.extend((names[name], f"{short_name(module.__name__)}.{name}") for name in code.co_names if name in names)


def codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and those of the functions inside."""
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from codes(part)


def short_name(module: str) -> str:
    """A module's name for a reader: without its package, and without what the registry puts before a file's."""
    return module.rpartition(".")[2].removeprefix("movable_driver_")


def _top(thing: Any) -> str:
    name = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None) or type(thing).__module__
    return str(name).partition(".")[0]


__all__ = ["Reach", "codes", "short_name"]
