"""The whole state in which an execution ended: the machine, its memory, and everything the driver holds; and a number for it.

Two executions that end alike need not both be asked for readings, invariants and a removal. That is only sound if nothing is
missing: a state that cannot be read completely has no number (None), and is always judged.
"""

from __future__ import annotations

import functools
import itertools
import marshal
import mmap
import random
import types
from array import array
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from enum import Enum
from itertools import compress
from typing import Any

from movable.concurrent.stage import Stage, Subject
from movable.eras import Era
from movable.explore.engine import Scheduler
from movable.explore.instrument.class_swap import plain
from movable.explore.instrument.hooks import UNCHANGING, Hooks
from movable.explore.instrument.snapshot import members_of
from movable.mm.mmzone import Node, Zone
from movable.mm.page import FROZEN, PAGE_POISON, Page
from movable.mm.seam import Seam
from movable.mm.vm import VM
from movable.workload.scenario import Scenario
from movable.workload.workload import Operation

MAX_OBJECTS = 4000
"""Objects that are read; more of them take longer than judging."""
ATOMS = frozenset((int, str, bytes, float, bool, type(None), complex))
CONSTANT: tuple[type, ...] = (
    Seam, Scheduler, Hooks, Era, Subject, Scenario, Operation, mmap.mmap, memoryview, types.ModuleType, types.CodeType, property,
)  # fmt: skip
"""What is the same in all executions of a scenario, or says nothing about its end; the memory is read page by page."""

Reader = Callable[[Any], Iterable[Any]]


class Unreadable(Exception):
    """An object whose state cannot be read completely."""


def end_state(stage: Stage, others: Iterable[Any] = ()) -> list[Any] | None:
    """The state as a list of plain values; ``others`` are further parts of it. None where something cannot be read."""
    roots = [*roots_of(stage), list(others)]
    try:
        return _flat(roots)
    except Unreadable:
        return None


def roots_of(stage: Stage) -> list[Any]:
    """What leads to all of an execution's state: what the users know, and the machine."""
    return [vars(stage.workload), [vars(user) for user in stage.users], stage.vm]


def number(state: list[Any] | None) -> int | None:
    """The number of a state."""
    return None if state is None else hash(marshal.dumps(state, 2))


def _flat(roots: list[Any]) -> list[Any]:
    """Everything that is reached, as plain values: an object after the other, each with a mark where another one is meant.

    An object that is met again stands for its first place.
    """
    out: list[Any] = []
    add = out.append
    met: dict[int, int] = {}
    kept: list[Any] = []  # so that no address is used twice
    readers, atoms = _readers, ATOMS
    todo: list[Any] = [roots]
    pop, later = todo.pop, todo.append
    while todo:
        value = pop()
        kind = type(value)
        reader = readers[kind] if kind in readers else reader_of(kind)
        add(kind.__name__)
        for part in reader(value):
            part_kind = type(part)
            if part_kind in atoms:
                add(part)
            else:
                number = met.get(id(part))
                if number is None:
                    met[id(part)] = len(met)
                    later(part)
                    kept.append(part)
                    add(_THERE)
                else:
                    add((number,))
        add(END)
        if len(met) > MAX_OBJECTS:
            raise Unreadable
    return out


_THERE, END = (), ("end",)


_readers: dict[type, Reader] = {}
made_by_classes: set[type] = set()
"""Classes, made by class statements, of whose objects attributes, slots and items are read."""


def reader_of(kind: type) -> Reader:
    """How to read objects of a class. Raises Unreadable."""
    reader = _readers.get(kind)
    if reader is None:
        reader = _readers[kind] = _reader(kind)
    return reader


def _reader(kind: type) -> Reader:
    written = plain(kind)
    if issubclass(kind, CONSTANT):
        return _nothing
    if issubclass(kind, (*UNCHANGING, Enum, type, itertools.count)):
        return lambda value: (repr(value),)
    if hasattr(kind, "fileno"):  # a file, a pipe, a socket: the system has the rest of it
        raise Unreadable
    if hasattr(kind, "__end_state__"):  # it knows itself what of it is state
        return lambda value: value.__end_state__()
    for known, reader in ((Page, _page), (Zone, _zone), (VM, _machine), (Node, _node)):
        if issubclass(kind, known):
            return reader
    by_type: dict[type, Reader] = {
        types.FunctionType: _function, types.MethodType: lambda value: (value.__self__, value.__func__.__qualname__),
        types.BuiltinFunctionType: lambda value: (value.__self__, value.__name__), types.CellType: _cell,
        functools.partial: lambda value: (value.func, value.args, value.keywords), random.Random: lambda value: (value.getstate(),),
        types.MethodWrapperType: lambda value: (value.__self__, value.__name__),
    }  # fmt: skip
    if kind in by_type:
        return by_type[kind]
    if written in _BARE:
        return _BARE[written]
    made_by_classes.add(kind)
    return _object(kind, written)


def items_of(value: Any) -> Iterable[Any]:
    """The keys and values of a dict in their order, whatever its class has to say of that."""
    found: list[Any] = []
    for key, part in dict.items(value) if not isinstance(value, OrderedDict) else OrderedDict.items(value):
        found += (key, part)
    return found


def _set(value: Any) -> Iterable[Any]:
    parts = list(set.__iter__(value) if isinstance(value, set) else frozenset.__iter__(value))
    if not all(type(part) in ATOMS for part in parts):
        raise Unreadable  # objects in no particular order
    return sorted(map(repr, parts))


_BARE: dict[type, Reader] = {
    **dict.fromkeys((dict, OrderedDict, defaultdict), items_of), **dict.fromkeys((set, frozenset), _set),
    list: list.__iter__, tuple: tuple.__iter__,
    deque: deque.__iter__, bytearray: lambda value: (bytes(memoryview(value)),), array: lambda value: (array.tobytes(value),),
}  # fmt: skip
BASES = (OrderedDict, defaultdict, dict, set, frozenset, list, tuple, deque, bytearray, array)


def _object(kind: type, written: type) -> Reader:
    """Attributes and slots, and what a container holds from which the class derives."""
    base = next((base for base in written.__mro__ if base in BASES), None)
    members = members_of(written)
    if members is None:
        raise Unreadable

    def read(value: Any) -> Iterable[Any]:
        try:
            found: list[Any] = [dict(object.__getattribute__(value, "__dict__"))]
        except AttributeError:
            found = []
        for member in members:
            try:
                found.append(member.__get__(value))
            except AttributeError:
                found.append("unset")
        if base is not None:
            found += _BARE[base](value)
        return found

    return read


def _page(page: Any) -> Iterable[Any]:
    lru, backing = page._lru, page.vm.backing
    words = (page.pfn, page._flags, page._mapping, page._refcount) if backing is None else backing.words_of(page)
    return (
        *words, page.order, page.lock_owner, page._state & FROZEN, page._mapcount, page._index, page._private, lru._list,
        lru._next, lru._prev, _content(page),
    )  # fmt: skip


_FIXED_IN_VM = frozenset(
    ("era", "seed", "pageblock_order", "page_poisoning", "seam", "page_class", "nr_frames", "binder", "_memory", "_map", "backing")
)
_FIXED_IN_NODE = ("contexts", "vm", "zones")
_FIXED_IN_ZONE = ("free_lists", "free_area", "vm", "node", "lowmem_reserve", "pageblock_order", "start_pfn", "name", "index")


def _machine(vm: VM) -> Iterable[Any]:
    """What an execution may change of a machine."""
    found = [part for name, part in vars(vm).items() if name not in _FIXED_IN_VM]
    return found if vm.backing is None else [*found, vm.backing.fingerprint()]


def _node(node: Node) -> Iterable[Any]:
    return [member.__get__(node) for member in _NODE]


def _zone(zone: Zone) -> Iterable[Any]:
    """All slots but the two tables of free lists, of which only those with something on them."""
    found = [member.__get__(zone) for member in ZONE_MEMBERS]
    for code in compress(itertools.count(), zone.free_lists):
        found += (code, *zone.free_lists[code])
    return found


_NODE = [member for member in members_of(Node) or [] if member.__name__ not in _FIXED_IN_NODE]
ZONE_MEMBERS = [member for member in members_of(Zone) or [] if member.__name__ not in _FIXED_IN_ZONE]


def _nothing(value: Any) -> Iterable[Any]:
    return ()


def _content(page: Any) -> int:
    data = page._data
    if data is None:
        return 0
    content = data.tobytes()
    return 1 if content == PAGE_POISON else hash(content)


def _function(value: Any) -> Iterable[Any]:
    return (value.__qualname__, id(value.__code__), value.__closure__, value.__defaults__, value.__kwdefaults__)


def _cell(value: Any) -> Iterable[Any]:
    try:
        return (value.cell_contents,)
    except ValueError:
        return ()
