"""Draws programs: Hypothesis draws a pool of steps, a seeded generator puts programs together from it.

Hypothesis is good at arguments (short, odd and extreme values) and slow at long sequences: drawing a step costs it as much as
running three. So the pool is drawn once, and each program picks from it.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from movable.boundary import place_of
from movable.errors import UsageError
from movable.shown import said
from movable.workload.program import LONGEST, Program, Step, kinds
from movable.workload.workload import Handle, Workload

if TYPE_CHECKING:
    from hypothesis import settings

DRAWS = 100
"""How often steps of all kinds are drawn; enough for some dozen different arguments of each operation."""


FOLLOW = 0.75
"""How often a fault is followed by a step that it was made for."""
ISOLATING = ("isolate", "move", "move anyhow", "migrate")

_drawn: dict[tuple[type[Workload], int], dict[str, list[Step]]] = {}
KEPT = 32
"""How many drawn bags are kept, because a search for a broken driver and one for its twin draw the same."""


def bags(workload: type[Workload], seed: int) -> dict[str, list[Step]]:
    """Different steps of each kind for a workload, the same for the same seed."""
    found = _drawn.get((workload, seed))
    if found is None:
        if len(_drawn) >= KEPT:
            _drawn.clear()
        found = _drawn[workload, seed] = _draw(workload, seed)
    return found


def _draw(workload: type[Workload], seed: int) -> dict[str, list[Step]]:
    """The steps of ``bags``.

    All kinds are drawn at once: Hypothesis does not repeat itself, so that a kind without arguments would else be the rarest.
    """
    from hypothesis import given
    from hypothesis import seed as seeded
    from hypothesis import strategies as st
    from hypothesis.errors import HypothesisWarning

    names, strategies = zip(*((name, strategy) for name, (_, strategy) in kinds(workload).items()), strict=True)
    drawn: list[tuple[Step, ...]] = []

    @seeded(seed)
    @quietly(DRAWS)
    @given(st.tuples(*strategies))
    def draw(steps: tuple[Step, ...]) -> None:
        drawn.append(steps)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisWarning)
        try:
            draw()
        except Exception as error:
            raise UsageError(f"{_culprit(workload)}{type(error).__name__}: {said(error)}, raised at {place_of(error)}") from error
    return {name: list({repr(steps[at]): steps[at] for steps in drawn}.values()) for at, name in enumerate(names)}


def quietly(draws: int) -> settings:
    """So many draws, and no complaints of Hypothesis's about how they come."""
    from hypothesis import HealthCheck, Phase, settings

    return settings(
        max_examples=draws, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )


def _culprit(workload: type[Workload]) -> str:
    """Which argument of which operation cannot be drawn, in words; "" where each can by itself."""
    from hypothesis import given

    for name, operation in workload.operations().items():
        for argument, strategy in operation.arguments.items():
            if isinstance(strategy, Handle):
                continue
            try:
                quietly(DRAWS)(given(strategy)(lambda value: None))()
            except Exception:
                return f"{workload.__name__}.{name}: the strategy of its argument {argument} raises "
    return ""


def pool(workload: type[Workload], seed: int) -> list[Step]:
    """All the steps of the bags, kind after kind."""
    return [step for steps in bags(workload, seed).values() for step in steps]


def programs(workload: type[Workload], seed: int) -> Iterator[Program]:
    """Programs without end: short ones first, so that the first failure of a kind is short.

    A fault lasts for one step, so that mostly one comes next which it can strike.
    """
    drawn = bags(workload, seed)
    weights = {name: weight for name, (weight, _) in kinds(workload).items()}
    operations = [name for name in drawn if name.startswith("op ")] or list(drawn)
    generator = random.Random(seed)
    count = 0
    while True:
        longest = min(LONGEST, 6 + count)
        variant = count % len(workload.variants)
        steps: list[Step] = [("variant", variant)] if variant else []
        for kind in generator.choices(list(weights), list(weights.values()), k=generator.randint(1, longest)):
            if steps and steps[-1][0] == "fault" and generator.random() < FOLLOW:
                kind = generator.choice(ISOLATING if steps[-1][1] == "locked" else operations)
            steps.append(generator.choice(drawn[kind]))
        yield tuple(steps)
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
