"""URW, the uniform random walk: who has more steps left is more likely to go, so that whole interleavings are equally likely.

Zhao, Wolff, Mathur and Roychoudhury, "Selectively Uniform Concurrency Testing", ASPLOS 2025.
"""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from movable.explore.schedulers.strategy import default

if TYPE_CHECKING:
    from movable.explore.engine import Scheduler, Task


class Sampler:
    """What the random strategies share: sample number i depends on the seed and i alone, and the end is somebody else's.

    Parameters: ``seed``; ``first``, the number of the first sample, so that ranges can be handed out. The execution before the
    first sample runs without pre-emptions and serves to count each task's steps.
    """

    name = "random"
    complete = False

    def __init__(self, seed: int = 0, first: int = 0) -> None:
        self.seed = seed
        self.sample = first - 1
        self.taken = 0
        self.rng = random.Random()
        self._run: Scheduler | None = None
        self.learning = True

    @property
    def claim(self) -> str:
        """What has been covered."""
        return f"{self.taken} samples"

    def begin(self, run: "Scheduler") -> bool:
        """Seed the next sample."""
        self._run = run
        if not self.learning:
            self.sample += 1
            self.rng.seed((self.seed << 32) + self.sample)
            self.start()
        return True

    def start(self) -> None:
        """A sample begins."""

    def choose(self, me: "Task | None", enabled: "Sequence[Task]") -> "Task":
        """Draw."""
        if self.learning:
            return default(me, enabled)
        return self.draw(enabled)

    def draw(self, enabled: "Sequence[Task]") -> "Task":
        """Draw who goes next; a plain random walk here."""
        return enabled[0] if len(enabled) == 1 else enabled[int(self.rng.random() * len(enabled))]

    def end(self, run: "Scheduler") -> None:
        """Count."""
        self.taken += 1
        if self.learning:
            self.study(run)
            self.learning = False

    def study(self, run: "Scheduler") -> None:
        """Learn from the execution without pre-emptions."""


class Urw(Sampler):
    """Uniform random walk, weighted by the steps that each task had left in the first execution."""

    name = "urw"

    def __init__(self, seed: int = 0, first: int = 0) -> None:
        super().__init__(seed, first)
        self._total: dict[str, int] = {}

    def study(self, run: "Scheduler") -> None:
        """Count the steps of each task."""
        self._total = {task.name: task.steps for task in run.tasks}

    def draw(self, enabled: "Sequence[Task]") -> "Task":
        """Draw in proportion to the steps left; a task never counts for less than one."""
        if len(enabled) == 1:
            return enabled[0]
        total = self._total
        weights = [max(1, total.get(task.name, 1) - task.steps) for task in enabled]
        point = self.rng.random() * sum(weights)
        for task, weight in zip(enabled, weights, strict=True):
            point -= weight
            if point < 0:
                return task
        return enabled[-1]
