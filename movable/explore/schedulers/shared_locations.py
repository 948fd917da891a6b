"""Shared locations: points of locations that make no difference between two schedules are left out.

A location that only one task uses, or that nobody writes, cannot make a difference: stepping there commutes with everything that
the others do. Which locations these are is learned: the moment a second task comes to one, it counts as shared, and the search
starts again. So a search with fewer points finds what one with all of them does; `Expanded` runs what it found with all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from movable.explore.dependence import Part
from movable.explore.engine import Scheduler, Task
from movable.explore.schedulers.replay import Follow
from movable.explore.schedulers.strategy import default

__tracebackhide__ = True

START = ("start",)
"""The location of the first step of every task: what a task does before its first access belongs to that step."""

MAX_POINTS_IN_A_ROW = 1000
"""Points that a task may pass in a row as not shared, before none is left out any more."""

READS = frozenset(("r", "ar", "mr", "xr", "rlock", "rtry", "runlock"))


class Sharing:
    """Which locations tasks share, as far as executions have shown. ``everything``: leave no point out.

    ``passed`` are the uses of each task, as (operation, location), that are known to make nothing shared.
    """

    def __init__(self) -> None:
        self.shared: set[Hashable] = {START}
        self.users: dict[Hashable, tuple[str, bool]] = {}  # whole location -> (its only task, "" for several; written)
        self.passed: dict[str, set[tuple[str, Hashable]]] = {}
        self.grew = False
        self.everything = False

    def now(self) -> frozenset[Hashable] | None:
        """The shared locations as they are known now; None while no point is left out."""
        return None if self.everything else frozenset(self.shared)

    def learn(self, base: Hashable, op: str, task: str) -> bool:
        """Take in one use of a location; True when it is shared now."""
        write = op not in READS
        known = self.users.get(base)
        if known is None:
            self.users[base] = (task, write)
            return False
        who, written = known
        if who == task and (written or not write):
            return False
        several = who != task
        self.users[base] = ("" if several else task, written or write)
        if several and (written or write):
            self.shared.add(base)
            for passed in self.passed.values():
                passed.clear()
            self.grew = True
            return True
        return False


class Reduced(Scheduler):
    """A scheduler that leaves out the points of locations that are not shared; the program has the `Sharing`."""

    def __init__(self, program: Any, *args: Any, **more: Any) -> None:
        super().__init__(program, *args, **more)
        self.sharing: Sharing = program.sharing
        self._shared = self.sharing.shared
        self._passed = 0

    def point(self, op: str, key: Hashable) -> None:
        """As in Scheduler, for shared locations."""
        me = self._running
        if me is not None and not self.sharing.everything:
            passed = me.passed
            if passed is None:
                passed = me.passed = self.sharing.passed.setdefault(me.name, set())
            use = (op, key)
            if use in passed or self._alone(op, key, me.name, passed):
                self.left_out += 1
                self._passed += 1
                if self._passed < MAX_POINTS_IN_A_ROW:
                    return
                # It may be waiting busily for a task that has not had its turn.
                self.sharing.everything = self.sharing.grew = True
        self._passed = 0
        super().point(op, key)

    def _alone(self, op: str, key: Hashable, task: str, passed: set[tuple[str, Hashable]]) -> bool:
        """Whether a use that was not met since the last location turned out to be shared makes nothing shared; then it is noted."""
        base = key.base if type(key) is Part else key
        if base in self._shared or self.sharing.learn(base, op, task):
            return False
        passed.add((op, key))
        return True

    def wait(
        self, key: Hashable, ready: Callable[[], bool], what: str, condition: Callable[[], bool] | None = None,
        *, op: str = "wait", daemon: bool = False,
    ) -> None:  # fmt: skip
        """As in Scheduler; nobody else can be in the way of a location that is not shared."""
        me = self._running
        if me is not None and key not in self._shared and not self.sharing.everything:
            shared = self.sharing.learn(key, op, me.name)
            if not shared and ready():
                self.left_out += 1
                return
        super().wait(key, ready, what, condition, op=op, daemon=daemon)


class Expanded(Follow):
    """Follows the choices of a `Reduced` execution where no point is left out: points that were are passed without a switch.

    ``shared`` are the locations that were known to be shared in that execution; None: it left no point out.
    """

    def __init__(self, choices: Sequence[int], shared: frozenset[Hashable] | None) -> None:
        super().__init__()
        self.left = list(reversed(choices))
        self.shared = shared
        self.active = -1
        self.spent = False

    def choose(self, me: Task | None, enabled: Sequence[Task]) -> Task:
        """Go on with a task until it has taken its step on a shared location, and stands before the next one."""
        task = next((one for one in enabled if one.index == self.active), None)
        if task is not None and not (self.spent and self._counts(task)):
            self.spent = self.spent or self._counts(task)
            return task
        if self.left:
            self.active = self.left.pop()
            task = next((one for one in enabled if one.index == self.active), None)
            if task is not None:
                self.spent = self._counts(task)
                return task
        return default(me, enabled)

    def _counts(self, task: Task) -> bool:
        key = task.key
        return self.shared is None or (key.base if type(key) is Part else key) in self.shared
