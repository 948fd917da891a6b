"""Hooking subclasses: an object that is given one announces reads and writes of its attributes.

One subclass per class, made once: making a class costs as much as an execution.
"""

from __future__ import annotations

import functools
import sys
import types
from array import array
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from movable.explore.failure import ExploreError
from movable.explore.instrument.buffers import HookedArray, HookedBytearray
from movable.explore.instrument.class_swap import HEAP, ORIGINAL, plain, swap
from movable.explore.instrument.containers import (
    BOXES,
    Container,
    HookedDefaultDict,
    HookedDeque,
    HookedDict,
    HookedList,
    HookedOrderedDict,
    HookedSet,
)  # fmt: skip
from movable.explore.instrument.heapq_calls import teach

if TYPE_CHECKING:
    from movable.explore.instrument.hooks import Hooks

WRAPPED: dict[type, Any] = {
    dict: HookedDict, defaultdict: HookedDefaultDict, OrderedDict: HookedOrderedDict, list: HookedList, set: HookedSet,
    deque: HookedDeque, array: HookedArray, bytearray: HookedBytearray,
}  # fmt: skip
"""Plain container -> hooked type."""

_hooked: Any
for _raw, _hooked in WRAPPED.items():
    ORIGINAL[_hooked] = _raw
    _hooked.__name__ = _hooked.__qualname__ = _raw.__name__  # some show it when they are printed

_CODE = (types.FunctionType, classmethod, staticmethod, property, types.GetSetDescriptorType, types.MemberDescriptorType, type)


def _special(attr: str) -> bool:
    return attr.startswith("__") and attr.endswith("__")


class Cell:
    """What a hooking class knows.

    ``hooks``, of the execution that last watched one of its objects; ``slots``, of these objects; ``kept``, the (class, name) of
    what the classes themselves hold and may change.
    """

    __slots__ = ("data", "hooks", "kept", "slots")

    def __init__(self, cls: type) -> None:
        self.hooks: Hooks | None = None
        self.data: dict[str, bool] = {}
        members = [(base, name, member) for base in cls.__mro__ if base.__flags__ & HEAP for name, member in vars(base).items()]
        self.slots = [member for _, _, member in members if isinstance(member, types.MemberDescriptorType)]
        self.kept = [(base, name) for base, name, value in members if not isinstance(value, _CODE) and not _special(name)]


_classes: dict[type, tuple[type, Cell]] = {}


def hooked(cls: type) -> tuple[type, Cell]:
    """The hooking subclass of a class as written. Raises ExploreError when it cannot be made."""
    found = _classes.get(cls)
    if found is None:
        try:
            found = _subclass(cls)
            teach(sys.modules.get(cls.__module__))
        except Exception as error:
            raise unhookable(f"objects of {cls.__name__}", error) from error
        _classes[cls] = found
        ORIGINAL[found[0]] = cls
    return found


def unhookable(what: str, error: Exception) -> ExploreError:
    """What to say of a class that cannot be hooked."""
    return ExploreError(f"{what} cannot be hooked ({error}); declare the class foreign")


def mixin(cls: type) -> Any:
    """The hooked type that serves a class derived from a container; None for other classes."""
    return next((WRAPPED[base] for base in cls.__mro__ if base in WRAPPED), None)


def attributes(obj: Any, slots: list[types.MemberDescriptorType]) -> Iterator[tuple[str, Any]]:
    """The data attributes of an object, from its dict and its slots, without points."""
    try:
        yield from list(dict.items(object.__getattribute__(obj, "__dict__")))
    except AttributeError:
        pass
    for member in slots:
        try:
            yield member.__name__, member.__get__(obj)
        except AttributeError:  # an empty slot
            continue


def _is_data(cls: type, attr: str) -> bool:
    """Whether an attribute is state: not special, and not code found on the class."""
    if _special(attr):
        return attr == "__dict__"
    for base in cls.__mro__:
        if attr in vars(base):
            value = vars(base)[attr]
            return isinstance(value, types.MemberDescriptorType | functools.cached_property) or not (
                hasattr(type(value), "__get__") or isinstance(value, type)
            )
    return True


class Vars(dict[str, Any]):
    """The ``__dict__`` of a watched object, once somebody has asked for it: its items are the attributes.

    Walking the names gives no points, so ``dict(vars(obj))`` gives none.
    """

    __slots__ = ()
    __class__ = property(lambda self: dict)

    def _at(self, op: str, key: str) -> Any:
        """Announce an attribute; return the hooks and its location."""
        box = BOXES.get(id(self))
        if box is None:
            return None, key
        return box[0], box[0].touch(op, box[1], key)

    def _all(self) -> None:
        for key in list(dict.keys(self)):
            self._at("r", key)

    def __getitem__(self, key: str) -> Any:
        self._at("r", key)
        return dict.__getitem__(self, key)

    def get(self, key: str, default: Any = None) -> Any:
        """As dict.get."""
        self._at("r", key)
        return dict.get(self, key, default)

    def __contains__(self, key: object) -> bool:
        self._at("r", str(key))
        return dict.__contains__(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        hooks, where = self._at("w", key)
        dict.__setitem__(self, key, value if hooks is None else hooks.adopt(value, where))

    def __delitem__(self, key: str) -> None:
        self._at("w", key)
        dict.__delitem__(self, key)

    def pop(self, key: str, *default: Any) -> Any:
        """As dict.pop."""
        self._at("w", key)
        return dict.pop(self, key, *default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """As dict.setdefault."""
        hooks, where = self._at("w", key)
        return dict.setdefault(self, key, default if hooks is None else hooks.adopt(default, where))

    def update(self, *others: Any, **more: Any) -> None:
        """As dict.update."""
        for key, value in dict(*others, **more).items():
            self[key] = value

    def items(self) -> Any:
        """As dict.items."""
        self._all()
        return dict.items(self)

    def values(self) -> Any:
        """As dict.values."""
        self._all()
        return dict.values(self)

    def copy(self) -> Any:
        """As dict.copy."""
        self._all()
        return dict.copy(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return (dict, (self.copy(),))


ORIGINAL[Vars] = dict


def _vars_of(hooks: Hooks, obj: object, found: Any) -> Any:
    """Make the ``__dict__`` of a watched object announce what it is asked."""
    seen = hooks.seen.get(id(obj))
    if seen is not None and type(found) in (dict, Vars):
        swap(found, Vars, builtin=True)
        hooks.keep(found, seen)
    return found


class _Quiet:
    """Stands before a class in the order of inheritance, while its author's code should not hear of a new subclass."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        pass


def _metaclass(cls: type, cell: Cell) -> Any:
    """The class of the hooking class: ``type(obj).attr = value`` goes to the class as written, and says so."""

    def announce(attr: str) -> str:
        key = f"class {cls.__name__}.{attr}"
        if cell.hooks is not None:
            cell.hooks.point("w", key)
        return key

    def __setattr__(made: type, attr: str, value: Any) -> None:
        if _special(attr):  # Python's own notes
            type.__setattr__(made, attr, value)
            return
        key = announce(attr)
        setattr(cls, attr, value if cell.hooks is None else cell.hooks.adopt(value, key))

    def __delattr__(made: type, attr: str) -> None:
        announce(attr)
        delattr(cls, attr)

    body: dict[str, Any] = {"__setattr__": __setattr__, "__delattr__": __delattr__}
    if any("__init_subclass__" in vars(base) for base in cls.__mro__[:-1]):
        body["mro"] = lambda made: [made, _Quiet, *type.mro(made)[1:]]
    return type.__new__(type, type(cls).__name__, (type(cls),), body)


def _subclass(cls: type) -> tuple[type, Cell]:
    """Make the hooking subclass, without a word to the author's metaclass and ``__init_subclass__``."""
    cell = Cell(cls)
    contained = mixin(cls)
    body = {
        "__slots__": (),
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        # dataclasses and the like compare `other.__class__`; type(obj) still tells the truth
        "__class__": property(lambda self: cls),
        **_attribute_hooks(cls, cell),
        **_copying(cls, cell),
    }
    if cls.__hash__ is not None:
        body["__hash__"] = cls.__hash__
    if contained is not None and not any("__copy__" in vars(base) for base in cls.__mro__ if base.__flags__ & HEAP):
        body["__copy__"] = None  # a copy is of the class as written: by way of __reduce_ex__
    bases = (cls,) if contained is None else (cls, contained)
    made: type = type.__new__(_metaclass(cls, cell), cls.__name__, bases, body)
    return made, cell


def _locating(cls: type, cell: Cell) -> Callable[[Any, str], str | None]:
    """The function that says where an attribute is; None for what is no state of a watched object."""
    data = cell.data

    def location(self: Any, attr: str) -> str | None:
        is_data = data.get(attr)
        if is_data is None:
            is_data = data[attr] = _is_data(cls, attr)
        hooks = cell.hooks
        seen = hooks.seen.get(id(self)) if is_data and hooks is not None else None
        if seen is None or attr == "__dict__":
            return None
        if attr not in seen.keys:
            seen.keys[attr] = f"{seen.name}.{attr}"
        return seen.keys[attr]

    return location


def _attribute_hooks(cls: type, cell: Cell) -> dict[str, Any]:
    """The hot path: every attribute access of a watched object comes through here."""
    data = cell.data
    location = _locating(cls, cell)
    get: Any = cls.__getattribute__
    put: Any = cls.__setattr__
    drop: Any = cls.__delattr__

    def __getattribute__(self: Any, attr: str) -> Any:
        if data.get(attr, True):
            hooks: Any = cell.hooks
            try:
                key = hooks.seen[id(self)].keys[attr]
            except (KeyError, AttributeError):
                key = location(self, attr)
                if attr == "__dict__" and hooks is not None:
                    return _vars_of(hooks, self, get(self, attr))
            if key is not None:
                hooks.point("r", key)
        return get(self, attr)

    def __setattr__(self: Any, attr: str, value: Any) -> None:
        key = location(self, attr)
        if key is not None:
            hooks: Any = cell.hooks
            hooks.point("w", key)
            value = hooks.adopt(value, key)
        elif attr == "__dict__" and cell.hooks is not None:
            cell.hooks.exchange(self, value)
        put(self, attr, value)

    def __delattr__(self: Any, attr: str) -> None:
        key = location(self, attr)
        if key is not None and cell.hooks is not None:
            cell.hooks.point("w", key)
        drop(self, attr)

    return {"__getattribute__": __getattribute__, "__setattr__": __setattr__, "__delattr__": __delattr__}


def _copying(cls: type, cell: Cell) -> dict[str, Any]:
    """Copies and pickles read everything, and are of the class as written."""
    reduce: Any = cls.__reduce_ex__

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        hooks = cell.hooks
        seen = None if hooks is None else hooks.seen.get(id(self))
        if hooks is not None and seen is not None:
            for attr, _ in attributes(self, cell.slots):
                hooks.touch("r", seen, attr)
            if isinstance(self, Container):
                self._whole("r")
        found = reduce(self, protocol)
        if not isinstance(found, tuple):
            return found
        made, args, *rest = found
        return (plain(made) if isinstance(made, type) else made, tuple(map(_written, args)), *rest)

    return {"__reduce_ex__": __reduce_ex__}


def _written(value: Any) -> Any:
    return plain(value) if isinstance(value, type) else value
