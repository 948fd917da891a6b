"""What functions do with names that are not their own: which globals, attributes of classes and variables of closures they use.

Read from the bytecode. An attribute's object is found by where both stand in the source: the instruction that ends just before the
attribute's name is the one that loaded it.
"""

from __future__ import annotations

import dis
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from movable.explore.instrument.reachable import Reach, codes, short_name

if TYPE_CHECKING:
    from collections.abc import Collection

Spots = dict[CodeType, dict[int, tuple[str, Hashable]]]
"""Code objects, and in each the offsets of opcodes that use a location: (operation, location)."""

STORES = {"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "DELETE_DEREF", "STORE_ATTR", "DELETE_ATTR"}
LOOKS = {"get", "keys", "values", "items", "index", "count", "copy", "issubset", "issuperset", "isdisjoint", "union"}
"""Methods of containers that change nothing."""
ASKS = {
    "all", "any", "dict", "enumerate", "frozenset", "len", "list", "max", "min", "repr", "reversed", "set", "sorted", "sum",
    "tuple", "zip",
}  # fmt: skip
"""Functions that change nothing that they are given."""
READERS = {
    "GET_ITER", "BINARY_SUBSCR", "CONTAINS_OP", "BINARY_SLICE", "COMPARE_OP", "LIST_EXTEND", "SET_UPDATE", "DICT_UPDATE",
    "DICT_MERGE", "UNPACK_SEQUENCE", "FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "CONVERT_VALUE", "TO_BOOL",
}  # fmt: skip
"""Opcodes that change nothing of what they are given."""


CLASS_OF = {"type", "super"}
"""What gives a method the class that it belongs to, or the one above."""
NOWHERE = ((0, 0), (0, 0))


class Place:
    """A module's dict of names, or a function's; ``label`` is what locations in it begin with."""

    __slots__ = ("label", "names")

    def __init__(self, names: dict[str, Any], label: str) -> None:
        self.names = names
        self.label = label


@dataclass(slots=True)
class Use:
    """One instruction that uses a name of a place, or an attribute of a class."""

    code: CodeType
    offset: int
    write: bool
    name: str
    place: Place | None = None
    owner: type | None = None


@dataclass(slots=True)
class Named:
    """What some functions name.

    ``stored`` are globals (place, name) that one of them assigns to, ``used`` those that are named for more than reading them;
    ``attributes`` are (class, name) that are assigned to on the class itself; ``attribute_names`` all names of attributes.
    """

    stored: list[tuple[Place, str]] = field(default_factory=list)
    used: list[tuple[Place, str]] = field(default_factory=list)
    attributes: list[tuple[type, str]] = field(default_factory=list)
    attribute_names: set[str] = field(default_factory=set)
    uses: list[Use] = field(default_factory=list)
    rebound: set[tuple[str, str]] = field(default_factory=set)
    _codes: dict[int, list[CodeType]] = field(default_factory=dict)

    def codes(self, function: FunctionType) -> list[CodeType]:
        """The code of a function and of those inside."""
        if id(function) not in self._codes:
            self._codes[id(function)] = list(codes(function.__code__))
        return self._codes[id(function)]

    def rebinds(self, function: str, variable: str) -> bool:
        """Whether a function assigns to a variable of the one around it."""
        return (function, variable) in self.rebound

    def spots(self, unwatched: Collection[str]) -> Spots:
        """The opcodes that use what is assigned to."""
        found: Spots = {}
        stored = {(id(place.names), name) for place, name in self.stored}
        attributes = {name: owner for owner, name in reversed(self.attributes)}
        for use in self.uses:
            if use.name in unwatched:
                continue
            if use.place is not None and (id(use.place.names), use.name) in stored:
                key = f"{use.place.label}.{use.name}"
            elif use.owner is not None and use.name in attributes and _kin(use.owner, attributes[use.name]):
                key = f"{attributes[use.name].__name__}.{use.name}"
            else:
                continue
            found.setdefault(use.code, {})[use.offset] = ("w" if use.write else "r", key)
        return found

    def cells(self, held: Reach, unwatched: Collection[str]) -> Spots:
        """The opcodes that use variables of closures that are assigned to.

        Where several closures come from the same line, nobody can tell from the code whose variable it is: their uses depend on
        each other, and none of them is called a race.
        """
        written: dict[tuple[str, str], set[int]] = {}
        for number, (inner, variable, _) in held.cells.items():
            written.setdefault((_around(inner), variable), set()).add(number)
        rebound = {(_around(inner), variable) for inner, variable in self.rebound}
        found: Spots = {}
        for function in held.functions:
            for code in self.codes(function):
                for step in instructions(code):
                    name = (_around(function.__qualname__), str(step.argval))
                    if "DEREF" not in step.opname or name not in rebound or step.argval not in function.__code__.co_freevars:
                        continue
                    op = "w" if step.opname in STORES else "r"
                    several = "a" if len(written.get(name, ())) > 1 else ""
                    if name[1] not in unwatched:
                        found.setdefault(code, {})[step.offset] = (several + op, f"{name[1]} of {name[0]}")
        return found


def _around(qualname: str) -> str:
    return qualname.rpartition(".<locals>.")[0] or qualname


def _kin(one: type, two: type) -> bool:
    return issubclass(one, two) or issubclass(two, one)


def named_in(reach: Reach) -> Named:
    """What the functions that were reached name."""
    found = Named()
    homes: dict[CodeType, type] = {}
    for cls in reach.classes:
        for part in vars(cls).values():
            function = getattr(part, "__func__", part)
            if isinstance(function, FunctionType):
                homes[function.__code__] = cls
    by_class = {part.__func__.__code__ for cls in reach.classes for part in vars(cls).values() if isinstance(part, classmethod)}
    places: dict[int, Place] = {}
    for function in reach.functions:
        for code in found.codes(function):
            reader = _Reader(function, code, homes.get(function.__code__), function.__code__ in by_class, reach, places)
            reader.read(found)
    return found


class _Reader:
    """Reads one code object."""

    def __init__(
        self, function: FunctionType, code: CodeType, home: type | None, by_class: bool, reach: Reach, places: dict[int, Place]
    ) -> None:
        self.function = function
        self.code = code
        self.home = home
        self.first = code.co_varnames[0] if by_class and code is function.__code__ and code.co_varnames else ""
        self.reach = reach
        self.places = places
        self.steps = list(instructions(code))

    def _place(self, names: dict[str, Any], label: str) -> Place:
        return self.places.setdefault(id(names), Place(names, label))

    def read(self, found: Named) -> None:
        """Add what it names to ``found``."""
        names = self.function.__globals__
        home = self._place(names, short_name(self.function.__module__))
        for step in self.steps:
            write = step.opname in STORES
            if step.opname in ("STORE_DEREF", "DELETE_DEREF") and step.argval in self.code.co_freevars:
                found.rebound.add((self.code.co_qualname, step.argval))
                found.rebound.add((self.function.__qualname__, step.argval))
            elif "GLOBAL" in step.opname:
                found.uses.append(Use(self.code, step.offset, write, step.argval, home))
                if write:
                    _once(found.stored, (home, step.argval))
                elif step.argval in names and not self._only_looks(step):
                    _once(found.used, (home, step.argval))
            elif "_ATTR" in step.opname or step.opname == "LOAD_METHOD":
                found.attribute_names.add(step.argval)
                self._attribute(step, write, found)

    def _attribute(self, step: dis.Instruction, write: bool, found: Named) -> None:
        owner = self._owner(step)
        if isinstance(owner, type):
            owner = next((cls for cls in reversed(owner.__mro__) if step.argval in vars(cls) and cls in self.reach.classes), owner)
            found.uses.append(Use(self.code, step.offset, write, step.argval, owner=owner))
            if write:
                _once(found.attributes, (owner, step.argval))
        elif isinstance(owner, FunctionType | ModuleType):
            label = owner.__qualname__ if isinstance(owner, FunctionType) else short_name(owner.__name__)
            place = self._place(vars(owner), label)
            found.uses.append(Use(self.code, step.offset, write, step.argval, place))
            if write:
                _once(found.stored, (place, step.argval))
            elif isinstance(owner, ModuleType) and not self._only_looks(step):
                _once(found.used, (place, step.argval))

    def _owner(self, step: dis.Instruction) -> type | FunctionType | ModuleType | None:
        """The class, function or module whose attribute an instruction uses; None for anything else."""
        loads = [other for other in self._inside(step) if _span(other)[0] == _span(step)[0]]
        last = max(loads, key=lambda other: (_span(other)[1], other.offset)) if loads else self._merged(step)
        if last is None:
            return None
        if last.opname == "LOAD_GLOBAL":
            value = self.function.__globals__.get(last.argval)
        elif self.home is not None and (
            (last.opname == "LOAD_FAST" and last.argval == self.first != "")
            or last.argval == "__class__"
            or (last.opname.startswith("CALL") and any(o.opname == "LOAD_GLOBAL" and o.argval in CLASS_OF for o in loads))
            or step.opname == "LOAD_SUPER_ATTR"
        ):
            value = self.home
        else:
            return None
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        return value if isinstance(value, type | FunctionType | ModuleType) and self.reach.own(name) else None

    def _merged(self, step: dis.Instruction) -> dis.Instruction | None:
        """The load of a local whose place in the source was lost because it is one instruction with the load before it."""
        begin, end = _span(step)
        size = end[1] - begin[1] - len(str(step.argval)) - 1  # what stands before the dot
        before = [other for other in self.steps if other.opname == "LOAD_FAST" and other.offset < step.offset]
        lost = [other for other in before if _span(other) == NOWHERE and len(other.argval) == size]
        return lost[-1] if lost and begin[0] == end[0] else None

    def _inside(self, step: dis.Instruction) -> Iterator[dis.Instruction]:
        """Instructions for parts of the expression that an instruction ends."""
        first, last = _span(step)
        for other in self.steps:
            begin, end = _span(other)
            if first <= begin and end < last and begin != (0, 0):
                yield other

    def _only_looks(self, step: dis.Instruction) -> bool:
        """Whether a name's value is only looked at there, and holds nothing that could be changed."""
        value = self.function.__globals__.get(step.argval)
        if not isinstance(value, dict | list | set) or not _plain(value):
            return False
        begin, end = _span(step)
        later = [other for other in self.steps if other.offset > step.offset]
        around = [other for other in later if _span(other)[0] <= begin and _span(other)[1] >= end]
        if not around or begin == (0, 0):
            return False
        user = min(around, key=lambda other: (_size(_span(other)), other.offset))
        if user.opname in READERS or (user.opname == "BINARY_OP" and not user.argrepr.endswith("=")):
            return True
        if user.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            return user.argval in LOOKS
        called = [other for other in self.steps if other.opname == "LOAD_GLOBAL" and _span(other)[0] == _span(user)[0]]
        return user.opname.startswith(("CALL", "PRECALL")) and any(one.argval in ASKS for one in called)


def instructions(code: CodeType) -> Iterator[dis.Instruction]:
    """The instructions of a code object, under the same names in each Python.

    Those that Python 3.13 makes of two are two again, the second without its place. Python 3.14 has a load that borrows a
    reference, and takes an item by an operator.
    """
    for step in dis.get_instructions(code):
        if "_BORROW" in step.opname:
            step = step._replace(opname=step.opname.replace("_BORROW", ""))
        elif step.opname == "BINARY_OP" and step.argrepr == "[]":
            step = step._replace(opname="BINARY_SUBSCR")
        first, _, second = step.opname.partition("_FAST_")
        if second and isinstance(step.argval, tuple):
            yield step._replace(opname=f"{first}_FAST", argval=step.argval[0])
            yield step._replace(opname=second, argval=step.argval[1], positions=None)
        else:
            yield step


def _span(step: dis.Instruction) -> tuple[tuple[int, int], tuple[int, int]]:
    where = step.positions
    if where is None or None in (where.lineno, where.col_offset, where.end_lineno, where.end_col_offset):
        return NOWHERE
    return (where.lineno or 0, where.col_offset or 0), (where.end_lineno or 0, where.end_col_offset or 0)


def _size(span: tuple[tuple[int, int], tuple[int, int]]) -> tuple[int, int]:
    return span[1][0] - span[0][0], span[1][1] - span[0][1]


def _plain(value: Any, depth: int = 3) -> bool:
    """Whether nothing inside a container could be changed."""
    if isinstance(value, dict):
        return all(_plain(part, depth - 1) for part in value.values())
    if isinstance(value, list | set):
        return depth == 3 and all(_plain(part, depth - 1) for part in value)
    if isinstance(value, tuple | frozenset):
        return depth > 0 and all(_plain(part, depth - 1) for part in value)
    return isinstance(value, int | str | bytes | float | type(None) | type | FunctionType)


def _once(found: list[Any], what: Any) -> None:
    if not any(one[0] is what[0] and one[1] == what[1] for one in found):
        found.append(what)
