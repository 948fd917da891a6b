"""The audit: does the program tell the explorer about everything its tasks share?

Reduction trusts that steps which do not conflict may be exchanged. Here two neighbouring steps that are declared independent
are exchanged, and the end states compared; a difference means that something shared is hidden.
"""

import random
from dataclasses import dataclass

from movable.explore.dependence import conflict
from movable.explore.engine import Scheduler
from movable.explore.failure import ExploreError, NonDeterminism
from movable.explore.program import Program
from movable.explore.runner import Options, execute
from movable.explore.schedulers.replay import Choices
from movable.explore.schedulers.urw import Sampler


@dataclass(frozen=True, slots=True)
class Finding:
    """Two steps whose order mattered although they were declared independent; ``message`` says which and how."""

    first: str
    second: str
    message: str


def audit(program: Program, *, samples: int = 100, seed: int = 0, options: Options | None = None) -> list[Finding]:
    """Exchange a pair of independent neighbours in each of ``samples`` random executions; return what mattered.

    Raises ExploreError when the scene has no ``state`` to compare.
    """
    options = options or Options(races=False, order=False)
    rng = random.Random(seed)
    strategy = Sampler(seed)
    findings: dict[tuple[str, str], Finding] = {}
    for _ in range(samples):
        run = execute(program, strategy, options)
        assert run is not None
        if run.scene is not None and run.scene.state is None:
            raise ExploreError("the audit compares end states: give the scene a `state` function")
        pairs = exchangeable(run)
        if run.failure is None and pairs:
            found = _exchange(program, run, rng.choice(pairs), options)
            if found is not None:
                findings.setdefault((found.first, found.second), found)
    return list(findings.values())


def exchangeable(run: Scheduler) -> list[int]:
    """The steps n such that n and n+1 belong to different tasks and are declared independent."""
    steps = run.steps
    return [
        n
        for n in range(len(steps) - 1)
        if steps[n][0] != steps[n + 1][0]
        and run.tasks[steps[n + 1][0]].born != n
        and not conflict(steps[n][1:], steps[n + 1][1:])
    ]


def _exchange(program: Program, run: Scheduler, n: int, options: Options) -> Finding | None:
    expected = [*run.steps[:n], run.steps[n + 1], run.steps[n], *run.steps[n + 2 :]]
    first, second = _say(run, n), _say(run, n + 1)
    try:
        other = execute(program, Choices([step[0] for step in expected]), options)
    except NonDeterminism as error:
        return Finding(first, second, f"{first}, then {second}: the other way round {error}")
    assert other is not None
    if other.failure is not None:
        return Finding(first, second, f"{first}, then {second}: the other way round {other.failure}")
    if other.steps != expected:
        return Finding(first, second, f"{first}, then {second}: the other way round the tasks took other steps later on")
    if other.state != run.state:
        return Finding(first, second, f"{first}, then {second}: end state {run.state!r}; the other way round {other.state!r}")
    return None


def _say(run: Scheduler, n: int) -> str:
    task, op, key = run.steps[n]
    return f"{run.tasks[task].name} did {op} {key!r}"
