"""A fingerprint of where an execution ended, from what differs from where its tasks began.

To read a whole end state (end_state.py) takes longer than most scenarios. A machine that is put back in place (rewind.py) begins
with the same objects each time, so it is enough to know which of their attributes and items are other ones now, and what those
lead to. That is compared by identity, in loops that run in C; the objects of the beginning are kept, so no address is used twice.

Two executions with one fingerprint have ended in the same state. The reverse need not hold: then the state is read once more.
"""

from __future__ import annotations

import functools
import itertools
import marshal
import types
import weakref
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from enum import Enum
from itertools import chain, compress
from operator import is_not, ne
from typing import Any

from movable.concurrent.end_state import (
    ATOMS,
    BASES,
    CONSTANT,
    END,
    MAX_OBJECTS,
    Reader,
    Unreadable,
    items_of,
    made_by_classes,
    reader_of,
)  # fmt: skip
from movable.explore.instrument.class_swap import plain
from movable.explore.instrument.hooks import UNCHANGING
from movable.explore.instrument.snapshot import is_set, members_of
from movable.mm.list import LIST_POISON

_MAPS = (dict, OrderedDict, defaultdict)
_NEVER_OTHER = (
    tuple, frozenset, types.MethodType, types.BuiltinFunctionType, types.MethodWrapperType, types.FunctionType, functools.partial,
)  # fmt: skip
"""Types whose objects are made once: only what they lead to can change."""
_read_slot = types.MemberDescriptorType.__get__


class Fingerprint:
    """Fingerprints of the ends of executions that all begin with what ``roots`` lead to now. Raises Unreadable.

    ``numbers`` is for whoever wants to keep the number of a state by its fingerprint.
    """

    def __init__(self, roots: Iterable[Any]) -> None:
        self.numbers: dict[int, int | None] = {}
        self._known: dict[int, tuple[int]] = {}
        self._kept: list[Any] = []
        self._members: list[types.MemberDescriptorType] = []
        self._owners: list[Any] = []
        self._slots: list[Any] = []
        self._unset: list[tuple[Any, Any]] = []
        self._dicts: list[tuple[Any, dict[str, Any]]] = []
        self._classed: list[Any] = []
        self._maps: list[Any] = []
        self._lists: list[Any] = []
        self._live: list[tuple[Reader, Any, type, list[Any]]] = []
        todo = [*roots, LIST_POISON]
        while todo:
            value = todo.pop()
            if type(value) in ATOMS or id(value) in self._known:
                continue
            self._known[id(value)] = (len(self._kept),)
            self._kept.append(value)
            if len(self._kept) > MAX_OBJECTS:
                raise Unreadable
            todo += self._enter(value)
        self._classes = list(map(type, self._classed))
        self._values = [_view(one, "values") for one in self._maps]
        self._keys = [_view(one, "keys") for one in self._maps]
        self._sizes = self._size()
        self._contents = [*map(list, self._values), *map(list, self._keys), *map(list.copy, self._lists)]
        self._whose = [number for number, size in enumerate(self._sizes) for _ in range(size)]
        self._filled = sorted(set(self._whose))

    def _enter(self, value: Any) -> Iterable[Any]:
        """Keep how an object is now, and return what it leads to."""
        kind = type(value)
        reader = reader_of(kind)
        if issubclass(kind, CONSTANT) or (issubclass(kind, (*UNCHANGING, Enum, type)) and not issubclass(kind, weakref.ref)):
            return ()
        if kind in _NEVER_OTHER or (issubclass(kind, tuple) and not members_of(kind) and not hasattr(value, "__dict__")):
            return reader(value)
        written = plain(kind)
        base = next((base for base in written.__mro__ if base in BASES), object)
        if base not in (object, list, *_MAPS) or (kind not in made_by_classes and base is not written):
            parts = list(reader(value))
            self._live.append((reader, value, kind, parts))
            return parts
        if base is written:
            self._classed.append(value)
            return self._take_items(value, base)
        self._classed.append(value)
        found: list[Any] = self._take_slots(value, members_of(written) or ())
        try:
            attributes = object.__getattribute__(value, "__dict__")
        except AttributeError:
            pass
        else:
            self._dicts.append((value, attributes))
            found.append(attributes)
        return found if base is object else [*found, *self._take_items(value, base)]

    def _take_slots(self, value: Any, members: Iterable[Any]) -> list[Any]:
        found = []
        for member in members:
            try:
                content = member.__get__(value)
            except AttributeError:
                self._unset.append((member, value))
                continue
            self._members.append(member)
            self._owners.append(value)
            self._slots.append(content)
            found.append(content)
        return found

    def _take_items(self, value: Any, written: type) -> Iterable[Any]:
        if written is list:
            self._lists.append(value)
            return list.__iter__(value)
        self._maps.append(value)
        return items_of(value)

    def _size(self) -> list[int]:
        return [*map(len, self._values), *map(len, self._keys), *map(list.__len__, self._lists)]

    def of(self, others: Iterable[Any]) -> int | None:
        """The fingerprint of what is there now, and of ``others``; None where an object has become another one altogether."""
        try:
            return hash(marshal.dumps(_Reading(self._known).all(self._different(others)), 2))
        except (AttributeError, TypeError, Unreadable):
            return None

    def _different(self, others: Iterable[Any]) -> list[Any]:
        """Each place where something else is now than in the beginning, and what. Raises AttributeError and TypeError, see `of`."""
        for value, attributes in self._dicts:
            if object.__getattribute__(value, "__dict__") is not attributes:
                raise AttributeError
        for member, value in self._unset:
            if is_set(member, value):
                raise AttributeError
        out: list[Any] = []
        for place in compress(itertools.count(), map(is_not, map(type, self._classed), self._classes)):
            out += ("class", place, type(self._classed[place]).__name__)  # of the same slots, or it could not be
        slots = list(map(_read_slot, self._members, self._owners))
        for place in compress(itertools.count(), map(is_not, slots, self._slots)):
            out += ("slot", place, slots[place])
        for place in self._other_items():
            out += ("items", place, *self._items(place), END)
        for reader, value, kind, before in self._live:
            parts = list(reader(value))
            if len(parts) != len(before) or any(map(is_not, parts, before)) or type(value) is not kind:
                out += ("object", self._known[id(value)][0], type(value).__name__, *parts, END)
        out += others
        return out

    def _other_items(self) -> Iterable[int]:
        """The containers, by number, that have other items, or other keys, or as many as they had but in another order."""
        sizes, before = self._size(), self._contents
        sources = [*self._values, *self._keys, *map(list.__iter__, self._lists)]
        if sizes == self._sizes:
            other = set(compress(self._whose, map(is_not, chain.from_iterable(sources), chain.from_iterable(before))))
        else:
            other = set(compress(itertools.count(), map(ne, sizes, self._sizes)))
            for number in self._filled:
                if number not in other and any(map(is_not, sources[number], before[number])):
                    other.add(number)
        maps = len(self._maps)
        return sorted({number - maps if number >= maps else number for number in other})

    def _items(self, place: int) -> Iterable[Any]:
        maps = len(self._maps)
        return items_of(self._maps[place]) if place < maps else list.__iter__(self._lists[place - maps])


class _Reading:
    """Values made plain: objects of the beginning by their numbers, others by what they consist of."""

    def __init__(self, known: dict[int, tuple[int]]) -> None:
        self._known = known
        self._new: dict[int, tuple[int]] = {}
        self._todo: list[Any] = []

    def all(self, values: Iterable[Any]) -> list[Any]:
        """``values``, and behind them whatever is new in them. Raises Unreadable."""
        out = [value if type(value) in ATOMS else self._mark(value) for value in values]
        for value in self._todo:  # which grows meanwhile
            parts = reader_of(type(value))(value)
            out += (type(value).__name__, *[part if type(part) in ATOMS else self._mark(part) for part in parts], END)
            if len(self._todo) > MAX_OBJECTS:
                raise Unreadable
        return out

    def _mark(self, value: Any) -> tuple[Any, ...]:
        if value is END:
            return ("end",)
        key = id(value)
        mark = self._known.get(key) or self._new.get(key)
        if mark is None:
            mark = self._new[key] = (-1 - len(self._todo),)
            self._todo.append(value)  # and is kept by that, so that no address is used twice
        return mark


def _view(value: Any, which: str) -> Any:
    kind: Any = OrderedDict if isinstance(value, OrderedDict) else dict
    return getattr(kind, which)(value)
