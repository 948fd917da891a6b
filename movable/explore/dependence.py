"""Which operations conflict, and the order that conflicts impose on the steps of a run.

Two steps of different tasks may be exchanged without changing anything unless they *conflict*. Everything the systematic
strategies prove rests on this table, so it errs on the side of conflict. Runs that differ only by such exchanges are one trace in
the sense of Mazurkiewicz ("Trace Theory", 1987).
"""

from collections.abc import Hashable, Iterable
from typing import NamedTuple

READ, SHARED, EXCLUSIVE, OPAQUE = 0, 1, 2, 3

KINDS: dict[str, int] = {
    "r": READ, "ar": READ, "mr": READ, "xr": READ, "xw": EXCLUSIVE, "w": EXCLUSIVE, "aw": EXCLUSIVE,
    "lock": EXCLUSIVE, "try": EXCLUSIVE, "unlock": EXCLUSIVE,
    "rlock": SHARED, "rtry": SHARED, "runlock": SHARED,
    "wait": EXCLUSIVE, "wake": EXCLUSIVE,
    "opaque": OPAQUE,
}  # fmt: skip
"""How each operation uses its location. "mr" is an atomic read beside which a plain write is no race; "xr" and "xw" are plain
accesses whose races are excused. A try-lock that succeeds changes the lock, so it counts as exclusive; two readers of a rw
lock do not disturb each other, but a peek at the lock sees them."""


class Part(NamedTuple):
    """A location inside another one: an item of a container. It conflicts with itself and with the whole.

    Parameters: ``base``, the key of the whole; ``sub``, the key of the item.
    """

    base: Hashable
    sub: Hashable

    def __str__(self) -> str:
        if type(self.sub) is Span:
            named = getattr(self.base, "part", None)  # a whole that knows the names of its parts
            if named is not None:
                return str(named(self.sub.start, self.sub.stop))
            plain = type(self.base).__str__ is tuple.__str__
            base = " ".join(map(str, self.base)) if plain else str(self.base)  # type: ignore[call-overload]
            return f"{base}[{self.sub.start}:{self.sub.stop}]"
        return f"{str(self.base).removesuffix('[]')}[{self.sub!r}]"


class Span(NamedTuple):
    """Bytes of a whole, as the item of a `Part`: two of them meet where they overlap.

    Parameters: ``start``, ``stop``, as in ``range``.
    """

    start: int
    stop: int


Access = tuple[str, Hashable]


def split(key: Hashable) -> tuple[Hashable, Hashable]:
    """Return (whole, item) of a location; the item is None where the location is a whole."""
    return (key.base, key.sub) if type(key) is Part else (key, None)


def meet(one: Hashable, two: Hashable) -> bool:
    """Say whether two items of one whole have anything in common; None is the whole itself."""
    if one is None or two is None or one == two:
        return True
    return type(one) is Span and type(two) is Span and one.start < two.stop and two.start < one.stop


def conflict(one: Access, two: Access) -> bool:
    """Say whether the order of two accesses ``(op, key)`` can matter."""
    first, second = KINDS[one[0]], KINDS[two[0]]
    if first == OPAQUE or second == OPAQUE:
        return True
    if first == second and first != EXCLUSIVE:
        return False
    if one[1] == two[1]:
        return True
    base, sub = split(one[1])
    other, item = split(two[1])
    return base == other and meet(sub, item)


class Order:
    """The partial order of a run: for each step a bit mask of the steps that happen before it, itself included.

    Fed step by step with `add`; ``past[j] >> i & 1`` then says whether step i is ordered before step j.
    """

    __slots__ = ("_cells", "_last", "_opaque", "past")

    def __init__(self) -> None:
        self.past: list[int] = []
        self._last: dict[int, int] = {}
        # per whole location: the last exclusive step on the whole, and the steps since, latest per (task, kind, item)
        self._cells: dict[Hashable, tuple[int, dict[tuple[int, int, Hashable], int]]] = {}
        self._opaque = -1

    def own(self, task: int, born: int) -> int:
        """Return the mask of what happened before the next step of ``task`` by program order alone.

        ``born`` is the step in which the task was spawned, -1 for none.
        """
        before = self._last.get(task, born)
        return self.past[before] if before >= 0 else 0

    def add(self, task: int, op: str, key: Hashable, born: int = -1) -> list[int]:
        """Append one step and return the earlier steps it races with: conflicting, and ordered by nothing else."""
        last = self._last
        before = last.get(task, born)
        past = self.past
        mask = past[before] if before >= 0 else 0
        races: list[int] = []
        kind = KINDS[op]
        if kind == OPAQUE:
            candidates: Iterable[int] = sorted(last.values(), reverse=True)
        else:
            candidates = self._rivals(task, kind, key, len(past))
        for i in candidates:
            if not mask >> i & 1:
                races.append(i)
                mask |= past[i]
        here = len(past)
        if kind == OPAQUE:
            self._cells.clear()
            self._opaque = here
        last[task] = here
        past.append(mask | 1 << here)
        return races

    def _rivals(self, task: int, kind: int, key: Hashable, here: int) -> list[int]:
        """Enter the step in its location's history and return the earlier conflicting steps, latest first."""
        base, sub = (key.base, key.sub) if type(key) is Part else (key, None)
        cell = self._cells.get(base)
        last, since = cell if cell is not None else (self._opaque, None)
        found: list[int] = []
        if since:
            for (_, other, item), i in since.items():
                if (kind != other or kind == EXCLUSIVE) and (sub is None or item is None or sub == item or meet(sub, item)):
                    found.append(i)
            if len(found) > 1:
                found.sort(reverse=True)
        if last >= 0:
            found.append(last)
        if kind == EXCLUSIVE and sub is None:
            self._cells[base] = (here, {})
        elif since is None:
            self._cells[base] = (last, {(task, kind, sub): here})
        else:
            since[task, kind, sub] = here
        return found

    def restore(self, task: int, op: str, key: Hashable, mask: int) -> None:
        """Append a step whose mask is already known (a replayed prefix)."""
        here = len(self.past)
        if KINDS[op] == OPAQUE:
            self._cells.clear()
            self._opaque = here
        else:
            base, sub = (key.base, key.sub) if type(key) is Part else (key, None)
            kind = KINDS[op]
            if kind == EXCLUSIVE and sub is None:
                self._cells[base] = (here, {})
            else:
                cell = self._cells.get(base)
                if cell is None:
                    cell = self._cells[base] = (self._opaque, {})
                cell[1][task, kind, sub] = here
        self._last[task] = here
        self.past.append(mask)


def bits(mask: int) -> list[int]:
    """Return the positions of the set bits, lowest first."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


Step = tuple[int, str, Hashable]
Canonical = tuple[tuple[str, tuple[tuple[str, Hashable, tuple[tuple[str, int], ...]], ...]], ...]


def canonical(steps: list[Step], names: list[str], born: list[int]) -> Canonical:
    """Return a form that two runs share exactly when they differ only in the order of steps that do not conflict.

    ``steps`` are (task, op, key); ``names`` and ``born`` are per task: the name that does not depend on the schedule and the
    step that spawned it. Each step carries, per task, how many of that task's steps happen before it.
    """
    order = Order()
    serial: list[int] = []
    count = [0] * len(names)
    lanes: list[list[tuple[str, Hashable, tuple[tuple[str, int], ...]]]] = [[] for _ in names]
    for task, op, key in steps:
        order.add(task, op, key, born[task])
        count[task] += 1
        serial.append(count[task])
        clock: dict[str, int] = {}
        for i in bits(order.past[-1]):
            clock[names[steps[i][0]]] = serial[i]
        lanes[task].append((op, key, tuple(sorted(clock.items()))))
    return tuple(sorted((name, tuple(lane)) for name, lane in zip(names, lanes, strict=True)))
