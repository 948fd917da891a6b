"""Partial-order reduction under a bound on pre-emptions, iterated: first the schedules with none, then with one, and so on.

A pre-emption is a switch away from a task that could have gone on. Most concurrency bugs need one or two, so this finds
them early, and what it has covered is easy to state. Two things differ from plain reduction, as rearranging a schedule can
change what it costs:

 * Each planned reversal at node i is planned a second time at the start of the block that i lies in (the nearest earlier
   switch), where it may be free. Without these *conservative* points schedules within the bound would be missed.
 * No sleep sets and no sharing of initials: what was covered from a sibling may have been covered only at a higher price.

Bounds in turn are those of Musuvathi and Qadeer, "Iterative Context Bounding", PLDI 2007; the conservative points those of Coons,
Musuvathi and McKinley, "Bounded Partial-Order Reduction", OOPSLA 2013.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from movable.explore.schedulers.dfs import covered
from movable.explore.schedulers.dpor import Dpor
from movable.explore.schedulers.strategy import default
from movable.explore.schedulers.tree import NONE, Node, Sleep

if TYPE_CHECKING:
    from movable.explore.engine import Scheduler, Task


class Bounded(Dpor):
    """Reduction within one bound. Parameter: ``bound``, the most pre-emptions; ``refused`` tells whether it ever mattered."""

    name = "bounded"

    def __init__(self, bound: int, root: Sequence[int] = ()) -> None:
        super().__init__(root)
        self.bound = bound
        self.refused = False

    @property
    def claim(self) -> str:
        """What has been covered."""
        return covered(self.complete and not self.cut, self.bound if self.refused else None)

    def first(self, me: "Task | None", enabled: "Sequence[Task]", node: Node) -> "Task | None":
        """Go on."""
        return default(me, enabled)

    def rooted(self, enabled: "Sequence[Task]", node: Node, number: int) -> "Task | None":
        """As prescribed, within the bound."""
        if node.paid + node.cost(number) > self.bound:
            self.refused = True
            return None
        return next((task for task in enabled if task.index == number), None)

    def asleep(self, before: Node) -> Sleep:
        """Nobody sleeps here."""
        return NONE

    def todo(self, node: Node) -> int | None:
        """The lowest task of the backtrack set that was not tried and that the bound allows."""
        for task in sorted(node.backtrack or ()):
            if task != node.chosen and task not in node.sleep:
                if node.paid + node.cost(task) <= self.bound:
                    return task
                self.refused = True
        return None

    def reverse(self, i: int, initials: set[int], task: int) -> None:
        """Plan ``task`` at node i and at the start of its block."""
        self._plan(i, task)
        start = i
        while start > self.floor and self.nodes[start - 1].chosen == self.nodes[start].chosen:
            start -= 1
        if start != i:
            self._plan(start, task)

    def _plan(self, i: int, task: int) -> None:
        node = self.nodes[i]
        if node.backtrack is None:
            node.backtrack = {node.chosen}
        if task in node.enabled:
            node.backtrack.add(task)
        else:
            node.backtrack.update(node.enabled)


class Iterated:
    """`Bounded` with bound 0, 1, 2, ... Parameter: ``most``, the last bound to try (None: until nothing is refused)."""

    name = "bounded"

    def __init__(self, most: int | None = None) -> None:
        self.most = most
        self.complete = False
        self.claim = "some interleavings"
        self._inner = Bounded(0)
        self.choose = self._inner.choose

    def begin(self, run: "Scheduler") -> bool:
        """Go on within the bound, or raise it."""
        while not self._inner.begin(run):
            self.claim = self._inner.claim
            bound = self._inner.bound
            if not self._inner.refused or self._inner.cut or bound == self.most:
                self.complete = not self._inner.cut
                return False
            self._inner = Bounded(bound + 1)
        self.choose = self._inner.choose
        return True

    def end(self, run: "Scheduler") -> None:
        """Pass on."""
        self._inner.end(run)
