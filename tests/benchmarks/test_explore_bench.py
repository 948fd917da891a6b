"""Executions per second of the explorer, as ratios to plain calls of the same tasks in the same run."""

import gc
import time
from collections.abc import Callable, Hashable
from typing import Any

import pytest

from movable.explore.engine import Scheduler
from movable.explore.instrument.hooks import Hooks
from movable.explore.program import Program, Scene
from movable.explore.runner import Options, execute, tidy
from movable.explore.schedulers.dpor import Dpor
from movable.explore.schedulers.pos import Pos
from movable.explore.schedulers.preemption_bounded import Bounded
from movable.explore.schedulers.strategy import Strategy
from movable.explore.schedulers.surw import Surw
from movable.explore.schedulers.urw import Sampler, Urw

POINTS = 30
SPAN = 0.4
"""Processor seconds for each measurement; other load then disturbs less."""


class Nobody:
    """A scheduler that does nothing: the floor."""

    current = "main"

    def point(self, op: str, key: Hashable) -> None:
        pass


def announced(scheduler: Any) -> Scene:
    """Two tasks of 30 announced points: atomics on a shared cell, locks of their own, reads."""
    cell = [0]

    def body(name: str) -> Callable[[], None]:
        def run() -> None:
            point = scheduler.point
            for _ in range(POINTS // 5):
                point("aw", "x")
                cell[0] += 1
                point("lock", name)
                point("r", "y")
                point("r", "z")
                point("unlock", name)

        return run

    return Scene([("a", body("A")), ("b", body("B"))])


class State:
    def __init__(self) -> None:
        self.count = 0
        self.table: dict[int, int] = {1: 0, 2: 0}


def hooked(scheduler: Any, hooks: bool = True) -> Scene:
    """Two tasks of 30 hooked accesses to attributes and dict items."""
    state = State()
    if hooks:
        Hooks(scheduler).watch(state, "state")

    def body(mine: int) -> Callable[[], None]:
        def run() -> None:
            for _ in range(POINTS // 5):
                state.count += 1
                state.table[mine] = state.count

        return run

    return Scene([("a", body(1)), ("b", body(2))])


def plain(build: Callable[[Any], Scene]) -> float:
    """Plain calls of the same tasks, a second."""
    done = 0
    began = time.process_time()
    while time.process_time() - began < SPAN:
        for _, task in build(Nobody()).tasks:
            task()
        done += 1
    return done / (time.process_time() - began)


def rate(program: Program, make: Callable[[], Strategy], options: Options) -> float:
    """Executions a second."""
    done = 0
    strategy = make()
    with tidy():
        began = time.process_time()
        while time.process_time() - began < SPAN:
            if execute(program, strategy, options) is None:
                strategy = make()
                continue
            done += 1
            gc.collect(1)
        return done / (time.process_time() - began)


@pytest.mark.benchmark
def test_executions_per_second() -> None:
    """Prints the table. The book-keeping of DPOR takes at most as long again as a random execution."""
    strategies: dict[str, Callable[[], Strategy]] = {
        "random": Sampler, "urw": Urw, "surw": Surw, "pos": Pos, "dpor": Dpor, "bounded 1": lambda: Bounded(1),
    }  # fmt: skip
    quiet = Options(races=False)
    floor = plain(announced)
    hook_floor = plain(lambda scheduler: hooked(scheduler, hooks=False))
    best: dict[str, float] = {}
    print(f"\n{'':12}{'points/s':>10}{'of floor':>10}{'+ races':>10}{'+ hooks':>10}   floors: {floor:.0f}, {hook_floor:.0f}")
    for name, make in strategies.items():
        bare = max(rate(announced, make, quiet) for _ in range(2))
        best[name] = full = max(rate(announced, make, Options()) for _ in range(2))
        state = rate(hooked, make, quiet)
        print(f"{name:12}{bare:10.0f}{floor / bare:9.1f}x{full:10.0f}{state:10.0f}")
    print(f"dpor costs {best['random'] / best['dpor']:.2f} times a random execution")
    assert best["random"] / best["dpor"] < 2
    assert floor / best["random"] < 40


def test_the_benchmark_measures_what_it_says() -> None:
    class Count(Scheduler):
        pass

    for build in (announced, hooked):
        run = execute(build, Sampler(), Options(races=False), kind=Count)
        assert run is not None
        assert [task.steps for task in run.tasks] == [POINTS, POINTS], build.__name__
