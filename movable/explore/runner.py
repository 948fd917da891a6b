"""How executions are run: the options they share, one execution, and the check that the same schedule gives the same steps."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from movable.explore.engine import Scheduler
from movable.explore.failure import NonDeterminism
from movable.explore.program import Program
from movable.explore.schedulers.replay import Follow, Schedule
from movable.explore.schedulers.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Options:
    """What holds for every execution of a search.

    Parameters: ``limit``, steps before fair scheduling takes over (and twice of which is a livelock); ``races``, report data
    races; ``order``, report lock-order rings; ``quiet``, parts of file names whose lines are not shown in reports (the seam).
    """

    limit: int = 20_000
    races: bool = True
    order: bool = True
    quiet: tuple[str, ...] = ()


def execute(
    program: Program, strategy: Strategy, options: Options, *, kind: type[Scheduler] = Scheduler, stop: bool = True
) -> Scheduler | None:
    """Run one execution and return it; None when the strategy has nothing left."""
    run = kind(program, strategy, limit=options.limit, races=options.races, order=options.order, stop=stop)
    if not strategy.begin(run):
        return None
    run.run()
    strategy.end(run)
    return run


def follow(
    program: Program, schedule: Schedule, options: Options, *, strict: bool = False, kind: type[Scheduler] = Scheduler
) -> tuple[Scheduler, Follow]:
    """Run one schedule; return the execution and what was followed."""
    strategy = Follow(schedule, strict=strict)
    run = execute(program, strategy, options, kind=kind)
    assert run is not None
    return run, strategy


@contextmanager
def tidy() -> Iterator[None]:
    """Leave what exists out of garbage collection, so that collecting between executions costs what they left."""
    before = _frozen_by_others(os.getpid())
    gc.freeze()
    try:
        yield
    finally:
        if not before:
            gc.unfreeze()


_IMPORTED_IN = os.getpid()


@lru_cache(maxsize=1)
def _frozen_by_others(pid: int) -> bool:
    """Whether objects were frozen here before; that freeze stays. Counting them is a walk over all: not done in a fork."""
    return pid != _IMPORTED_IN or gc.get_freeze_count() > 0


def same_twice(program: Program, schedule: Schedule = (), options: Options | None = None) -> Scheduler:
    """Run one schedule twice and compare every step; return the second execution.

    Raises NonDeterminism that names the first step that differs, and says how.
    """
    options = options or Options()
    first, _ = follow(program, schedule, options)
    return compare(first, follow(program, schedule, options)[0])


def compare(first: Scheduler, second: Scheduler) -> Scheduler:
    """Compare every step of two executions of one schedule; return the second. Raises NonDeterminism as ``same_twice``."""
    for number, (one, two) in enumerate(zip(first.steps, second.steps, strict=False)):
        if one != two:
            raise NonDeterminism(_differs(number, _step(first, number), _step(second, number)))
    if len(first.steps) != len(second.steps):
        number = min(len(first.steps), len(second.steps))
        raise NonDeterminism(_differs(number, _step(first, number), _step(second, number)))
    ends = [str(run.failure or "no failure") for run in (first, second)]
    if ends[0] != ends[1]:
        raise NonDeterminism(_differs(len(first.steps), *ends))
    return second


def _step(run: Scheduler, number: int) -> str:
    if number >= len(run.steps):
        return "the end"
    task, op, key = run.steps[number]
    return f"{run.tasks[task].name} did {op} {key!r}"


def _differs(number: int, one: str, two: str) -> str:
    return (
        f"the same schedule twice: step {number} was {one}, then {two}. The program must depend on nothing but its arguments"
        " and the schedule: look for state kept between executions, unseeded random numbers, time, or names made from addresses"
    )
