"""SURW, the selectively uniform random walk: uniform over the interleavings of the steps on one location, random elsewhere.

For each sample one shared location is selected. Which task makes the next step on it is drawn in advance, in proportion to
the steps on it that each task has left; the others are held back when they come to it first.

Zhao, Wolff, Mathur and Roychoudhury, "Selectively Uniform Concurrency Testing", ASPLOS 2025.
"""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from movable.explore.dependence import EXCLUSIVE, KINDS, split
from movable.explore.schedulers.urw import Sampler

if TYPE_CHECKING:
    from movable.explore.engine import Scheduler, Task


class Surw(Sampler):
    """Selectively uniform random walk; the locations and counts come from the first execution."""

    name = "surw"

    def __init__(self, seed: int = 0, first: int = 0) -> None:
        super().__init__(seed, first)
        self._counts: dict[Hashable, dict[str, int]] = {}
        self._places: list[Hashable] = []
        self._selected: Hashable = None
        self._left: dict[str, int] = {}
        self._intended: Task | None = None

    def study(self, run: "Scheduler") -> None:
        """Find the locations that several tasks use and one changes, in the order of first use."""
        changed: set[Hashable] = set()
        for number, op, key in run.steps:
            base = split(key)[0]
            tasks = self._counts.setdefault(base, {})
            name = run.tasks[number].name
            tasks[name] = tasks.get(name, 0) + 1
            if KINDS[op] >= EXCLUSIVE:
                changed.add(base)
        self._places = [base for base, tasks in self._counts.items() if len(tasks) > 1 and base in changed]

    def start(self) -> None:
        """Select a location."""
        places = self._places
        self._selected = places[int(self.rng.random() * len(places))] if places else None
        self._left = dict(self._counts.get(self._selected, {}))
        self._intended = None

    def draw(self, enabled: "Sequence[Task]") -> "Task":
        """Draw among the tasks that are not at the location, and the intended one."""
        if len(enabled) == 1:
            task = enabled[0]
        else:
            if self._intended is None or self._intended not in enabled:
                self._intend(enabled)
            selected = self._selected
            free = [task for task in enabled if task is self._intended or split(task.key)[0] != selected]
            task = free[0] if len(free) == 1 else free[int(self.rng.random() * len(free))]
        if split(task.key)[0] == self._selected:
            self._left[task.name] = self._left.get(task.name, 1) - 1
            self._intended = None
        return task

    def _intend(self, enabled: "Sequence[Task]") -> None:
        weights = [max(0, self._left.get(task.name, 0)) for task in enabled]
        point = self.rng.random() * sum(weights)
        for task, weight in zip(enabled, weights, strict=True):
            point -= weight
            if point < 0:
                self._intended = task
                return
        self._intended = enabled[int(self.rng.random() * len(enabled))]
