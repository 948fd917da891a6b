"""What it costs to run a driver in a worker: the same check there and here, by the processor's time of all processes."""

from __future__ import annotations

import resource

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable.contract import check

SUPERVISED = True
ROUNDS = 3
START = 0.15
"""Seconds that a worker may take to begin and to end."""


def used() -> float:
    """Seconds of the processor, of this process and of those that it waited for."""
    both = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def cost(isolate: bool, seed: int) -> float:
    before = used()
    check(Ring, RingWorkload, examples=150, executions=1000, seed=seed, isolate=isolate)
    return used() - before


@pytest.mark.benchmark
def test_a_worker_costs_little() -> None:
    cost(False, 99)  # what is imported once
    pairs = [(cost(True, seed), cost(False, seed)) for seed in range(ROUNDS)]
    there, here = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    print(f"in a worker {there:.2f} s, here {here:.2f} s: {there / here:.2f} times")
    assert there < 1.1 * here + START
