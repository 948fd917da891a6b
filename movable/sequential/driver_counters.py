"""The whole numbers in a driver and in its parts, and what changed of them since the last look.

They are looked at before and after each callback, mostly to see that one of hundreds changed, or none. So a look gathers the
numbers alone, and what they hang on: names are made anew only when that is another than it was, and values that cannot change are
read once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from movable.introspection import vars_of
from movable.mm.atomic import AtomicLong

Place = tuple[str, ...]
"""How a counter is reached from the driver: names of attributes, and keys of tables."""

MAX_DEPTH = 4
MAX_COUNTERS = 500
"""Counters of a driver that are looked at; a driver with more of them keeps data, not books."""

MAX_FIXED = 2000
"""Values that cannot change and are kept at a time: a driver may make new ones for ever."""

STRANGE = ("movable.mm.", "builtins", "collections")
"""Modules whose objects are no parts of a driver."""

_NUMBER, _ATOMIC, _TABLE, _LIST, _TUPLE, _OBJECT, _FROZEN, _OTHER, _KNOWN = range(9)
_UNCHANGING = (_TUPLE, _FROZEN)
_kinds: dict[int, tuple[type, int]] = {}
"""What values of a type are to a look, by the address of the type, which is kept: a driver's class may say that it equals all."""

_Row = tuple[int, int, int, int, list[Any], list[int]]
"""Address and kind of a value, its depth below the driver and its place in what it hangs on; names and kinds of its parts."""

_KEYS = (int, str, tuple)
_PLAIN = frozenset(map(id, (str, bytes, bool, float, type(None))))


def _kind_of(cls: type) -> int:
    known = _kinds.get(id(cls))
    return known[1] if known is not None else _kinds.setdefault(id(cls), (cls, _classify(cls)))[1]


def _classify(cls: type) -> int:
    """Numbers are those of int itself. The machine's own objects, text and what can be called have no counters of a driver."""
    if cls is int:
        return _NUMBER
    for kind, base in ((_ATOMIC, AtomicLong), (_TABLE, dict), (_LIST, list), (_TUPLE, tuple)):
        if issubclass(cls, base):
            return kind
    if cls.__module__.startswith(STRANGE) or any("__call__" in vars(base) for base in cls.__mro__):
        return _OTHER
    made_by_dataclass = vars(cls).get("__dataclass_params__")
    return _FROZEN if made_by_dataclass is not None and made_by_dataclass.frozen else _OBJECT


class DriverCounters:
    """A driver's counters as they were at the last look; of a driver with too many of them, none."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._too_many = False
        self._shape: list[_Row] = []
        self._numbers: list[int] = []
        self._places: list[Place] = []
        self._fixed: dict[tuple[int, int], _Fixed] = {}
        self.look()

    @property
    def counts(self) -> dict[Place, int]:
        """Each counter by its place."""
        return dict(zip(self._places, self._numbers, strict=True))

    def __contains__(self, place: Place) -> bool:
        return place in self._places

    def look(self) -> dict[Place, int]:
        """Look again. Returns by how much each counter changed that did; one that is, or was, not there stands at 0."""
        if len(self._fixed) > MAX_FIXED:
            self._fixed.clear()
        found = _Look(self._fixed)
        if not self._too_many:
            found.into(self._driver, _kind_of(type(self._driver)), 0, 0)
        if len(found.numbers) > MAX_COUNTERS:
            self._too_many, found = True, _Look(self._fixed)
        if found.shape == self._shape:
            before, self._numbers = self._numbers, found.numbers
            if before == found.numbers:
                return {}
            pairs = zip(self._places, before, found.numbers, strict=True)
            return {place: count - old for place, old, count in pairs if count != old}
        was = self.counts
        self._shape, self._numbers, self._places = found.shape, found.numbers, _places(found.shape, self._fixed)
        now = self.counts
        changes = {place: now.get(place, 0) - was.get(place, 0) for place in was.keys() | now.keys()}
        return {place: change for place, change in changes.items() if change}


class _Fixed(NamedTuple):
    """A value that cannot change, kept so that its address stays its own: its numbers, and their places below it."""

    value: Any
    numbers: list[int]
    places: list[Place]


class _Look:
    """``numbers``, those of one object, table or list after those of another; ``shape`` has a row for each of these."""

    __slots__ = ("fixed", "numbers", "seen", "shape")

    def __init__(self, fixed: dict[tuple[int, int], _Fixed]) -> None:
        self.fixed = fixed
        self.shape: list[_Row] = []
        self.numbers: list[int] = []
        self.seen: set[int] = set()

    def into(self, value: Any, kind: int, depth: int, position: int) -> bool:
        """Gather what is in a value, each object once. Returns whether it is one that cannot change."""
        row, first = len(self.shape), len(self.numbers)
        self.seen.add(id(value))
        names, parts = _parts(value, kind)
        kinds = [known[1] if (known := _kinds.get(id(type(part)))) else _kind_of(type(part)) for part in parts]
        self.shape.append((id(value), kind, depth, position, names, kinds))
        deeper, fixed = [], kind in _UNCHANGING
        for at, inner in enumerate(kinds):
            if inner == _NUMBER:
                self.numbers.append(parts[at])
            elif inner == _ATOMIC:
                self.numbers.append(parts[at]._counter)
                fixed = False
            elif inner != _OTHER:
                deeper.append(at)
            elif fixed:
                fixed = id(type(parts[at])) in _PLAIN
        for at in deeper if depth + 1 < MAX_DEPTH and len(self.numbers) <= MAX_COUNTERS else ():
            fixed = self._inner(parts[at], kinds[at], depth + 1, at) and fixed
        if fixed and depth:
            self.fixed[id(value), depth] = _Fixed(value, self.numbers[first:], _places(self.shape[row:], self.fixed))
        return fixed

    def _inner(self, part: Any, kind: int, depth: int, at: int) -> bool:
        if id(part) in self.seen:
            return (id(part), depth) in self.fixed
        known = self.fixed.get((id(part), depth)) if kind in _UNCHANGING else None
        if known is None:
            return self.into(part, kind, depth, at)
        self.seen.add(id(part))
        self.shape.append((id(part), _KNOWN, depth, at, [], []))
        self.numbers += known.numbers
        return True


def _parts(value: Any, kind: int) -> tuple[list[Any], list[Any]]:
    """What the parts of an object or a table are called, and the parts of any value."""
    if kind in (_LIST, _TUPLE):
        return [], list(value)
    table = kind == _TABLE
    pairs = {key: part for key, part in list(dict.items(value)) if isinstance(key, _KEYS)} if table else vars_of(value)
    return list(pairs), list(pairs.values())


def _places(shape: list[_Row], fixed: dict[tuple[int, int], _Fixed]) -> list[Place]:
    """The places of the numbers that a shape has, in their order, from the value of its first row."""
    top = shape[0][2] if shape else 0
    found: list[Place] = []
    paths: list[Place] = [()] * (MAX_DEPTH + 1)
    names: list[list[str]] = [[]] * MAX_DEPTH
    for address, kind, depth, position, called, kinds in shape:
        if depth > top:
            paths[depth] = (*paths[depth - 1], names[depth - 1][position])
        if kind == _KNOWN:
            found += [(*paths[depth], *place) for place in fixed[address, depth].places]
            continue
        if kind in (_LIST, _TUPLE):  # one that grows or shrinks has other places afterwards: its parts are other things then
            called = [f"{number}/{len(kinds)}" for number in range(len(kinds))]
        names[depth] = [repr(name) for name in called] if kind == _TABLE else called
        found += [(*paths[depth], name) for name, kind in zip(names[depth], kinds, strict=True) if kind in (_NUMBER, _ATOMIC)]
    return found
