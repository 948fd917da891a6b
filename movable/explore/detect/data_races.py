"""Data races by happens-before: two accesses to one location, one a write, one plain, and no synchronisation between.

Vector clocks, with epochs for the common case of a location that one task uses at a time. A lock, an atomic access and a
wake-up order what came before a release with what comes after an acquire of the same location.

Happens-before is Lamport's (CACM 1978); vector clocks are those of Fidge ("Timestamps in Message-Passing Systems", 1988) and
Mattern ("Virtual Time and Global States", 1988), epochs those of Flanagan and Freund ("FastTrack", PLDI 2009).
"""

from collections.abc import Hashable

from movable.explore.dependence import Part, Span, meet

_ACQUIRE = frozenset(("ar", "mr", "aw", "lock", "try", "rlock", "rtry", "wait"))
_RELEASE = frozenset(("aw", "unlock", "wake"))
_READERS = frozenset(("rlock", "rtry"))
"""Who comes to a read-write lock to read sees what writers did before, and not what other readers did."""

Race = tuple[int, int]
"""Two step numbers, the earlier first."""

_Epochs = dict[int, tuple[int, int]]  # task -> (its clock, step number)


class _Location:
    __slots__ = ("atomic_reads", "atomic_writes", "owner", "reads", "write")

    def __init__(self, owner: int) -> None:
        self.owner = owner  # the only task so far, -1 once shared
        self.write: tuple[int, int, int] | None = None  # task, clock, step of the last plain write
        self.reads: _Epochs = {}
        self.atomic_writes: _Epochs = {}
        self.atomic_reads: _Epochs = {}


class HappensBefore:
    """Watches one execution, step by step."""

    __slots__ = ("_clocks", "_locations", "_parts", "_read", "_released")

    def __init__(self) -> None:
        self._clocks: list[list[int]] = []
        self._locations: dict[Hashable, _Location] = {}
        self._parts: dict[Hashable, dict[Hashable, _Location]] = {}  # whole -> its items
        self._released: dict[Hashable, list[int]] = {}
        self._read: dict[Hashable, list[int]] = {}  # what readers of a lock did before they left it

    def task(self, parent: int) -> None:
        """A new task, numbered next; it starts after what ``parent`` did so far (-1: at the beginning)."""
        for clock in self._clocks:
            clock.append(0)
        mine = list(self._clocks[parent]) if parent >= 0 else [0] * (len(self._clocks) + 1)
        mine[len(self._clocks)] = 1
        self._clocks.append(mine)
        if parent >= 0:
            self._clocks[parent][parent] += 1

    def step(self, task: int, op: str, key: Hashable, now: int) -> Race | None:
        """Take in step number ``now``; return the race it completes, if any."""
        race = None
        if op in _ACQUIRE:
            released = self._released.get(key)
            if released is not None:
                self._join(task, released)
            if self._read and op not in _READERS:
                readers = self._read.get(key)
                if readers is not None:
                    self._join(task, readers)
        if op == "r" or op == "w" or op == "ar" or op == "aw":
            race = self._access(task, op, key, now)
        if op in _RELEASE:
            self._release(task, key, self._released)
        elif op == "runlock":
            self._release(task, key, self._read)
        return race

    def _join(self, task: int, other: list[int]) -> None:
        mine = self._clocks[task]
        for i, value in enumerate(other):
            if value > mine[i]:
                mine[i] = value

    def _release(self, task: int, key: Hashable, released: dict[Hashable, list[int]]) -> None:
        mine = self._clocks[task]
        before = released.get(key)
        if before is None:
            released[key] = list(mine)
        else:
            if len(before) < len(mine):
                before.extend([0] * (len(mine) - len(before)))
            for i, value in enumerate(mine):
                if value > before[i]:
                    before[i] = value
        mine[task] += 1

    def _access(self, task: int, op: str, key: Hashable, now: int) -> Race | None:
        where = self._locations.get(key)
        if where is None:
            where = self._locations[key] = _Location(task)
            if type(key) is Part:
                self._parts.setdefault(key.base, {})[key.sub] = where
        elif where.owner != task:
            where.owner = -1
        race = self._check(task, op, where) if where.owner < 0 else None
        if race is None:
            if type(key) is Part:
                race = self._beside(task, op, key)
            elif key in self._parts:
                for part in self._parts[key].values():
                    race = race if race is not None else self._check(task, op, part)
        self._enter(task, op, where, now)
        return None if race is None else (race, now)

    def _beside(self, task: int, op: str, key: Part) -> int | None:
        """A race with the whole, or with other bytes of it that overlap."""
        whole = self._locations.get(key.base)
        race = self._check(task, op, whole) if whole is not None else None
        if race is None and type(key.sub) is Span:
            for sub, where in self._parts[key.base].items():
                if race is None and sub != key.sub and meet(sub, key.sub):
                    race = self._check(task, op, where)
        return race

    def _check(self, task: int, op: str, where: _Location) -> int | None:
        clock = self._clocks[task]
        last = where.write
        if last is not None and clock[last[0]] < last[1]:
            return last[2]
        rivals: list[_Epochs] = []
        if op == "r" or op == "w":
            rivals.append(where.atomic_writes)
        if op == "w" or op == "aw":
            rivals.append(where.reads)
        if op == "w":
            rivals.append(where.atomic_reads)
        for epochs in rivals:
            for other, (time, step) in epochs.items():
                if clock[other] < time:
                    return step
        return None

    def _enter(self, task: int, op: str, where: _Location, now: int) -> None:
        time = self._clocks[task][task]
        if op == "r":
            where.reads[task] = (time, now)
        elif op == "w":
            where.write = (task, time, now)
            if where.reads:
                where.reads = {}
        elif op == "ar":
            where.atomic_reads[task] = (time, now)
        else:
            where.atomic_writes[task] = (time, now)
