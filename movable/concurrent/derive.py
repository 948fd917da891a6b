"""Derives small concurrent scenarios from a workload: which operations there are, what they touch, and what to run beside them.

Each operation is tried alone first, to learn which pages it touches, makes or frees, and which arguments show. From that follow
the prefixes (empty, one page, a few, nearly full, all isolated) and the pairs. The same workload and seed give the same list.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Any

from movable.concurrent.linearizability import ALONE
from movable.concurrent.stage import Stage, Subject, operations
from movable.errors import DeadlockError
from movable.mm.seam import Seam
from movable.sequential.faults import Blocked, over, passes, watchdog
from movable.workload.action import Action
from movable.workload.generate import pool
from movable.workload.scenario import Scenario
from movable.workload.workload import Handle, Operation

MOST = 40
"""Scenarios that are derived at most."""
CANDIDATES = 10
"""Arguments of one operation that are tried."""
FULL = 24
"""Actions of the longest prefix."""
ROOM = 3
"""Frames that stay free in a nearly full machine: a migration needs a target."""


class _Notes:
    """A scheduler that runs nothing else and writes down what is used."""

    current = "main"

    def __init__(self) -> None:
        self.keys: set[Hashable] = set()

    def point(self, op: str, key: Hashable) -> None:
        self.keys.add(key)

    def wait(
        self, key: Hashable, ready: Callable[[], bool], what: str, condition: Any = None, *, op: str = "wait"
    ) -> None:
        self.keys.add(key)
        if not ready():
            raise DeadlockError(f"nobody else runs, and the only task waits for {what}")

    def spawn(self, name: str, fn: Callable[[], object]) -> None:
        pass

    def note(self, text: str, **facts: object) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Effect:
    """What an action did alone: frame numbers ``touched``, ``made`` and ``gone``; handles ``gained`` and ``lost``; whether anything
    reads otherwise now; whether work was ``queued``; whether it refused."""

    action: Action
    touched: tuple[int, ...]
    made: tuple[int, ...]
    gone: tuple[int, ...]
    gained: int
    lost: int
    changed: bool
    queued: bool
    refused: bool

    @property
    def kind(self) -> tuple[object, ...]:
        """Two arguments of one operation with the same kind of effect need not both be tried."""
        return (bool(self.touched), bool(self.made), bool(self.gone), self.gained > 0, self.lost > 0, self.queued, self.refused)

    @property
    def page(self) -> int | None:
        """The frame that a migration should be after."""
        return next(iter((*self.touched, *self.made)), None)


@dataclass(slots=True)
class State:
    """A prefix, and what can be done after it: effects by operation, best first."""

    name: str
    prefix: tuple[Action, ...]
    pages: list[int] = field(default_factory=list)
    handles: int = 0
    free: int = 0
    effects: dict[str, list[Effect]] = field(default_factory=dict)


def derive(subject: Subject, most: int = MOST, deadline: float | None = None) -> list[Scenario]:
    """The author's scenarios, then derived ones, ``most`` of these at most, and as far as it comes by then; the names differ."""
    found: list[Scenario] = list(subject.workload.scenarios)
    names = {scenario.name for scenario in found}
    for scenario in _Deriver(subject).scenarios():
        if len(found) >= most + len(subject.workload.scenarios):
            break
        name, nth = scenario.name, 2
        while name in names:
            name, nth = f"{scenario.name} #{nth}", nth + 1
        names.add(name)
        found.append(Scenario(name, scenario.tasks, scenario.prefix, scenario.settled))
        if over(deadline):
            break
    return found


@lru_cache(maxsize=64)
def _candidates(workload: Any, seed: int) -> dict[str, list[Action]]:
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
    return {name: sorted(found.values(), key=_simplicity)[:CANDIDATES] for name, found in drawn.items()}


def _smallest(operation: Operation) -> dict[str, Any]:
    """The smallest arguments that the strategies of an operation can give: what Hypothesis tries first."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    found: list[dict[str, Any]] = []
    strategies = {name: st.just(0) if isinstance(kind, Handle) else kind for name, kind in operation.arguments.items()}

    @settings(database=None, deadline=None, max_examples=1, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.fixed_dictionaries(strategies))
    def draw(value: dict[str, Any]) -> None:
        found.append(value)

    draw()
    return found[0]


def _simplicity(action: Action) -> tuple[object, ...]:
    blank = any(isinstance(value, bytes) and not value.strip(b"\0") for value in action[2].values())
    text = repr(action)
    return (blank, len(text), text)


class _Deriver:
    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        workload: Any = subject.workload
        self.candidates = _candidates(workload, subject.seed)

    # states

    def _probe(self, prefix: tuple[Action, ...], action: Action) -> Effect | None:
        """Do one action after a prefix, alone; None when it raises."""
        try:
            stage = Stage(self.subject, Scenario("", ((action,),), prefix))
        except BaseException as error:
            if passes(error):
                raise
            return None
        notes = _Notes()
        vm, user = stage.vm, stage.users[0]
        before = set(stage.pages or ())
        reads = stage.readings(())
        vm.install(Seam(notes))
        try:
            with watchdog(ALONE):
                answer = stage.do(user, action)
        except (KeyboardInterrupt, Blocked):
            raise
        except BaseException:
            return None
        vm.install(None)
        queued = any(queue.items for queue in vm.workqueues)
        after = {page.pfn for page in stage.workload.pages()}
        touched = {key[1] for key in notes.keys if isinstance(key, tuple) and key[0] == "page" and len(key) == 3}
        gained = sum(1 for key in user.model if key not in stage.before)
        lost = sum(1 for key in stage.before if key not in user.model)
        nothing = not gained and not lost and after == before
        return Effect(
            action, tuple(sorted(touched & before)), tuple(sorted(after - before)), tuple(sorted(before - after)),
            gained, lost, stage.readings((0,)) != reads, queued, answer is False or (answer is None and nothing),
        )  # fmt: skip

    def state(self, name: str, prefix: tuple[Action, ...]) -> State | None:
        """What there is after a prefix, and what operations do then; None when the prefix raises."""
        try:
            stage = Stage(self.subject, Scenario("", ((),), prefix))
        except BaseException as error:
            if passes(error):
                raise
            return None
        found = State(name, prefix, list(stage.pages or ()), len(stage.live or ()), stage.vm.zones[0].nr_free)
        for operation, actions in self.candidates.items():
            if operations(self.subject.workload)[operation].needs_handle and not found.handles:
                continue
            effects = [effect for action in actions if (effect := self._probe(prefix, action)) is not None]
            effects.sort(key=lambda effect: (effect.refused, not effect.changed, not effect.touched))
            if effects:
                found.effects[operation] = effects
        return found

    def grown(self, state: State, name: str) -> State | None:
        """One more action that makes pages or handles, the simplest; None when nothing grows any more."""
        growers = [effect for effects in state.effects.values() for effect in effects if effect.made or effect.gained]
        if not growers and not state.prefix:
            growers = [effect for effects in state.effects.values() for effect in effects if effect.changed and not effect.lost]
        growers.sort(key=lambda effect: (not (effect.made and effect.gained), not effect.made, _simplicity(effect.action)))
        return self.state(name, (*state.prefix, growers[0].action)) if growers else None

    def states(self) -> dict[str, State]:
        """The prefixes that this driver has."""
        found: dict[str, State] = {}
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

    def _full(self, few: State) -> State | None:
        """Grow by the same action while it helps; only then look at what can be done there."""
        prefix, free = few.prefix, few.free
        for _ in range(FULL):
            best = next((step for step in self._steps(few, prefix) if step is not None and 0 < len(step.made) <= free - ROOM), None)
            if best is None:
                break
            prefix, free = (*prefix, best.action), free - len(best.made)
        return self.state("nearly full", prefix) if prefix != few.prefix else None

    def _steps(self, few: State, prefix: tuple[Action, ...]) -> Iterator[Effect | None]:
        for effects in few.effects.values():
            for effect in effects:
                if effect.made:
                    yield self._probe(prefix, effect.action)

    # scenarios

    def scenarios(self) -> Iterator[Scenario]:
        """Derived scenarios, those that found most historic bugs first."""
        states = self.states()
        one, few = states.get("one"), states.get("few")
        if one is None or few is None:
            return
        yield from self._removals(few, states.get("held"))
        yield from self._beside_migration(one)
        yield from self._two_migrations(few)
        yield from self._late(states.get("held"))
        yield from self._one_place(states["empty"])
        yield from self._pairs(few, False)
        yield from self._beside_put_back(one)
        yield from self._workers(few)
        yield from self._beside_compaction(few)
        yield from self._fresh(states["empty"], states.get("full"))
        yield from self._pairs(few, True)

    def _named(self, state: State, *tasks: Action, settled: bool = True, prefix: tuple[Action, ...] | None = None) -> Scenario:
        lists = tuple((task,) for task in tasks)
        made = Scenario("", lists, state.prefix if prefix is None else prefix, settled)
        return Scenario(f"{' beside '.join(made.task_names)}, {state.name}", lists, made.prefix, settled)

    def _variants(self, effects: list[Effect], most: int = 2) -> list[Effect]:
        """The simplest arguments for each kind of effect; what changes something first."""
        kinds: dict[tuple[object, ...], Effect] = {}
        for effect in effects:
            kinds.setdefault(effect.kind, effect)
        return list(kinds.values())[:most]

    def _removals(self, few: State, held: State | None) -> Iterator[Scenario]:
        if few.pages:
            yield self._named(few, ("teardown",), ("migrate", 0))
            yield self._named(few, ("teardown",), ("put_back", 0))
        if held is not None:
            yield self._named(held, ("teardown",), ("finish",))

    def _beside_migration(self, state: State) -> Iterator[Scenario]:
        for effects in state.effects.values():
            for effect in self._variants(effects):
                page = effect.page if effect.page is not None else next(iter(state.pages), None)
                if page is not None:
                    yield self._named(state, effect.action, ("migrate_frame", page))

    def _beside_put_back(self, state: State) -> Iterator[Scenario]:
        for effects in state.effects.values():
            page = effects[0].page if effects[0].page is not None else next(iter(state.pages), None)
            if page is not None:
                yield self._named(state, effects[0].action, ("put_back_frame", page))

    def _two_migrations(self, few: State) -> Iterator[Scenario]:
        if few.pages:
            yield self._named(few, ("migrate", 0), ("migrate", 0))
        unit = next((effect.made for effects in few.effects.values() for effect in effects if len(effect.made) > 1), ())
        maker = next((effect for effects in few.effects.values() for effect in effects if len(effect.made) > 1), None)
        if maker is not None:
            prefix = (*few.prefix, maker.action)
            yield self._named(few, ("migrate_frame", unit[0]), ("migrate_frame", unit[1]), prefix=prefix)
        elif len(few.pages) > 1:
            yield self._named(few, ("migrate", 0), ("migrate", 1))

    def _late(self, held: State | None) -> Iterator[Scenario]:
        if held is None:
            return
        for effects in held.effects.values():
            yield self._named(held, effects[0].action, ("finish",))
        for effects in held.effects.values():
            yield self._named(held, effects[0].action, ("give_back",))

    def _pairs(self, few: State, migrating: bool) -> Iterator[Scenario]:
        for first, second in combinations_with_replacement(few.effects, 2):
            pair = self._pair(few, few.effects[first][0], few.effects[second])
            if pair is None:
                continue
            one, two = pair
            if not migrating:
                yield self._named(few, one.action, two.action)
                continue
            page = one.page if one.page is not None else two.page
            if page is not None:
                yield self._named(few, one.action, two.action, ("migrate_frame", page))

    def _one_place(self, empty: State) -> Iterator[Scenario]:
        """Two operations that both come first to one place: alike in all arguments but content, from nothing."""
        for effects in empty.effects.values():
            one = next((effect for effect in effects if effect.made or effect.gained), None)
            if one is not None and not one.lost:
                made = self._named(empty, one.action, self._other_content(one.action))
                yield Scenario(f"{' beside '.join(made.task_names)} in one place, empty", made.tasks, made.prefix, made.settled)

    def _other_content(self, action: Action) -> Action:
        """The same action with other bytes, taken from another one of its kind; as it is where there are none."""
        for other in self.candidates[action[1]]:
            content = {name: value for name, value in other[2].items() if isinstance(value, bytes) and value.strip(b"\0")}
            if any(action[2][name] != value for name, value in content.items()):
                return ("op", action[1], {**action[2], **content})
        return action

    def _pair(self, few: State, one: Effect, others: list[Effect]) -> tuple[Effect, Effect] | None:
        """Two operations that may run at the same time; nobody uses a handle that another gives up."""
        two = next((effect for effect in others if effect.action != one.action and effect.kind == one.kind), others[0])
        if not (one.lost or two.lost) or not self._handles(one.action) or not self._handles(two.action):
            return one, two
        moved = self._probe(few.prefix, self._other_handle(two.action)) if few.handles > 1 else None
        return None if moved is None else (one, moved)

    def _handles(self, action: Action) -> list[str]:
        arguments = operations(self.subject.workload)[action[1]].arguments
        return [name for name, kind in arguments.items() if isinstance(kind, Handle)]

    def _other_handle(self, action: Action) -> Action:
        return ("op", action[1], {**action[2], **dict.fromkeys(self._handles(action), 1)})

    def _workers(self, few: State) -> Iterator[Scenario]:
        for effects in few.effects.values():
            queued = next((effect for effect in effects if effect.queued), None)
            if queued is not None and few.pages:
                prefix = (*few.prefix, queued.action)
                yield self._named(few, ("migrate", 0), ("put_back", len(few.pages) - 1), settled=False, prefix=prefix)

    def _beside_compaction(self, few: State) -> Iterator[Scenario]:
        for effects in few.effects.values():
            yield self._named(few, effects[0].action, ("compact",))

    def _fresh(self, empty: State, full: State | None) -> Iterator[Scenario]:
        for state in (empty, full):
            if state is None:
                continue
            for effects in state.effects.values():
                maker = next((effect for effect in effects if effect.made), None)
                if maker is not None:
                    yield self._named(state, maker.action, ("migrate_frame", maker.made[0]))
                    other = next((effect for effect in effects if effect.made and effect is not maker), maker)
                    yield self._named(state, maker.action, other.action)
