"""POS, partial order sampling: steps carry random priorities, drawn anew for those that conflict with the step taken.

Yuan, Yang and Gu, "Partial Order Aware Concurrency Sampling", CAV 2018.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from movable.explore.dependence import conflict
from movable.explore.schedulers.urw import Sampler

if TYPE_CHECKING:
    from movable.explore.engine import Task


class Pos(Sampler):
    """Partial order sampling. It samples orders of conflicting steps more evenly than it does interleavings."""

    name = "pos"

    def __init__(self, seed: int = 0, first: int = 0) -> None:
        super().__init__(seed, first)
        self._priority: dict[int, float] = {}

    def start(self) -> None:
        """Forget the priorities."""
        self._priority = {}

    def draw(self, enabled: "Sequence[Task]") -> "Task":
        """The highest priority goes."""
        if len(enabled) == 1:
            self._priority.pop(enabled[0].index, None)
            return enabled[0]
        priority = self._priority
        random = self.rng.random
        best = None
        high = -1.0
        for task in enabled:
            mine = priority.get(task.index)
            if mine is None:
                mine = priority[task.index] = random()
            if mine > high:
                best, high = task, mine
        assert best is not None
        step = (best.op, best.key)
        for task in enabled:
            if task is best or conflict(step, (task.op, task.key)):
                priority.pop(task.index, None)
        return best
