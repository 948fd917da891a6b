"""Actions as the parts that a sequential order is made of.

An operation is one part. A migration is three (isolate, migrate, put back), since a driver may answer otherwise while a page is
isolated. A compaction is a long row of isolations and ends of isolations; as one part it says what the driver answers before and
behind it, *taken apart* what it answers while one page is held, or all of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from math import factorial, prod

from movable.concurrent.real_time import BEGIN, END, Place
from movable.concurrent.stage import Stage
from movable.workload.action import Action
from movable.workload.perform import PHASES, Phase
from movable.workload.scenario import Scenario

MAX_ORDERS = 120
"""Orders that are tried at most."""
MAX_HELD = 4
"""Pages of which a compaction is imagined to hold one alone."""

LONG = ("compact", "contig", "offline")
"""What the core does page by page."""


@dataclass(frozen=True, slots=True)
class Apart:
    """How long actions are taken apart: which page is held, by its number (None: all), and whether it moves."""

    held: int | None
    moves: bool


def ways_apart(pages: int) -> list[Apart]:
    """Every way to take the long actions apart where the driver has so many pages."""
    held = [None, *range(min(pages, MAX_HELD) if pages > 1 else 0)]
    return [Apart(number, moves) for number in held for moves in (True, False)]


class LeftOut:
    """The answer, in an order, of an operation that is not done there."""

    def __repr__(self) -> str:
        return "busy"


LEFT_OUT = LeftOut()


@dataclass(frozen=True, slots=True)
class Part:
    """``phase`` is what is done, ``places`` are what begins or ends with it; ``answers``: what it returns counts."""

    phase: Phase
    places: tuple[Place, ...] = ()
    answers: bool = False


def parts_of(stage: Stage, scenario: Scenario, task: int, left_out: frozenset[Place], apart: Apart | None) -> list[Part]:
    """What one task does, part by part, without the operations that are left out."""
    found: list[Part] = []
    for number, action in enumerate(scenario.tasks[task]):
        place = (task, number)
        if action[0] == "op":
            phases = [_leave_out] if place in left_out else stage.phases(stage.users[task], action) or [_nothing]
            found += [Part(phase, (place,), answers=True) for phase in phases]
            continue
        if apart is not None and action[0] in LONG:
            phases = stage.held_a_while(apart.held, apart.moves)
        else:
            phases = stage.phases(stage.users[task], action) or [_nothing] * _count(action, apart)
        begins, ends = (*place, BEGIN), (*place, END)
        if len(phases) == 1:
            found.append(Part(phases[0], (begins, ends)))
        else:
            found += [Part(phases[0], (begins,)), *map(Part, phases[1:-1]), Part(phases[-1], (ends,))]
    return found


def orders(scenario: Scenario, seed: int, apart: Apart | None) -> list[tuple[int, ...]]:
    """Sequences of task numbers, one for each part that is done; all of them, or MAX_ORDERS drawn ones."""
    parts = parts_by_task(scenario, apart)
    if multinomial(parts) <= MAX_ORDERS:
        return list(_merges(parts))
    rng = random.Random(seed)
    pool = [task for task, count in enumerate(parts) for _ in range(count)]
    serial = [tuple(sorted(pool)), tuple(sorted(pool, reverse=True))]
    drawn = [tuple(rng.sample(pool, len(pool))) for _ in range(MAX_ORDERS - len(serial))]
    return list(dict.fromkeys(serial + drawn))


def parts_by_task(scenario: Scenario, apart: Apart | None = None) -> tuple[int, ...]:
    """How many parts each task has."""
    return tuple(sum(_count(action, apart) for action in actions) for actions in scenario.tasks)


def _count(action: Action, apart: Apart | None) -> int:
    if apart is not None and action[0] in LONG:
        return 3 if apart.moves else 2
    return PHASES.get(action[0], 1)


def multinomial(parts: tuple[int, ...]) -> int:
    """In how many ways rows of so many parts can be merged into one."""
    return factorial(sum(parts)) // prod(map(factorial, parts))


def _merges(parts: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    if not any(parts):
        yield ()
        return
    for task, count in enumerate(parts):
        if count:
            for rest in _merges((*parts[:task], count - 1, *parts[task + 1 :])):
                yield (task, *rest)


def _nothing() -> None:
    return None


def _leave_out() -> object:
    return LEFT_OUT
