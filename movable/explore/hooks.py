"""Scheduling points for plain Python objects: reads and writes of their attributes and containers, the source untouched.

A watched object gets a subclass of its class by ``__class__`` assignment; its dicts, lists, sets and deques are replaced by
subclasses that say what they are asked (containers.py). ``self.count += 1`` then is a read point and a write point, as in C.

Names of locations must not depend on the schedule. What exists when an object is watched is named by its path; what a task
makes later is named by the task and a number of its own.
"""

import types
from collections.abc import Callable, Hashable, Iterator
from enum import Enum
from typing import Any, Protocol

from movable.explore.containers import WRAPPED, Container
from movable.explore.failure import ExploreError

_FIXED: tuple[type, ...] = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType, type, types.MethodWrapperType,
    type(__import__("threading").Lock()), type(__import__("threading").RLock()),
)  # fmt: skip
_PLAIN = (int, str, bytes, float, bool, type(None), Enum)
_ATOMS = frozenset(_PLAIN[:-1])
_set_class = object.__dict__["__class__"].__set__


class Points(Protocol):
    """The part of a scheduler that hooks need."""

    @property
    def current(self) -> str: ...

    def point(self, op: str, key: Hashable) -> None: ...


class _Seen:
    """A watched object: its name, and the location of each attribute (None: taken for constant)."""

    __slots__ = ("keys", "name", "obj")

    def __init__(self, obj: object, name: str) -> None:
        self.obj = obj
        self.name = name
        self.keys: dict[str, str | None] = {}


class Hooks:
    """The hooks of one execution; make one in each set-up.

    Parameters: ``scheduler``; ``foreign``, types whose objects are never looked into; ``fixed``, types of which a reference found
    at `watch` is taken for constant and gives no points (functions, classes, modules and thread locks always are);
    ``follow``, says of a class whether its objects are watched too when they are stored in a watched place (default: classes
    of the modules that watched objects come from); ``label``, names an object that serves as a dict key or set element, from
    which its location is named (None: the access counts for the whole container).
    """

    def __init__(
        self,
        scheduler: Points,
        *,
        foreign: tuple[type, ...] = (),
        fixed: tuple[type, ...] = (),
        follow: Callable[[type], bool] | None = None,
        label: Callable[[object], Hashable] | None = None,
    ) -> None:
        self.point = scheduler.point
        self.seen: dict[int, _Seen] = {}
        self._scheduler = scheduler
        self._foreign = foreign + fixed
        self._fixed = fixed + _FIXED
        self._kept: tuple[type, ...] = (*_PLAIN, *self._fixed, *self._foreign, BaseException, Container)
        self._follow = follow or (lambda cls: cls.__module__ in self._modules)
        self._label = label
        self._modules: set[str] = set()
        self._made: dict[str, int] = {}
        self._wrapped: dict[int, tuple[Any, Any, str, int]] = {}  # raw container -> (it, its wrapper, name, its size then)

    def watch(self, obj: Any, name: str) -> Any:
        """Hook ``obj`` under ``name``, and what it holds; return it. Raises ExploreError when its class cannot be hooked."""
        self._modules.add(type(obj).__module__)
        self._install(obj, name)
        return obj

    def release(self) -> None:
        """Give every watched object its own class back."""
        for seen in self.seen.values():
            _set_class(seen.obj, _plain(type(seen.obj)))
        self.seen.clear()

    def check(self) -> None:
        """Raise ExploreError when the program changed a container behind the back of its hooked copy; call it after a run."""
        for raw, _, name, size in self._wrapped.values():
            if len(raw) != size:
                raise ExploreError(
                    f"{name} was stored and then changed through the variable it came from; hooks replace a container when it is"
                    f" stored, so go on with the stored one (x = {name}) instead"
                )

    def adopt(self, value: Any, where: str) -> Any:
        """Return what to store instead of ``value``: a container that says what it is asked; objects are hooked in place."""
        kind = type(value)
        if kind in _ATOMS:
            return value
        wrapper = WRAPPED.get(kind)
        if wrapper is not None:
            return self._wrap(value, wrapper, where)
        if kind is tuple:
            parts = [self.adopt(part, where) for part in value]
            return value if all(one is two for one, two in zip(parts, value, strict=True)) else tuple(parts)
        if isinstance(value, self._kept) or id(value) in self.seen:
            return value
        if kind.__flags__ & 1 << 9 and self._follow(_plain(kind)):  # a class made by a class statement
            self._install(value, self._name(where, kind.__name__))
        return value

    def sub(self, key: Any) -> Hashable:
        """The stable name of a dict key or set element; None when it has none."""
        if isinstance(key, _PLAIN):
            return (key,) if key is None else key
        if isinstance(key, tuple):
            parts = tuple(self.sub(part) for part in key)
            return None if None in parts else parts
        return self._label(key) if self._label is not None else None

    def _name(self, where: str, what: str) -> str:
        task = self._scheduler.current
        made = self._made
        if task == "main":  # set-up
            nth = made[where] = made.get(where, 0) + 1
            return where if nth == 1 else f"{where}#{nth}"
        nth = made[task] = made.get(task, 0) + 1
        return f"{what}@{task}.{nth}"

    def _wrap(self, value: Any, wrapper: Any, where: str) -> Any:
        known = self._wrapped.get(id(value))
        if known is not None:
            return known[1]
        name = self._name(where, where.partition("@")[0])
        hooked = wrapper.around(value, self, f"{name}[]")
        self._wrapped[id(value)] = (value, hooked, name, len(value))
        hooked.fill(value)
        return hooked

    def _install(self, obj: Any, name: str) -> None:
        if id(obj) in self.seen:
            return
        cls = _plain(type(obj))
        hooked, cell = _hooked(cls)
        try:
            _set_class(obj, hooked)
        except TypeError as error:
            raise _unhookable(f"{name}: objects of {cls.__name__}", error) from error
        cell.hooks = self
        seen = self.seen[id(obj)] = _Seen(obj, name)
        for attr, value in list(_attributes(obj, cell.slots)):
            if isinstance(value, self._fixed):
                seen.keys[attr] = None
                continue
            adopted = self.adopt(value, f"{name}.{attr}")
            if adopted is not value:
                object.__setattr__(obj, attr, adopted)


def _attributes(obj: Any, slots: list[types.MemberDescriptorType]) -> Iterator[tuple[str, Any]]:
    """The data attributes of an object, from its dict and its slots."""
    try:
        yield from list(object.__getattribute__(obj, "__dict__").items())
    except AttributeError:
        pass
    for member in slots:
        try:
            yield member.__name__, member.__get__(obj)
        except AttributeError:  # an empty slot
            continue


class _Cell:
    """What a hooking class knows: the hooks of the execution that last watched one of its objects, and the slots of these."""

    __slots__ = ("data", "hooks", "slots")

    def __init__(self, cls: type) -> None:
        self.hooks: Hooks | None = None
        self.data: dict[str, bool] = {}
        members = [member for base in cls.__mro__ for member in vars(base).values()]
        self.slots = [member for member in members if isinstance(member, types.MemberDescriptorType)]


_classes: dict[type, tuple[type, _Cell]] = {}
"""Class -> its hooking subclass. A cache only: making a class costs as much as an execution."""


def _plain(cls: type) -> type:
    """The class as written, of a class that may be a hooking one."""
    original: type = cls.__dict__.get("__hooked__", cls)
    return original


def _hooked(cls: type) -> tuple[type, _Cell]:
    found = _classes.get(cls)
    if found is None:
        found = _classes[cls] = _subclass(cls)
    return found


def _is_data(cls: type, attr: str) -> bool:
    """Whether an attribute is state: not special, and not code found on the class."""
    if attr.startswith("__") and attr.endswith("__"):
        return False
    for base in cls.__mro__:
        if attr in vars(base):
            value = vars(base)[attr]
            return isinstance(value, types.MemberDescriptorType) or not (
                hasattr(type(value), "__get__") or isinstance(value, type)
            )
    return True


def _subclass(cls: type) -> tuple[type, _Cell]:
    """Make the hooking subclass. The hot path: every attribute access of a watched object comes through here."""
    cell = _Cell(cls)
    data = cell.data
    get: Any = cls.__getattribute__
    put: Any = cls.__setattr__
    drop: Any = cls.__delattr__

    def location(self: Any, attr: str) -> str | None:
        is_data = data.get(attr)
        if is_data is None:
            is_data = data[attr] = _is_data(cls, attr)
        hooks = cell.hooks
        if not is_data or hooks is None:
            return None
        seen = hooks.seen.get(id(self))
        if seen is None:
            return None
        try:
            return seen.keys[attr]
        except KeyError:
            key = seen.keys[attr] = f"{seen.name}.{attr}"
            return key

    def __getattribute__(self: Any, attr: str) -> Any:
        if data.get(attr, True):
            key = location(self, attr)
            if key is not None:
                cell.hooks.point("r", key)  # type: ignore[union-attr]
        return get(self, attr)

    def __setattr__(self: Any, attr: str, value: Any) -> None:
        key = location(self, attr)
        if key is not None and cell.hooks is not None:
            cell.hooks.point("w", key)
            value = cell.hooks.adopt(value, key)
        put(self, attr, value)

    def __delattr__(self: Any, attr: str) -> None:
        key = location(self, attr)
        if key is not None and cell.hooks is not None:
            cell.hooks.point("w", key)
        drop(self, attr)

    body = {
        "__slots__": (),
        "__hooked__": cls,
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        # dataclasses and the like compare `other.__class__`; type(obj) still tells the truth
        "__class__": property(lambda self: cls),
        "__getattribute__": __getattribute__,
        "__setattr__": __setattr__,
        "__delattr__": __delattr__,
    }
    if cls.__hash__ is not None and "__eq__" not in body:
        body["__hash__"] = cls.__hash__
    try:
        return type(cls)(cls.__name__, (cls,), body), cell
    except TypeError as error:
        raise _unhookable(f"objects of {cls.__name__}", error) from error


def _unhookable(what: str, error: Exception) -> ExploreError:
    return ExploreError(f"{what} cannot be hooked ({error}); declare the class foreign")
