"""Scheduling points for plain Python objects: reads and writes of their attributes and containers, the source untouched.

A watched object gets a subclass of its class (classes.py), and so does every dict, list, set, deque and buffer that it holds
(containers.py, buffers.py). They stay the same objects (class_swap.py), so every variable that holds one sees the same thing.
``self.count += 1`` then is a read point and a write point, as in C.

Names of locations must not depend on the schedule. What exists when an object is watched is named by its path; what a task
makes later is named by the task and a number of its own.
"""

import datetime
import decimal
import fractions
import functools
import logging
import pathlib
import re
import struct
import types
import weakref
from collections.abc import Callable, Hashable
from enum import Enum
from typing import Any, Protocol

from movable.explore.instrument.class_swap import HEAP, plain, swap
from movable.explore.instrument.classes import WRAPPED, Vars, attributes, hooked, mixin, unhookable
from movable.explore.instrument.containers import BOXES, Container, begin
from movable.explore.instrument.python import require_known

_FIXED: tuple[type, ...] = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType, type, types.MethodWrapperType,
    type(__import__("threading").Lock()), type(__import__("threading").RLock()),
)  # fmt: skip
_PLAIN = (int, str, bytes, float, bool, type(None), Enum)
_ATOMS = frozenset(_PLAIN[:-1])
_NO_PLANS: dict[type, Any] = dict.fromkeys(_PLAIN[:-1])
_ADDRESS = 1 << 20  # where no object is
UNCHANGING = (
    complex, range, slice, decimal.Decimal, fractions.Fraction, datetime.date, datetime.time, datetime.timedelta,
    datetime.tzinfo, pathlib.PurePath, re.Pattern, struct.Struct, weakref.ref, types.GenericAlias, type(NotImplemented), type(...),
    logging.Logger,
)  # fmt: skip


class Points(Protocol):
    """The part of a scheduler that hooks need."""

    @property
    def current(self) -> str: ...

    def point(self, op: str, key: Hashable) -> None: ...


class Seen:
    """A watched object: its name, and the location of each attribute (None: taken for constant)."""

    __slots__ = ("keys", "name", "obj")

    def __init__(self, obj: object, name: str) -> None:
        self.obj = obj
        self.name = name
        self.keys: dict[str, str | None] = {}


State = tuple[Any, ...]
"""What `Hooks.put_back` needs."""


class Hooks:
    """The hooks of one execution; make one in each set-up.

    Parameters: ``scheduler``; ``foreign``, types whose objects are never looked into; ``fixed``, types of which a reference found
    at `watch` is taken for constant and gives no points (functions, classes, modules and thread locks always are);
    ``follow``, says of a class whether its objects are watched too when they are stored in a watched place (default: classes
    of the modules that watched objects come from); ``label``, names an object that serves as a dict key or set element, from
    which its location is named (None: the access counts for the whole container); ``closures``, whether to hook what is
    reached only through the variables that a stored function shares with the code around it. Raises ExploreError in a Python
    whose objects are not known from tests.

    ``unwatched_kinds`` lists (name, type) of what was found in watched places, may change, and gives no points.
    """

    def __init__(
        self,
        scheduler: Points,
        *,
        foreign: tuple[type, ...] = (),
        fixed: tuple[type, ...] = (),
        follow: Callable[[type], bool] | None = None,
        label: Callable[[object], Hashable] | None = None,
        closures: bool = False,
    ) -> None:
        require_known()
        self.point = self.to(scheduler)
        self.seen: dict[int, Seen] = {}
        self._scheduler = scheduler
        self._foreign = foreign + fixed
        self._fixed = fixed + _FIXED
        self._kept: tuple[type, ...] = (*_PLAIN, *self._fixed, *self._foreign, BaseException)
        self._follow = follow or (lambda cls: cls.__module__ in self._modules)
        self._label = label
        self._closures = closures
        self._modules: set[str] = set()
        self._made: dict[str, int] = {}
        self.unwatched_kinds: list[tuple[str, str]] = []
        self._keys = begin(scheduler)
        self._plans: dict[type, Callable[[Any, str], Any] | None] = _NO_PLANS.copy()
        self._classes: set[type] = set()
        self._class_level: set[tuple[type, str]] = set()
        self._looked: dict[int, Any] = {}  # functions and the like whose parts are hooked
        self._loose: list[tuple[str, str, Callable[[], Any], Any]] = []  # (name, kind, how to look, what was there)
        self._hidden: list[tuple[str, Any]] = []

    def watch(self, obj: Any, name: str) -> Any:
        """Hook ``obj`` under ``name``, and what it holds; return it. Raises ExploreError when its class cannot be hooked."""
        self._modules.add(plain(type(obj)).__module__)
        self._install(obj, name)
        return obj

    def release(self) -> None:
        """Give everything that is watched its own class back."""
        for key in self._keys:
            box = BOXES.pop(key, None)
            if box is not None and id(box[2]) not in self.seen:
                swap(box[2], plain(type(box[2])), builtin=True)
        self._keys.clear()
        for seen in self.seen.values():
            swap(seen.obj, plain(type(seen.obj)), builtin=isinstance(seen.obj, types.SimpleNamespace))
        self.seen.clear()

    def to(self, scheduler: Points) -> Callable[[str, Hashable], object]:
        """Where points go."""
        return scheduler.point

    def state(self) -> "State":
        """What these hooks know now, for `put_back`."""
        boxes = {key: BOXES[key] for key in self._keys if key in BOXES}
        known = (dict(self.seen), dict(self._made), dict(self._looked), boxes)
        return *known, list(self.unwatched_kinds), set(self._class_level), list(self._loose), list(self._hidden)

    def put_back(self, state: "State", scheduler: Points) -> None:
        """The same hooks for another execution, in which every object is as it was when ``state`` was taken."""
        seen, made, looked, boxes, unwatched, class_level, loose, hidden = state
        self.point = self.to(scheduler)
        self._scheduler = scheduler
        self.seen, self._made, self._looked = dict(seen), dict(made), dict(looked)
        self.unwatched_kinds, self._class_level = list(unwatched), set(class_level)
        self._loose, self._hidden = list(loose), list(hidden)
        self._keys = begin(scheduler)
        self._keys.update(boxes)
        BOXES.update(boxes)
        for cls in self._classes:
            hooked(cls)[1].hooks = self

    def check(self) -> None:
        """Note what was not watched although it may change, or did; call it after a run."""
        for name, kind, look, before in self._loose:
            after = look()
            if after is not before and after != before:
                self.unwatched_kinds.append((name, kind))
        for name, value in self._hidden:
            box = BOXES.get(id(value))
            if (box is None or box[0] is not self) and id(value) not in self.seen:
                self._unknown(value, name)
        self._loose.clear()
        self._hidden.clear()

    def adopt(self, value: Any, where: str) -> Any:
        """Hook what is stored in ``where``: objects and containers in place. Return what to store, which is ``value`` but for a
        method of a container that was taken before the container was hooked.
        """
        kind = type(value)
        try:
            plan = self._plans[kind]
        except KeyError:
            plan = self._plans[kind] = self._plan(kind)
        return value if plan is None else plan(value, where)

    def sub(self, key: Any) -> Hashable:
        """The stable name of a dict key or set element; None when it has none."""
        kind = type(key)
        if kind is int and key >= _ADDRESS and key in self.seen:
            return ("id", self.seen[key].name)  # the address itself is another one in the next execution
        if kind is int or kind is str or isinstance(key, _PLAIN):
            return (key,) if key is None else key
        if isinstance(key, tuple):
            parts = tuple(self.sub(part) for part in key)
            return None if None in parts else parts
        equal: Any = kind.__eq__
        if self._label is None or equal is not object.__eq__:  # two that are equal would have two names
            return None
        return self._label(key)

    def _name(self, where: str, what: str) -> str:
        task = self._scheduler.current
        made = self._made
        if task == "main":  # set-up
            nth = made[where] = made.get(where, 0) + 1
            return where if nth == 1 else f"{where}#{nth}"
        nth = made[task] = made.get(task, 0) + 1
        return f"{what}@{task}.{nth}"

    def keep(self, container: Any, base: Any) -> bool:
        """Note a hooked container under the location of its whole; False when it has one already."""
        key = id(container)
        box = BOXES.get(key)
        if box is not None and box[0] is self:
            return False
        self._keys.add(key)
        BOXES[key] = (self, base, container)
        return True

    def touch(self, op: str, seen: Seen, attr: str) -> str:
        """A point for an attribute of a watched object; return where it is."""
        where = f"{seen.name}.{attr}"
        key = seen.keys.setdefault(attr, where)
        if key is not None:
            self.point(op, key)
        return where

    def exchange(self, obj: Any, attrs: Any) -> None:
        """The points, and the hooks, of ``obj.__dict__ = attrs``."""
        seen = self.seen.get(id(obj))
        if seen is None:
            return
        for attr in [*dict(attributes(obj, [])), *attrs]:
            self.touch("w", seen, attr)
        for attr, value in list(attrs.items()):
            attrs[attr] = self.adopt(value, f"{seen.name}.{attr}")

    def _plan(self, kind: type) -> Callable[[Any, str], Any] | None:
        """How to hook objects of a class; None: not at all."""
        if kind is Vars or issubclass(kind, self._foreign):
            return None
        if plain(kind) in WRAPPED:
            return self._contain
        if issubclass(kind, tuple | frozenset):
            return self._parts
        by_type = {
            types.FunctionType: self._function, types.BuiltinFunctionType: self._method, types.MethodType: self._method,
            functools.partial: self._partial,
        }  # fmt: skip
        if kind in by_type:
            return by_type[kind]
        if issubclass(kind, self._kept):
            return None
        cls = plain(kind)
        if getattr(getattr(cls, "__dataclass_params__", None), "frozen", False):
            return self._frozen
        if issubclass(kind, types.SimpleNamespace) or mixin(kind) is not None or (cls.__flags__ & HEAP and self._follow(cls)):
            return self._object
        return None if cls is object or issubclass(kind, UNCHANGING) else self._unknown

    def _contain(self, value: Any, where: str) -> Any:
        box = BOXES.get(id(value))
        if (box is not None and box[0] is self) or (type(value) is dict and "__builtins__" in value):  # the names of a module
            return value
        self._take(value, self._name(where, where.partition("@")[0]))
        return value

    def _take(self, value: Any, name: str) -> None:
        if type(value) in WRAPPED:
            swap(value, WRAPPED[type(value)], builtin=True)
        base = f"{name}[]"
        if self.keep(value, base):
            value.take_in(lambda part: self.adopt(part, base))

    def _parts(self, value: Any, where: str) -> Any:
        for part in value:
            if type(part) not in _ATOMS:
                self.adopt(part, where)
        return value

    def _frozen(self, value: Any, where: str) -> Any:
        for attr in type(value).__dataclass_fields__ if self._first(value) else ():
            self.adopt(getattr(value, attr, None), f"{where}.{attr}")
        return value

    def _first(self, value: Any) -> bool:
        """Whether this is the first look at an object, which may be among its own parts."""
        if id(value) in self._looked:
            return False
        self._looked[id(value)] = value
        return True

    def _function(self, value: Any, where: str) -> Any:
        cells = value.__closure__
        if cells and self._first(value):
            for name, cell in zip(value.__code__.co_freevars, cells, strict=True):
                self._variable(cell, f"{where}.{name}")
        return value

    def _variable(self, cell: types.CellType, name: str) -> None:
        """A variable that a function shares with the one around it."""
        try:
            content = cell.cell_contents
        except ValueError:  # not set yet
            return
        if type(content) in _ATOMS:
            self._loose.append((name, "variable of a closure", lambda: cell.cell_contents, content))
            return
        if not self._closures:
            if self._plan(type(content)) in (self._contain, self._object):
                self._hidden.append((name, content))
            return
        adopted = self.adopt(content, name)
        if adopted is not content:
            cell.cell_contents = adopted

    def _method(self, value: Any, where: str) -> Any:
        owner = value.__self__
        self.adopt(owner, f"{where}.self")
        if isinstance(value, types.BuiltinFunctionType) and isinstance(owner, Container):
            return getattr(owner, value.__name__)
        return value

    def _partial(self, value: Any, where: str) -> Any:
        func = self.adopt(value.func, where)
        self._parts((*value.args, *value.keywords.values()), where)
        if func is value.func:
            return value
        return functools.partial(func, *value.args, **value.keywords)

    def _object(self, value: Any, where: str) -> Any:
        if id(value) not in self.seen:
            self._install(value, self._name(where, type(value).__name__))
        return value

    def _unknown(self, value: Any, where: str) -> Any:
        kind = plain(type(value))
        found = (where, kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}")
        if found not in self.unwatched_kinds:
            self.unwatched_kinds.append(found)
        return value

    def _install(self, obj: Any, name: str) -> None:
        if id(obj) in self.seen:
            return
        cls = plain(type(obj))
        made, cell = hooked(cls)
        try:
            swap(obj, made, builtin=isinstance(obj, types.SimpleNamespace))
        except TypeError as error:
            raise unhookable(f"{name}: objects of {cls.__name__}", error) from error
        cell.hooks = self
        seen = self.seen[id(obj)] = Seen(obj, name)
        if isinstance(obj, Container):
            self._take(obj, name)
        for attr, value in list(attributes(obj, cell.slots)):
            if isinstance(value, self._fixed):
                seen.keys[attr] = None
            adopted = self.adopt(value, f"{name}.{attr}")
            if adopted is not value:
                object.__setattr__(obj, attr, adopted)
        if cls not in self._classes:
            self._classes.add(cls)
            for base, attr in cell.kept:
                self._of_a_class(base, attr)

    def _of_a_class(self, base: type, attr: str) -> None:
        """What a class of a watched object holds: containers and objects are hooked, of the rest a change is noted."""
        if (base, attr) in self._class_level or not self._follow(base):
            return
        self._class_level.add((base, attr))
        value = vars(base).get(attr)
        name = f"class {base.__name__}.{attr}"
        if type(value) in _ATOMS:
            self._loose.append((name, "attribute of a class", lambda: vars(base).get(attr), value))
        elif plain(type(value)) in WRAPPED:
            self._take(value, name)  # one name, whoever is the first to come here
        elif self._follow(plain(type(value))) and self._plan(type(value)) == self._object:
            self._install(value, name)
