"""What set-up has built, put back in place: cheaper than to build it again for every execution.

A snapshot walks everything that its roots lead to, keeps a shallow copy of each object, and can put all of it back: the same
objects, with the content and the class that they had. What it cannot put back faithfully it does not take: `Unfit` says why, and
the caller builds anew. Objects that came later are simply let go.
"""

from __future__ import annotations

import ast
import functools
import itertools
import random
import types
import weakref
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from enum import Enum
from itertools import compress
from operator import is_not
from typing import Any

from movable.explore.instrument.class_swap import HEAP, plain, swap
from movable.explore.instrument.hooks import UNCHANGING

MAX_OBJECTS = 5000
"""Objects that a snapshot may have; putting back more takes longer than building a small machine."""

_MAPS = (Counter, OrderedDict, defaultdict, dict)
_CONTAINERS: tuple[type, ...] = (*_MAPS, list, set, deque, bytearray, array)
_CONSTANT: tuple[type, ...] = (
    int, str, bytes, float, bool, type(None), type, types.ModuleType, types.CodeType, property, Enum, weakref.ref,
    types.WrapperDescriptorType, types.MethodDescriptorType, types.MemberDescriptorType, types.GetSetDescriptorType,
    types.MappingProxyType, *UNCHANGING,
)  # fmt: skip
_ATOMS = frozenset(_CONSTANT[:6])
_UNSET = object()


class Unfit(Exception):
    """Something is reachable whose state cannot be put back in place."""


class Snapshot:
    """The state of everything that ``roots`` lead to.

    ``constant`` are types whose objects do not change, or are somebody else's to put back; ``never`` are objects that nothing may
    lead to. Raises Unfit.
    """

    def __init__(self, roots: Iterable[Any], *, constant: tuple[type, ...] = (), never: Iterable[Any] = ()) -> None:
        self._constant = _CONSTANT + constant
        self._kinds: dict[type, Callable[[Any], Iterable[Any]] | None] = dict.fromkeys(_ATOMS)
        self._classes: list[tuple[Any, type, bool]] = []
        self._dicts: list[tuple[Any, dict[str, Any]]] = []
        self._members: list[types.MemberDescriptorType] = []
        self._owners: list[Any] = []
        self._slots: list[Any] = []
        self._empty_slots: list[tuple[Any, Any]] = []
        self._cells: list[tuple[types.CellType, Any]] = []
        self._maps: list[tuple[Any, Any, Any, dict[Any, Any]]] = []
        self._emptied: list[tuple[Any, Any]] = []
        self._sequences: list[tuple[Callable[[Any, slice, Any], None], Any, Any]] = []
        self._others: list[tuple[Any, Any, Any, Any]] = []
        self._counters: list[tuple[Callable[[Any, Any, Any], object], Any, Any, Any, str]] = []
        self._words: list[tuple[Any, frozenset[str]]] = []
        self._random: list[tuple[random.Random, Any]] = []
        self._walk(list(roots), {id(one) for one in never})
        self._classed = [value for value, _, _ in self._classes]
        self._then = [kind for _, kind, _ in self._classes]

    def _walk(self, todo: list[Any], never: set[int]) -> None:
        seen: dict[int, Any] = {}
        kinds = self._kinds
        while todo:
            value = todo.pop()
            kind = type(value)
            if kind in _ATOMS or id(value) in seen:
                continue
            if id(value) in never:
                raise Unfit(f"something else than the roots leads to a {kind.__name__}")
            seen[id(value)] = value
            if len(seen) > MAX_OBJECTS:
                raise Unfit(f"more than {MAX_OBJECTS} objects")
            try:
                visit = kinds[kind]
            except KeyError:
                visit = kinds[kind] = self._visitor(kind)
            if visit is not None:
                todo += visit(value)

    # what each kind consists of

    def _visitor(self, kind: type) -> Callable[[Any], Iterable[Any]] | None:
        """How to keep an object of a class; returns what it leads to. None: it does not change."""
        if issubclass(kind, self._constant):
            return None
        by_type: dict[type, Callable[[Any], Iterable[Any]]] = {
            tuple: iter, frozenset: iter, types.FunctionType: self._function, types.MethodType: _method,
            types.BuiltinFunctionType: _builtin, types.CellType: self._cell, functools.partial: _partial, random.Random: self._dice,
            types.MethodWrapperType: _builtin,
        }  # fmt: skip
        if kind in by_type:
            return by_type[kind]
        written = plain(kind)
        if written is itertools.count:
            return self._counter
        if written in _CONTAINERS:
            return lambda value: self._content(value, written)
        return self._shape(kind)

    def _shape(self, kind: type) -> Callable[[Any], Iterable[Any]]:
        """An object of a class made by a class statement: its dict, its slots, and what a container it derives from holds."""
        written = plain(kind)
        base = _base(written)
        slots = members_of(written)
        if slots is None:
            raise Unfit(f"a {written.__module__}.{written.__qualname__}")
        builtin = base is not object

        def visit(value: Any) -> Iterable[Any]:
            found: list[Any] = []
            self._classes.append((value, type(value), builtin and not type(value).__flags__ & HEAP))
            try:
                attributes = object.__getattribute__(value, "__dict__")
            except AttributeError:
                pass
            else:
                self._dicts.append((value, attributes))
                found.append(attributes)
            for member in slots:
                content = member.__get__(value) if is_set(member, value) else _UNSET
                if content is _UNSET:
                    self._empty_slots.append((member, value))
                else:
                    if type(content) is itertools.count:
                        self._counters.append((_put, value, member, content, repr(content)))
                    self._members.append(member)
                    self._owners.append(value)
                    self._slots.append(content)
                    found.append(content)
            if base in (tuple, frozenset):
                found += base.__iter__(value)
            elif builtin:
                found += self._content(value, base, classed=True)
            return found

        return visit

    def _content(self, value: Any, written: Any, classed: bool = False) -> Iterable[Any]:
        if not classed:
            self._classes.append((value, type(value), True))
        if written in _MAPS:
            for key, part in dict.items(value):
                if type(part) is itertools.count:
                    self._counters.append((dict.__setitem__, value, key, part, repr(part)))
            items = dict(dict.items(value)) if written is not OrderedDict else dict(OrderedDict.items(value))
            clear = OrderedDict.clear if written is OrderedDict else dict.clear
            if items:
                self._maps.append((clear, OrderedDict.update if written is OrderedDict else dict.update, value, items))
            else:
                self._emptied.append((clear, value))
            return [*items.keys(), *items.values()]
        if written is list:
            self._sequences.append((list.__setitem__, value, list.copy(value)))
            return list.__iter__(value)
        if written in (bytearray, array):
            self._sequences.append((written.__setitem__, value, written.__getitem__(value, _ALL)))
            return ()
        parts = list(written.__iter__(value))
        if written is set and all(type(part) is str for part in parts):  # whose order is another one in every process
            self._words.append((value, frozenset(parts)))
            return ()
        if written is set and list(set(parts)) != parts:
            raise Unfit("a set whose order would be another one")
        more = set.update if written is set else deque.extend
        self._others.append((written.clear, more, value, parts))
        return parts

    def _function(self, value: Any) -> Iterable[Any]:
        attributes = value.__dict__
        return [*(value.__closure__ or ()), value.__defaults__, value.__kwdefaults__, attributes]

    def _cell(self, value: types.CellType) -> Iterable[Any]:
        try:
            content = value.cell_contents
        except ValueError:
            raise Unfit("a variable that is not set yet") from None
        self._cells.append((value, content))
        return (content,)

    def _counter(self, value: Any) -> Iterable[Any]:
        """It cannot be turned back: its only holder gets another one."""
        if sum(1 for counter in self._counters if counter[3] is value) != 1:
            raise Unfit("an itertools.count in several places")
        return ()

    def _dice(self, value: random.Random) -> Iterable[Any]:
        self._random.append((value, value.getstate()))
        return ()

    # putting back

    def restore(self) -> None:
        """Everything as it was when the snapshot was taken: first what things are, then what is in them."""
        self._restore_shapes()
        self._restore_contents()
        for rng, state in self._random:
            rng.setstate(state)

    def _restore_shapes(self) -> None:
        """Classes, attributes, slots and cells."""
        for value, kind, builtin in compress(self._classes, map(is_not, map(type, self._classed), self._then)):
            swap(value, kind, builtin=builtin)
        for value, attributes in self._dicts:
            if object.__getattribute__(value, "__dict__") is not attributes:
                object.__setattr__(value, "__dict__", attributes)
        _exhaust(map(_set_slot, self._members, self._owners, self._slots))
        for member, value in self._empty_slots:
            if is_set(member, value):
                member.__delete__(value)
        for cell, content in self._cells:
            cell.cell_contents = content

    def _restore_contents(self) -> None:
        """Containers, and counters of itertools."""
        for clear, value in self._emptied:
            clear(value)
        for clear, update, value, content in self._maps:
            clear(value)
            update(value, content)
        for fill, value, content in self._sequences:
            fill(value, _ALL, content)
        for clear, more, value, content in self._others:
            clear(value)
            more(value, content)
        for place, value, key, _, text in self._counters:
            place(value, key, counter(text))
        for value, words in self._words:
            if set.__len__(value) != len(words) or not set.issuperset(value, words):
                set.clear(value)
                set.update(value, words)


_ALL = slice(None)
_set_slot = types.MemberDescriptorType.__set__
_exhaust = deque[Any](maxlen=0).extend
"""Runs an iterator to its end, in a loop in C."""


def _put(value: Any, member: Any, content: Any) -> None:
    member.__set__(value, content)


def counter(text: str) -> Any:
    """The itertools.count that shows itself so: from Python 3.14 on none can be copied."""
    return itertools.count(*ast.literal_eval(text.removeprefix("count").replace(")", ",)")))


def _base(written: type) -> type:
    """The container that a class derives from, or object."""
    return next((base for base in written.__mro__ if base in (*_CONTAINERS, tuple, frozenset)), object)


def members_of(written: type) -> list[Any] | None:
    """The slots of a class made by class statements, from object or a container; None for a class with state that C code keeps."""
    base = _base(written)
    strangers = [one for one in written.__mro__ if not one.__flags__ & HEAP and one is not object and one not in base.__mro__]
    members = {id(one): one for cls in written.__mro__ for one in vars(cls).values() if type(one) is types.MemberDescriptorType}
    room = written.__basicsize__ - base.__basicsize__ - 8 * len(members)  # for a dict and weak references
    if strangers or not written.__flags__ & HEAP or room > 16:
        return None
    return list(members.values())


def is_set(member: Any, value: Any) -> bool:
    """Whether an object has something in one of its slots."""
    try:
        member.__get__(value)
    except AttributeError:
        return False
    return True


def _method(value: types.MethodType) -> Iterable[Any]:
    return (value.__self__, value.__func__)


def _builtin(value: Any) -> Iterable[Any]:
    return (value.__self__,)


def _partial(value: Any) -> Iterable[Any]:
    return (value.func, value.args, value.keywords)
