"""Shrinking: from a schedule that fails to one that fails the same way with the fewest pre-emptions, then switches.

Delta debugging over the decisions in which the schedule differs from running on; then, while that may pay, a bounded search
below the pre-emptions reached. If the search ends by itself, the number of pre-emptions is the true minimum.

Delta debugging: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", TSE 2002.
"""

from movable.explore.engine import Scheduler
from movable.explore.failure import Failure, NonDeterminism
from movable.explore.program import Program
from movable.explore.runner import Options, execute, follow
from movable.explore.schedulers.preemption_bounded import Bounded
from movable.explore.schedulers.replay import Choices, Decision, Follow, Schedule

_NEAR = 8  # how far apart two decisions may be that are dropped together
Cost = tuple[int, int, int, int]


def same_failure(one: Failure | None, two: Failure | None) -> bool:
    """Whether two failures are of one kind: the same verdict, and the same type of exception."""
    return one is not None and two is not None and (one.kind, one.cause) == (two.kind, two.cause)


def decisions(program: Program, failure: Failure, options: Options) -> Schedule:
    """Turn the choices of a failure into decisions. Raises NonDeterminism when the failure does not come again."""
    strategy = Choices(failure.choices)
    run = execute(program, strategy, options)
    if run is None or not same_failure(failure, run.failure):
        found = "no failure" if run is None or run.failure is None else str(run.failure)
        raise NonDeterminism(f"the schedule of a failure ({failure}) was run again and gave {found}")
    return tuple(strategy.made)


class Shrinker:
    """Shrinks one failure. ``tries`` limits the executions; ``used`` counts them; ``minimal`` is true when the number of
    pre-emptions is proved smallest."""

    def __init__(self, program: Program, failure: Failure, options: Options, tries: int = 1500) -> None:
        self.program = program
        self.failure = failure
        self.options = options
        self.tries = tries
        self.used = 0
        self.minimal = False
        self.best: Schedule = ()
        self.cost: Cost = (0, 0, 0, 0)

    def shrink(self) -> Schedule:
        """Return the smallest schedule found."""
        self.best = decisions(self.program, self.failure, self.options)
        run, strategy = follow(self.program, self.best, self.options)
        self.cost = _cost(strategy, run)
        self._reduce()
        self._search()
        self._reduce()
        self._slide()
        return self.best

    def _try(self, schedule: Schedule) -> bool:
        """Run ``schedule`` leniently; keep it when it fails alike and costs less."""
        if self.used >= self.tries:
            return False
        self.used += 1
        run, strategy = follow(self.program, schedule, self.options)
        if not same_failure(self.failure, run.failure):
            return False
        cost = _cost(strategy, run)
        if cost >= self.cost:
            return False
        self.best, self.cost = tuple(strategy.made), cost
        return True

    def _reduce(self) -> None:
        """Delta debugging: drop ever smaller pieces."""
        size = max(1, len(self.best) // 2)
        while self.used < self.tries and self.best:
            at = 0
            dropped = False
            while at < len(self.best) and self.used < self.tries:
                if self._try(self.best[:at] + self.best[at + size :]):
                    dropped = True
                else:
                    at += size
            if size == 1 and not dropped and not self._drop_pair():
                return
            size = max(1, min(size, len(self.best)) // 2)

    def _drop_pair(self) -> bool:
        """Drop two decisions at once: going away and coming back make sense only together."""
        count = len(self.best)
        return any(
            self._try(self.best[:i] + self.best[i + 1 : j] + self.best[j + 1 :])
            for i in range(count)
            for j in range(i + 1, min(count, i + _NEAR))
        )

    def _search(self) -> None:
        """Look for the failure with fewer pre-emptions, systematically, in what is left of the tries (half at most)."""
        share = (self.tries - self.used) // 2
        for bound in range(self.cost[0]):
            search = Bounded(bound)
            while share > 0:
                run = execute(self.program, search, self.options)
                if run is None:
                    break
                share -= 1
                self.used += 1
                if run.failure is not None and same_failure(self.failure, run.failure):
                    schedule = decisions(self.program, run.failure, self.options)
                    if self._try(schedule):
                        self.minimal = True
                        return
            if not search.complete or search.cut:
                return
        self.minimal = True

    def _slide(self) -> None:
        """Move each decision a little, where that saves switches or steps."""
        for at in range(len(self.best)):
            for shift in (-1, 1, -2, 2):
                if at < len(self.best):
                    old = self.best[at]
                    if old.steps + shift >= 0:
                        moved = Decision(old.task, old.steps + shift, old.following)
                        self._try((*self.best[:at], moved, *self.best[at + 1 :]))


def _cost(strategy: Follow, run: Scheduler) -> Cost:
    return (strategy.preemptions, strategy.switches, len(strategy.made), len(run.steps))
