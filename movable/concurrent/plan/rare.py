"""Operations that do nothing in any of the usual states: who shrinks a cache finds nothing to free until much was done.

For each of them a walk of other operations looks for a state where it does something, and that walk is then made short. The same
workload and seed give the same states.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from movable.concurrent.linearizability import SECONDS_PER_ORDER
from movable.concurrent.plan.probe import Effect
from movable.concurrent.plan.states import State, States
from movable.concurrent.stage import Stage, operations
from movable.errors import passes
from movable.sequential.faults import watchdog
from movable.workload.action import Action
from movable.workload.scenario import Scenario
from movable.workload.workload import Handle

MAX_OPERATIONS = 3
"""Operations for which a state is looked for."""
WALKS, LONGEST = 24, 12
"""Walks for each, and operations in one."""
MAX_HANDLES = 3
"""Handles that a walk takes turns with."""


def rarely(states: States) -> Iterator[tuple[State, Effect]]:
    """States in which an operation does something that it does in none of those that are known, with what it does there."""
    idle = [name for name in states.candidates if not any(map(does_something, _known(states, name)))]
    for name in idle[:MAX_OPERATIONS]:
        prefix = _shortest(states, name, _walked(states, name))
        state = states.state(f"where {name} does something", prefix) if prefix else None
        best = None if state is None else next(filter(does_something, state.effects.get(name, ())), None)
        if state is not None and best is not None:
            yield state, best


def _known(states: States, name: str) -> list[Effect]:
    return [effect for state in states.known.values() for effect in state.effects.get(name, ())]


def does_something(effect: Effect) -> bool:
    """Whether an operation made a difference, or changed anything where it did not refuse."""
    shows = effect.changed or effect.made or effect.gone or effect.gained or effect.lost or effect.queued or effect.took
    return bool(shows) or (not effect.refused and any(write for write, _, _ in effect.uses.values()))


def _walked(states: States, name: str) -> tuple[Action, ...]:
    """A walk after which an operation does something; empty where none was found."""
    rng = random.Random(f"{states.subject.seed} {name}".encode(errors="surrogatepass"))
    others = [other for other in states.candidates if other != name and states.candidates[other]]
    asked = states.candidates[name][0]
    for _ in range(WALKS if others else 0):
        walk = [_drawn(states, rng, rng.choice(others)) for _ in range(LONGEST)]
        at = _where(states, walk, asked)
        if at:
            return tuple(walk[:at])
    return ()


def _drawn(states: States, rng: random.Random, name: str) -> Action:
    """One of the arguments that are known for an operation, about any of the first handles."""
    _, _, arguments = rng.choice(states.candidates[name])
    kinds = operations(states.subject.workload)[name].arguments
    handles = {each: rng.randrange(MAX_HANDLES) for each, kind in kinds.items() if isinstance(kind, Handle)}
    return ("op", name, {**arguments, **handles})


def _where(states: States, walk: list[Action], asked: Action) -> int:
    """After how many operations of a walk another one seems to do something, by what can be read and its pages; 0 for never."""
    try:
        with watchdog(SECONDS_PER_ORDER * 4):
            stage = Stage(states.subject, Scenario("", ((),), variant=states.variant))
            stage.live = stage.pages = None  # as in a prefix: what a number means is up to the moment
            user = stage.workload
            for at, action in enumerate(walk, 1):
                stage.do(user, action)
                stage.vm.run_work()
                before = len(user.model), stage.frames_in_use()
                stage.do(user, asked)
                if (len(user.model), stage.frames_in_use()) != before:
                    return at
    except BaseException as error:
        if passes(error):
            raise
    return 0


def _shortest(states: States, name: str, walk: tuple[Action, ...]) -> tuple[Action, ...]:
    """The walk without all that can be left out; empty where the operation does nothing after it on a machine of its own."""
    asked = states.candidates[name][0]

    def does(prefix: tuple[Action, ...]) -> bool:
        effect = states.probe(prefix, asked)
        return effect is not None and does_something(effect)

    if not walk or not does(walk):
        return ()
    for at in reversed(range(len(walk))):
        without = (*walk[:at], *walk[at + 1 :])
        if does(without):
            walk = without
    return walk
