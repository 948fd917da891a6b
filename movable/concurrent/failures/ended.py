"""The token of an execution that ended its process: nobody can look at it again, but the way to it was written down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from movable.errors import UsageError
from movable.explore.failures.schedule_token import encode
from movable.explore.schedulers.replay import Decision, Schedule
from movable.workload import token


def schedule_of(trail: Sequence[tuple[int, int]]) -> Schedule:
    """The decisions of a schedule with every point in place, from (task, points left out before its step) of each step."""
    taken: Counter[int] = Counter()
    decisions = []
    before = -1
    for task, left_out in trail:
        if before >= 0:  # they are of the task that ran before
            taken[before] += left_out
        if task != before:
            decisions.append(Decision(before, taken[before], task))
        taken[task] += 1
        before = task
    return tuple(decisions)


def token_of(scenario: str, trail: Sequence[tuple[int, int]]) -> str:
    """A token for the execution: that of its scenario, without a schedule, and the way it went; "" where there is none."""
    try:
        return token.encode(replace(token.decode(scenario), schedule=encode(schedule_of(trail), ())))
    except (UsageError, ValueError):
        return ""
