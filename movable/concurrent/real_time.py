"""Real time: which operations can have ended before which began, in a schedule and in all that are equivalent to it.

A search by partial orders runs one schedule of each class of equivalent ones, and these do not agree on what was over when
something else began. So linearizability is asked of all of them at once: an execution is wrong if *some* real-time order that its
class has admits no witness. Which orders a class has follows from what happens before what in the schedule that ran: an operation
can be over before another begins unless a step of the other one must come before a step of the first (Lamport, "Time, Clocks, and
the Ordering of Events in a Distributed System", CACM 1978). Several such claims go together if they make no ring.

What the core does is no operation and has no answer, but it begins and ends as well: an operation that began when a migration was
over does not meet an isolated page.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from movable.explore.dependence import KINDS, OPAQUE, Step, conflict, split

Span = tuple[int, int]
"""The steps at which an action began and ended."""
Place = tuple[int, ...]
"""An operation: the number of its task, and its number there; with BEGIN or END behind, that end of an action of the core."""
BEGIN, END = 0, 1
Pair = tuple[Place, Place]
"""The first was over when the second began."""

MAX_OPERATIONS = 6
"""Of more actions together only the real-time order that was seen is judged."""
_NEVER = 1 << 60


class History:
    """What must come before what in every schedule that is equivalent to ``steps``.

    ``spans`` are those of the actions by task, ``born`` the steps in which tasks were spawned (-1: at the start).
    """

    def __init__(self, steps: Sequence[Step], spans: Sequence[Sequence[Span]], born: Sequence[int]) -> None:
        self._steps = steps
        self._spans = spans
        self._born = born
        self._after: dict[Place, list[int]] = {}

    def must(self, one: Place, two: Place) -> bool:
        """Whether ``one`` begins before ``two`` ends, whatever the schedule."""
        if one[0] == two[0]:
            return one[1:] <= two[1:]
        after = self._after.get(one)
        if after is None:
            after = self._after[one] = self._follow(one)
        return after[two[0]] < self._spans[two[0]][two[1]][1]

    def _follow(self, one: Place) -> list[int]:
        """For each task its first step that happens after the first step of an operation."""
        steps, (task, number) = self._steps, one[:2]
        first = [_NEVER] * len(self._born)
        begins = self._spans[task][number][0]
        source = next((at for at in range(begins, len(steps)) if steps[at][0] == task), None)
        if source is None:
            return first
        first[task] = source
        met: dict[Hashable, list[tuple[str, Hashable]]] = {}
        opaque = False
        for at in range(source, len(steps)):
            who, op, key = steps[at]
            base = split(key)[0]
            if first[who] > at:
                born = self._born[who]
                spawned = born >= source and first[steps[born][0]] <= born
                if not (spawned or opaque or KINDS[op] == OPAQUE or any(conflict(other, (op, key)) for other in met.get(base, ()))):
                    continue
                first[who] = at
            opaque = opaque or KINDS[op] == OPAQUE
            met.setdefault(base, []).append((op, key))
        return first

    def possible(self, pairs: Sequence[Pair]) -> bool:
        """Whether one equivalent schedule has all these pairs."""
        follows = [[other for other, (one, _) in enumerate(pairs) if self.must(two, one)] for _, two in pairs]
        return not _ring(follows)

    def rearranged(self, pairs: Sequence[Pair]) -> tuple[int, ...]:
        """The tasks of an equivalent schedule that has all these pairs, step by step."""
        steps = self._steps
        before: list[set[int]] = [set() for _ in steps]
        last: dict[int, int] = {}
        for at, (who, op, key) in enumerate(steps):
            before[at] |= {last[who]} if who in last else {self._born[who]} - {-1}
            before[at] |= {i for i in range(at) if conflict(steps[i][1:], (op, key))}
            last[who] = at
        for one, two in pairs:
            ended = [at for at in range(self._spans[one[0]][one[1]][1]) if steps[at][0] == one[0]]
            own = [at for at in range(len(steps)) if steps[at][0] == two[0]]
            began = self._spans[two[0]][two[1]][0]
            for at in own[max(0, sum(1 for at in own if at < began) - 1) :][:1]:  # what the operation begins behind
                before[at].update(ended)
        return tuple(steps[at][0] for at in _sorted(before))


def refuted(sequences: Sequence[tuple[Place, ...]], history: History | None) -> tuple[Pair, ...] | None:
    """A real-time order that an equivalent schedule has, and none of these orders of the operations; None where there is none.

    Without a history any real-time order is thought possible that keeps the order inside a task.
    """
    return _refuted(list(sequences), history or _ANY, ())


def _refuted(left: list[tuple[Place, ...]], history: History, pairs: tuple[Pair, ...]) -> tuple[Pair, ...] | None:
    if not left:
        return pairs
    order = left[0]
    for at, two in enumerate(order):
        for one in order[at + 1 :]:
            if one[0] == two[0] or not (can_be_over(one) and can_begin(two)):
                continue
            more = (*pairs, (one, two))
            if history.possible(more):
                found = _refuted([other for other in left if other.index(one) < other.index(two)], history, more)
                if found is not None:
                    return found
    return None


def can_be_over(place: Place) -> bool:
    """Whether something ends there: an operation, or an action of the core."""
    return place[2:] != (BEGIN,)


def can_begin(place: Place) -> bool:
    """Whether something begins there."""
    return place[2:] != (END,)


class _Any(History):
    """Nothing happens before anything, but inside a task."""

    def __init__(self) -> None:
        super().__init__((), (), ())

    def must(self, one: Place, two: Place) -> bool:
        """By program order only."""
        return one[0] == two[0] and one[1:] <= two[1:]


_ANY = _Any()


def _ring(follows: list[list[int]]) -> bool:
    """Whether a walk along ``follows`` can come back to where it began."""
    left = set(range(len(follows)))
    while left:
        free = {one for one in left if not left.intersection(follows[one])}
        if not free:
            return True
        left -= free
    return False


def _sorted(before: list[set[int]]) -> list[int]:
    """The numbers with all of ``before`` in front, and otherwise as they are; those in a ring come last."""
    done: dict[int, None] = {}
    left = list(range(len(before)))
    while left:
        following = next((one for one in left if before[one] <= done.keys()), left[0])
        done[following] = None
        left.remove(following)
    return list(done)
