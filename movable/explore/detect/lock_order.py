"""Who holds which lock, in which order locks are taken, and whether two tasks could ever wait for each other in a ring.

The graph of locks taken under locks is that of Havelund ("Using Runtime Analysis to Guide Model Checking of Java Programs", SPIN
2000) and of the kernel's lockdep: a ring in it can deadlock, also where no schedule has done so yet.
"""

from collections.abc import Hashable, Iterator
from typing import NamedTuple

ACQUIRES = frozenset(("lock", "rlock"))
_TRIES = frozenset(("try", "rtry"))
_RELEASES = frozenset(("unlock", "runlock"))
LOCK_OPS = ACQUIRES | _TRIES | _RELEASES


class Edge(NamedTuple):
    """``task`` asked for ``wants`` (at step ``step``) while it held ``holds`` (taken at step ``since``).

    ``others`` are the other locks that it held, and whether only their shared side.
    """

    task: int
    holds: Hashable
    wants: Hashable
    hold_shared: bool
    want_shared: bool
    others: dict[Hashable, bool]
    since: int
    step: int


class _Held:
    __slots__ = ("edges", "key", "shared", "since", "sure")

    def __init__(self, key: Hashable, shared: bool, since: int, sure: bool) -> None:
        self.key = key
        self.shared = shared
        self.since = since
        self.sure = sure  # False: a try-lock of which nobody knows yet whether it succeeded
        self.edges: list[Edge] = []  # edges that count once it is sure


class Locks:
    """The lock table and lock graph of one execution.

    A try-lock adds no edge towards its lock, as it does not wait. Whether it succeeded shows when the task unlocks: only then do
    edges from that lock count. A ring counts when its tasks differ, no common lock that one has for itself guards it, and it is not
    all readers.
    """

    __slots__ = ("_edges", "_held")

    def __init__(self) -> None:
        self._held: dict[int, list[_Held]] = {}
        self._edges: dict[tuple[int, Hashable, Hashable, bool, bool], list[Edge]] = {}

    def step(self, task: int, op: str, key: Hashable, now: int) -> bool:
        """Take in a lock operation; True when the task asks for a lock that it holds already (self-deadlock)."""
        mine = self._held.setdefault(task, [])
        if op in _RELEASES:
            self._drop(task, key)
            return False
        shared = op[0] == "r"
        if op in _TRIES:
            if self.twice(task, op, key):
                return False  # it fails, and is no second holding
            mine[:] = [lock for lock in mine if lock.sure or lock.key != key]
            mine.append(_Held(key, shared, now, False))
            return False
        again = self.twice(task, op, key)
        if mine and not shared and not again:
            mine[:] = [lock for lock in mine if lock.sure or lock.key != key]  # a try before this one had failed
        for lock in mine:
            if lock.key == key:
                continue
            others = {other.key: other.shared for other in mine if other is not lock and other.sure}
            edge = Edge(task, lock.key, key, lock.shared, shared, others, lock.since, now)
            if lock.sure:
                self._enter(edge)
            else:
                lock.edges.append(edge)
        mine.append(_Held(key, shared, now, True))
        return again

    def twice(self, task: int, op: str, key: Hashable) -> bool:
        """Whether ``task`` surely holds ``key`` in a way that makes ``op`` wait for itself."""
        mine = self._held.get(task)
        if not mine:
            return False
        reads = op in ("rlock", "rtry")
        return any(lock.key == key and lock.sure and not (lock.shared and reads) for lock in mine)

    def held(self, task: int) -> list[Hashable]:
        """The locks that ``task`` holds or is about to hold, in the order they were asked for."""
        return [lock.key for lock in self._held.get(task, ())]

    def holders(self, key: Hashable) -> list[int]:
        """The tasks that hold ``key`` or asked for it."""
        return [task for task, locks in self._held.items() if any(lock.key == key for lock in locks)]

    def _enter(self, edge: Edge) -> None:
        known = self._edges.setdefault((edge.task, edge.holds, edge.wants, edge.hold_shared, edge.want_shared), [])
        if all(edge.others != old.others for old in known):
            known.append(edge)

    def _drop(self, task: int, key: Hashable) -> None:
        for owner in (task, *self._held):
            last: _Held | None = None
            for lock in self._held.get(owner, ()):
                if lock.key == key and (lock.sure or (owner == task and (last is None or not last.sure))):
                    last = lock  # another task's is released for it only where it surely holds it: a try may have failed
            if last is not None:
                for edge in last.edges:
                    self._enter(edge)
                self._held[owner].remove(last)
                return

    def ring(self) -> list[Edge]:
        """Return the edges of a possible ring of waiting tasks, the shortest first; empty when there is none."""
        edges = [edge for known in self._edges.values() for edge in known]
        if len({edge.task for edge in edges}) < 2:
            return []
        for length in range(2, len({edge.task for edge in edges}) + 1):
            for found in self._rings(edges, [], length):
                return found
        return []

    def _rings(self, edges: list[Edge], path: list[Edge], length: int) -> Iterator[list[Edge]]:
        if len(path) == length:
            if _meets(path[-1], path[0]):
                yield path
            return
        for edge in edges:
            if not path or (_meets(path[-1], edge) and all(_apart(edge, old) for old in path)):
                yield from self._rings(edges, [*path, edge], length)


def _meets(one: Edge, two: Edge) -> bool:
    """``one`` could wait for what ``two`` holds."""
    return one.wants == two.holds and not (one.want_shared and two.hold_shared)


def _apart(one: Edge, two: Edge) -> bool:
    """Nothing keeps the two from being in their critical sections at the same time."""
    guards = one.others.keys() & two.others.keys()
    return one.task != two.task and all(one.others[guard] and two.others[guard] for guard in guards)
