"""What it costs to run a driver in a worker: the same check by the command, and in one process, by the processor's time of all
processes. Both begin with a new Python, so that what is imported counts on both sides."""

from __future__ import annotations

import sys

import pytest

from tests.processes import seconds_of

SUPERVISED = True
ROUNDS = 3
START = 0.15
"""Seconds that a worker may take to begin and to end."""
HERE = """
from docs.drivers.ring import Ring, RingWorkload
from movable.contract import check
check(Ring, RingWorkload, examples=150, executions=1000, seed={seed}, isolate=False)
"""
THERE = ("-m", "movable", "check", "docs/drivers/ring.py:Ring", "--examples", "150", "--executions", "1000", "--seed")


def cost(isolate: bool, seed: int) -> float:
    return seconds_of([sys.executable, *((*THERE, str(seed)) if isolate else ("-c", HERE.format(seed=seed)))])


@pytest.mark.benchmark
def test_a_worker_costs_little() -> None:
    pairs = [(cost(True, seed), cost(False, seed)) for seed in range(ROUNDS)]
    there, here = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    print(f"in a worker {there:.2f} s, here {here:.2f} s: {there / here:.2f} times")
    assert there < 1.1 * here + START
