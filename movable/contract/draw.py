"""Draws programs: Hypothesis draws a pool of steps, a seeded generator puts programs together from it.

Hypothesis is good at arguments (short, odd and extreme values) and slow at long sequences: drawing a step costs it as much as
running three. So the pool is drawn once, and each program picks from it.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator

from movable.contract.program import LONGEST, Program, Step
from movable.contract.program import steps as all_steps
from movable.contract.workload import Workload

POOL = 160
"""Steps in a pool; enough for some dozen different arguments of each operation."""


def pool(workload: type[Workload], seed: int) -> list[Step]:
    """POOL steps for a workload, the same for the same seed."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis.errors import HypothesisWarning

    drawn: list[Step] = []

    @seeded(seed)
    @settings(
        max_examples=POOL,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(all_steps(workload))
    def draw(step: Step) -> None:
        drawn.append(step)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisWarning)
        draw()
    return drawn


def programs(workload: type[Workload], seed: int) -> Iterator[Program]:
    """Programs without end: short ones first, so that the first failure of a kind is short."""
    chosen = pool(workload, seed)
    generator = random.Random(seed)
    count = 0
    while True:
        longest = min(LONGEST, 6 + count)
        variant = count % len(workload.variants)
        steps = tuple(generator.choice(chosen) for _ in range(generator.randint(1, longest)))
        yield (("variant", variant), *steps) if variant else steps
        count += 1


def shrink(program: Program, fails: Callable[[Program], bool], limit: int = 400) -> Program:
    """The smallest part found of ``program`` that still fails: ever smaller runs of steps go, in ``limit`` trials at most."""
    trials = 0
    size = max(1, len(program) // 2)
    while trials < limit:
        at = 0
        shorter = False
        while at < len(program) and trials < limit:
            candidate = program[:at] + program[at + size :]
            trials += 1
            if fails(candidate):
                program, shorter = candidate, True
            else:
                at += size
        if size > 1:
            size //= 2
        elif not shorter:
            break
    return program
