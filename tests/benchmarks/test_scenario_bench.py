"""Executions per second of scenarios, machine and driver built anew for each, beside the explorer with nothing to build."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import VM, lock_page, put_page, unlock_page
from movable.concurrent.execution import Trial
from movable.concurrent.stage import Subject
from movable.contract import migrate, op, scenario
from movable.explore.engine import Scheduler
from movable.explore.program import Program, Scene
from movable.explore.runner import Options, execute, tidy
from movable.explore.schedulers.shared_locations import Reduced
from movable.explore.schedulers.urw import Sampler
from movable.mm.seam import Seam

SPAN = 1.0
"""Processor seconds for each measurement."""


def machine(scheduler: Any, frames: int = 16) -> Scene:
    """Two tasks of 30 points on a fresh machine, the driver's state not watched: locks, page locks, references, the allocator."""
    vm = VM(frames << 12)
    lock = vm.spinlock("shared")
    pages = [vm.alloc_page() for _ in range(2)]
    vm.install(Seam(scheduler))

    def body(number: int) -> Callable[[], None]:
        page = pages[number]
        assert page is not None

        def run() -> None:
            for _ in range(5):
                with lock:
                    page.private = number
                lock_page(page)
                page.data[:1] = b"x"
                unlock_page(page)

        return run

    def check() -> None:
        vm.install(None)
        for page in pages:
            assert page is not None
            put_page(page)
        assert vm.zones[0].nr_free == frames

    return Scene([("a", body(0)), ("b", body(1))], check)


def nothing(scheduler: Any) -> Scene:
    """The same number of points with nothing to build."""

    def body() -> None:
        for _ in range(15):
            scheduler.point("lock", "L")
            scheduler.point("unlock", "L")

    return Scene([("a", body), ("b", body)])


def rate(program: Program, kind: type[Scheduler]) -> tuple[float, float]:
    """Executions a second of processor time, and points in each."""
    strategy = Sampler(0)
    done = steps = 0
    with tidy():
        gc.disable()
        try:
            execute(program, strategy, Options(), kind=kind)
            began = time.process_time()
            while time.process_time() - began < SPAN:
                run = execute(program, strategy, Options(), kind=kind)
                assert run is not None
                assert run.failure is None
                done += 1
                steps += len(run.steps)
                if not done % 16:
                    gc.collect(1)
            return done / (time.process_time() - began), steps / done
        finally:
            gc.enable()


def write_beside_migration() -> Trial:
    old, new = op("write", slot=0, data=b"old"), op("write", slot=0, data=b"new")
    made = scenario("write beside migration", new, migrate(0), prefix=[old])
    return Trial(Subject(RingWorkload, Ring), made)


@pytest.mark.benchmark
def test_executions_of_scenarios_per_second() -> None:
    """Prints the table. Two thirds of the time may go to building a machine, and four fifths where state is watched."""
    bare, _ = rate(nothing, Scheduler)
    plain, points = rate(machine, Scheduler)
    whole, all_points = rate(write_beside_migration(), Scheduler)
    reduced, shared = rate(write_beside_migration(), Reduced)
    print(f"\n{bare:8.0f} executions/s of two tasks of 30 points with nothing to build")
    print(f"{plain:8.0f} on a fresh machine, no state hooks ({points:.0f} points)")
    print(f"{whole:8.0f} a scenario with prefix, hooks, end checks and the monitor on one in 8 ({all_points:.0f} points)")
    print(f"{reduced:8.0f} the same with only shared locations as points ({shared:.0f} points)")
    assert plain > bare / 3
    assert reduced > bare / 5


def test_the_benchmark_measures_what_it_says() -> None:
    run = execute(machine, Sampler(0), Options())
    assert run is not None
    assert [task.steps for task in run.tasks] == [30, 30]
    assert run.failure is None
