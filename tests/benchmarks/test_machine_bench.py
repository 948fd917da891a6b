"""What the state machine costs: programs of the ring driver with every rule and check, and the floor, the same programs bare."""

from __future__ import annotations

import gc
import itertools
import time

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable.sequential.harness import Machine
from movable.sequential.observers import CallbackObserver
from movable.workload.generate import programs
from movable.workload.program import Program

pytestmark = pytest.mark.benchmark

LIMIT = 4.5
"""How many times as long a program may take with events, monitor, observer, audit and census."""
PROGRAMS = 60
ROUNDS = 5


def nothing(machine: Machine) -> None:
    """In place of the checks between two steps."""


def mute(observer: CallbackObserver) -> None:
    """In place of wrapping the callbacks: no events either."""
    assert observer.vm.seam is not None
    observer.vm.seam.muted = 1


def steps_per_second(drawn: list[Program], bare: bool) -> float:
    """Steps in a second of processor time, of programs that break no rule."""
    steps = 0
    with pytest.MonkeyPatch.context() as patch:
        if bare:
            patch.setattr(Machine, "_check", nothing)
            patch.setattr(CallbackObserver, "watch", mute)
        gc.collect()
        started = time.process_time()
        for program in drawn:
            machine = Machine(RingWorkload, Ring).run(program)
            assert not machine.monitor.broken
            assert bool(machine.monitor.exercised["D17"] or machine.monitor.exercised["V32"]) is not bare
            steps += machine.steps
        return steps / (time.process_time() - started)


def test_steps_of_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = list(itertools.islice(programs(RingWorkload, 0), PROGRAMS))
    full = bare = 0.0
    for _ in range(ROUNDS):  # by turns, so that a busy machine slows both alike
        full = max(full, steps_per_second(drawn, bare=False))
        bare = max(bare, steps_per_second(drawn, bare=True))
    with capsys.disabled():
        print(f"\nring: {full:.0f} steps/s, {bare:.0f} bare; watching takes {bare / full:.2f} times as long")
    assert bare <= LIMIT * full
