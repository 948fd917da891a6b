"""The states of a driver from which scenarios start, and what each operation does there: empty, one page, a few, full, isolated.

Each operation is tried alone first, to learn which pages it touches, makes or frees, and which arguments show. From that follow
the prefixes. The same workload and seed give the same states.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest
from typing import Any

from movable.concurrent.linearizability import SECONDS_PER_ORDER
from movable.concurrent.plan.probe import Effect, probe
from movable.concurrent.stage import Stage, Subject, operations
from movable.errors import UsageError, passes
from movable.sequential.faults import watchdog
from movable.shown import first_line
from movable.workload.action import Action
from movable.workload.fits import check_sequence
from movable.workload.generate import pool
from movable.workload.scenario import Scenario
from movable.workload.values import Values
from movable.workload.workload import Handle, Operation

MAX_ARGUMENTS = 10
"""Arguments of one operation that are tried."""
LONGEST_PREFIX_ACTIONS = 24
"""Actions of the longest prefix."""
KEEP_FREE_FRAMES = 3
"""Frames that stay free in a nearly full machine: a migration needs a target."""
MAX_HIDDEN_STATES = 6
"""States that only the driver's own memory tells apart, see ``States.hidden``."""
MAX_DEPTH = 3
"""Operations that may follow each other to reach one of them."""
GROWERS, OTHERWISE = 8, 4
"""Other arguments that a first page is made with, and states that are kept of those, see ``States.otherwise``."""


@dataclass(slots=True)
class State:
    """A prefix, and what can be done after it: effects by operation, best first."""

    name: str
    prefix: tuple[Action, ...]
    pages: list[int] = field(default_factory=list)
    handles: int = 0
    free: int = 0
    background: bool = False
    """Whether the driver has threads, or work that is queued."""
    effects: dict[str, list[Effect]] = field(default_factory=dict)


@lru_cache(maxsize=64)
def candidates(workload: Any, seed: int) -> dict[str, list[Action]]:
    """Arguments for each operation, the simplest first; content that is all zeros comes last, for nobody could tell it is lost."""
    drawn: dict[str, dict[str, Action]] = {name: {} for name in operations(workload)}
    smallest = [("op", name, _smallest(operation)) for name, operation in operations(workload).items()]
    for step in (*smallest, *pool(workload, seed)):
        if step[0] == "op" and step[1] in drawn:
            arguments = dict(step[2])
            for name, kind in operations(workload)[step[1]].arguments.items():
                if isinstance(kind, Handle):
                    arguments[name] = 0
            action = ("op", step[1], dict(sorted(arguments.items())))
            drawn[step[1]][repr(action)] = action
    return {name: sorted(found.values(), key=_simplicity)[:MAX_ARGUMENTS] for name, found in drawn.items()}


def _smallest(operation: Operation) -> dict[str, Any]:
    """The smallest arguments that the strategies of an operation can give."""
    values = Values(0, simplest=True)
    return {name: 0 if isinstance(kind, Handle) else values.draw(kind) for name, kind in operation.arguments.items()}


def _simplicity(action: Action) -> tuple[object, ...]:
    blank = any(isinstance(value, bytes) and not value.strip(b"\0") for value in action[2].values())
    text = repr(action)
    return (blank, len(text), text)


def _grows(effect: Effect) -> bool:
    return bool(effect.made or effect.gained) and not effect.lost and not effect.refused


Way = frozenset[tuple[object, ...]]
"""What an operation does and uses, in words that do not depend on where objects lie."""


def _is_hidden(effect: Effect) -> bool:
    """Whether an operation does something, but makes and gives up no pages, and no handles but further names of what there is."""
    return not (effect.refused or effect.made or effect.gone or effect.lost)


def _gains(effect: Effect) -> bool:
    return effect.gained > 0


def _way(effect: Effect) -> Way:
    uses = {(_place(key), write, bool(locks)) for key, (write, locks, _) in effect.uses.items()}
    return frozenset((*uses, ("kind", *effect.kind)))


def _place(key: object) -> object:
    """A location without the number of a frame or of an object."""
    if isinstance(key, tuple) and len(key) == 3 and key[0] == "page":
        return (key[0], key[2])
    return getattr(key, "kind", key)


def _words(error: BaseException) -> str:
    first = first_line(error)
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _key(ways: dict[str, Way]) -> frozenset[tuple[str, Way]]:
    return frozenset(ways.items())


class States:
    """The states of a driver from which scenarios start: empty, one page, a few, nearly full, all isolated."""

    def __init__(self, subject: Subject, variant: int = 0) -> None:
        self.subject = subject
        self.variant = variant
        workload: Any = subject.workload
        self.candidates = candidates(workload, subject.seed)
        self.raised: dict[str, BaseException] = {}
        """By operation, or by what the core does: how it ended the first time that it could not be run alone."""
        self._core: dict[str, Effect | None] = {}
        self.known: dict[str, State] = {}

    # states

    def probe(self, prefix: tuple[Action, ...], action: Action) -> Effect | None:
        """Do one action after a prefix, alone; None when it raises."""
        name = str(action[1] if action[0] == "op" else action[0])
        return probe(self.subject, prefix, action, self.variant, lambda error: self.raised.setdefault(name, error))

    def alone(self, state: State, action: Action) -> Effect | None:
        """What the core does after a state, alone; remembered."""
        key = repr((state.prefix, action))
        if key not in self._core:
            self._core[key] = self.probe(state.prefix, action)
        return self._core[key]

    def state(self, name: str, prefix: tuple[Action, ...]) -> State | None:
        """What there is after a prefix, and what operations do then; None when the prefix raises."""
        try:
            with watchdog(SECONDS_PER_ORDER * 4):
                stage = Stage(self.subject, Scenario("", ((),), prefix, variant=self.variant))
        except BaseException as error:
            if passes(error):
                raise
            return None
        free = sum(zone.nr_free for zone in stage.vm.zones)
        found = State(name, prefix, list(stage.pages or ()), len(stage.live or ()), free, bool(stage.vm.workqueues))
        for operation, actions in self.candidates.items():
            if operations(self.subject.workload)[operation].needs_handle and not found.handles:
                continue
            meant = [*actions, *self._meant(operation, actions, stage.live or [])]
            effects = [effect for action in meant if (effect := self.probe(prefix, action)) is not None]
            effects.sort(key=lambda effect: (effect.refused, not effect.changed, not effect.touched))
            if effects:
                found.effects[operation] = effects
        return found

    def _meant(self, name: str, actions: list[Action], live: list[Any]) -> Iterator[Action]:
        """The simplest action with an argument that is a handle by its value: it means what others mean by that handle."""
        workload: Any = self.subject.workload
        kinds = operations(workload)[name].arguments
        for argument, value in actions[0][2].items() if actions else ():
            for key in live[:2]:
                if type(key) is type(value) and key != value and not isinstance(kinds[argument], Handle):
                    action = ("op", name, {**actions[0][2], argument: key})
                    with suppress(UsageError):
                        check_sequence((action,), workload)
                        if action not in actions:
                            yield action

    def grown(self, state: State, name: str) -> State | None:
        """One more action that makes pages or handles, the simplest; None when nothing grows any more."""
        growers = [effect for effects in state.effects.values() for effect in effects if effect.made or effect.gained]
        if not growers and not state.prefix:
            growers = [effect for effects in state.effects.values() for effect in effects if effect.changed and not effect.lost]
        growers.sort(key=lambda effect: (not (effect.made and effect.gained), not effect.made, _simplicity(effect.action)))
        return self.state(name, (*state.prefix, growers[0].action)) if growers else None

    def states(self) -> dict[str, State]:
        """The prefixes that this driver has."""
        found = self.known = {}
        empty = self.state("empty", ())
        if empty is None:
            return found
        found["empty"] = empty
        one = self.grown(empty, "one page") or empty
        found["one"] = one
        few: State = one
        for _ in range(5):
            if len(few.pages) >= 2 and few.handles != 1:
                break
            few = self.grown(few, "a few pages") or few
        few.name = "a few pages"
        found["few"] = few
        held = self.state("all isolated", (*few.prefix, ("isolate_all",)))
        if held is not None and few.pages:
            found["held"] = held
        full = self._full(few)
        if full is not None:
            found["full"] = full
        return found

    def unplanned(self) -> dict[str, str]:
        """Operations that can be run in none of the states that are known, and why."""
        found = {}
        for name in self.candidates:
            if not any(name in state.effects for state in self.known.values()):
                error = self.raised.get(name)
                found[name] = "nothing makes a handle for it" if error is None else f"run alone it ends in {_words(error)}"
        return found

    def hidden(self, base: State) -> Iterator[tuple[State, set[str]]]:
        """States behind ``base`` that neither pages nor handles show: an operation that makes none was done, and others take other
        ways then. With each state come the operations that do; where their ways are known already a state is none."""
        ways = {name: _way(effects[0]) for name, effects in base.effects.items()}
        seen, queue, found = {_key(ways)}, [(base, ways, 0)], 0
        while queue:
            state, before, depth = queue.pop(0)
            for name, effects in state.effects.items():
                first = next((effect for effect in sorted(effects, key=_gains) if _is_hidden(effect)), None)
                after = self._after(state, first.action) if first is not None else None
                if after is None:
                    continue
                now = {operation: _way(other[0]) for operation, other in after.effects.items()}
                if _key(now) in seen:
                    continue
                seen.add(_key(now))
                after.name = f"{state.name}, after {name}"
                yield after, {operation for operation, way in now.items() if way != before.get(operation)}
                found += 1
                if found == MAX_HIDDEN_STATES:
                    return
                if depth + 1 < MAX_DEPTH:
                    queue.append((after, now, depth + 1))

    def otherwise(self) -> Iterator[tuple[State, set[str]]]:
        """States with one page that was made with other arguments. With each come the operations whose path through the driver's
        code is another one there than in any state that is known."""
        one, empty = self.known["one"], self.known["empty"]
        seen = {(name, effect.path) for state in self.known.values() for name, found in state.effects.items() for effect in found}
        by_operation = [[effect for effect in effects if _grows(effect)] for effects in empty.effects.values()]
        growers = [effect for equals in zip_longest(*by_operation) for effect in equals if effect is not None]
        found = 0
        for grower in growers[:GROWERS]:
            state = self._after(State("", (), one.pages, one.handles, one.free, effects=one.effects), grower.action)
            paths = {} if state is None else {name: effects[0].path for name, effects in state.effects.items()}
            changed = {name for name, path in paths.items() if (name, path) not in seen}
            if state is None or not changed:
                continue
            seen |= set(paths.items())
            state.name = "one page, made otherwise"
            yield state, changed
            found += 1
            if found == OTHERWISE:
                return

    def _after(self, state: State, action: Action) -> State | None:
        """A state one action later, where each operation is tried with its best arguments only."""
        prefix = (*state.prefix, action)
        found = State("", prefix, state.pages, state.handles, state.free)
        for operation, effects in state.effects.items():
            effect = self.probe(prefix, effects[0].action)
            if effect is not None:
                found.effects[operation] = [effect]
        return found if found.effects else None

    def _full(self, few: State) -> State | None:
        """Grow by the same action while it helps; only then look at what can be done there."""
        prefix, free = few.prefix, few.free
        for _ in range(LONGEST_PREFIX_ACTIONS):
            steps = self._steps(few, prefix)
            best = next((step for step in steps if step is not None and 0 < len(step.made) <= free - KEEP_FREE_FRAMES), None)
            if best is None:
                break
            prefix, free = (*prefix, best.action), free - len(best.made)
        return self.state("nearly full", prefix) if prefix != few.prefix else None

    def limits(self) -> Iterator[tuple[State, Effect, Effect]]:
        """Where one more of the same does otherwise: a page is full, a quota used up. With two that both want the last place."""
        few, empty = self.known["few"], self.known["empty"]
        grower = next((name for state in (few, empty) for name in state.effects if _grows(state.effects[name][0])), None)
        actions = self._many(grower) if grower is not None else []
        prefix, free = few.prefix, few.free
        before: tuple[tuple[Action, ...], list[Effect]] | None = None
        while actions and free > KEEP_FREE_FRAMES and len(prefix) < LONGEST_PREFIX_ACTIONS:
            found = self._growing(actions, prefix)
            if before is not None and (not found or found[0].kind != before[1][0].kind):
                at, both = before
                yield State("at a limit", at, list(few.pages)), both[0], both[-1]
            if not found:
                return
            before = prefix, found
            prefix, free = (*prefix, found[0].action), free - len(found[0].made)

    def _many(self, name: str) -> list[Action]:
        """Many arguments for one operation."""
        operation, values = operations(self.subject.workload)[name], Values(self.subject.seed)
        drawn = [
            ("op", name, {each: 0 if isinstance(kind, Handle) else values.draw(kind) for each, kind in operation.arguments.items()})
            for _ in range(2 * LONGEST_PREFIX_ACTIONS if operation.arguments else 0)
        ]
        return list({repr(action): action for action in (*self.candidates[name], *drawn)}.values())

    def _growing(self, actions: list[Action], prefix: tuple[Action, ...]) -> list[Effect]:
        """One or two of the actions that grow something now, in the same way; what does not is not asked again."""
        found: list[Effect] = []
        for action in list(actions):
            effect = self.probe(prefix, action)
            if effect is None or not _grows(effect):
                actions.remove(action)
            elif not found or effect.kind == found[0].kind:
                found.append(effect)
            if len(found) == 2:
                break
        return found

    def _steps(self, few: State, prefix: tuple[Action, ...]) -> Iterator[Effect | None]:
        for effects in few.effects.values():
            for effect in effects:
                if effect.made:
                    yield self.probe(prefix, effect.action)
