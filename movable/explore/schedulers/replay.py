"""Replay: a schedule as the few decisions in which it differs from running on, followed strictly or leniently.

A decision is named by what came before it, ``(task, steps that task had taken)``: after its k-th step each task is
asked once who goes next, so the name is unique, and it keeps its meaning when other decisions are dropped. That is what
makes shrinking work and tokens short.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from movable.explore.failure import NonDeterminism
from movable.explore.schedulers.strategy import default
from movable.explore.schedulers.tree import diverged

if TYPE_CHECKING:
    from movable.explore.engine import Scheduler, Task


@dataclass(frozen=True, slots=True)
class Decision:
    """After ``task`` (number; -1: at the start) had taken ``steps`` steps, ``following`` (number) went on."""

    task: int
    steps: int
    following: int


Schedule = tuple[Decision, ...]


class Follow:
    """Runs one schedule, once. Parameters: ``schedule``; ``strict``, an inapplicable decision raises NonDeterminism.

    Afterwards ``made`` holds the decisions that really differed from running on, and ``preemptions`` and ``switches`` count.
    """

    name = "replay"
    claim = "one interleaving"

    def __init__(self, schedule: Schedule = (), *, strict: bool = False) -> None:
        self.wanted = {(d.task, d.steps): d.following for d in schedule}
        self.strict = strict
        self.complete = False
        self.made: list[Decision] = []
        self.preemptions = 0
        self.switches = 0
        self._run: Scheduler | None = None

    def begin(self, run: "Scheduler") -> bool:
        """There is one execution."""
        self._run = run
        return not self.complete

    def choose(self, me: "Task | None", enabled: "Sequence[Task]") -> "Task":
        """Run on unless the schedule says otherwise."""
        usual = default(me, enabled)
        at = (me.index, me.steps) if me is not None else (-1, 0)
        number = self.pick(at, usual)
        task = usual
        if number != usual.index:
            found = next((other for other in enabled if other.index == number), None)
            if found is not None:
                task = found
                self.made.append(Decision(*at, number))
            elif self.strict:
                self._diverge(number)
        if me is not None and task is not me:
            self.switches += 1
            self.preemptions += me in enabled
        return task

    def pick(self, at: tuple[int, int], usual: "Task") -> int:
        """The number of the task to go after ``at``."""
        return self.wanted.pop(at, usual.index)

    def _diverge(self, number: int) -> None:
        run = self._run
        assert run is not None
        task = run.tasks[number] if number < len(run.tasks) else None
        raise NonDeterminism(diverged(len(run.steps), task, number, "", None, False))

    def end(self, run: "Scheduler") -> None:
        """There was one execution. A strict replay has to come to every decision."""
        self.complete = True
        if self.strict and self.wanted and not run.cut:
            task, steps = next(iter(self.wanted))
            name = run.tasks[task].name if 0 <= task < len(run.tasks) else f"task number {task}"
            raise NonDeterminism(
                f"the schedule has a decision after step {steps} of {name}, but the execution ended without it:"
                " this is not the program that the schedule was made for"
            )


class Choices(Follow):
    """Follows a complete list of task numbers, strictly, and learns the decisions in it. Past its end it runs on."""

    def __init__(self, choices: Sequence[int]) -> None:
        super().__init__(strict=True)
        self.choices = choices

    def pick(self, at: tuple[int, int], usual: "Task") -> int:
        """The next number of the list."""
        assert self._run is not None
        now = len(self._run.steps)
        return self.choices[now] if now < len(self.choices) else usual.index
