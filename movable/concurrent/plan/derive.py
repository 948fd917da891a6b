"""Plans the scenarios of a driver: each operation at the same time as itself, as every other, and as what the core does.

Every kind of scenario has its quota, so that no kind is hidden by the names or the number of another, and the plan grows with the
budget. Inside a kind come first those whose tasks use one location with no lock in common; equals are turned by the seed, so that
another seed begins elsewhere. What did not fit is counted by kind. The same workload, seed and size give the same plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import combinations, product

from movable.concurrent.linearizability import Orders, refusal
from movable.concurrent.plan.probe import APART, ORDERED, UNORDERED, Effect, meeting
from movable.concurrent.plan.rare import rarely
from movable.concurrent.plan.states import State, States
from movable.concurrent.stage import Subject, operations, reading
from movable.mm.migrate import MIGRATE_ASYNC, MIGRATE_SYNC
from movable.sequential.faults import over
from movable.workload.action import Action, noun
from movable.workload.scenario import Scenario
from movable.workload.workload import Handle

PLAN_SIZE = 60
"""Scenarios of a plan where nobody says how many executions there are for them."""
SMALLEST, EXECUTIONS_EACH = 40, 100
"""A plan has so many scenarios at least, and one more for so many executions beyond what these get."""
VARIANT_PART = 4
"""Each further configuration of the driver gets a plan of its own, so many times smaller."""

KINDS = {
    "removal": 4, "operation and migration": 4, "operation and hurried migration": 2, "two migrations": 1,
    "operation and end of an isolation": 2, "two at one place": 1, "operation and itself": 3, "two operations": 4,
    "what is seldom done": 3, "two operations after a third": 3, "migration after another operation": 2,
    "operation and put-back": 1, "queued work": 3,
    "operation and compaction": 1, "from nothing and from full": 2, "two operations and migration": 2,
    "at a limit": 1, "a handle that one gives up": 1, "operation and contiguous allocation": 1, "operation and offlining": 1,
    "two operations from one page": 1, "reading without an order": 2, "reading": 1, "a page made otherwise": 2, "another path": 1,
    "another path and migration": 1, "other effects": 2,
}  # fmt: skip
"""Kinds of scenarios, and how many of each are taken in one round."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One scenario of a plan. ``meets`` says how its tasks meet: `UNORDERED`, `ORDERED` or `APART`."""

    scenario: Scenario
    kind: str
    meets: int


class Plan(list[Scenario]):
    """Scenarios in the order of their turns; ``meets`` by name, how many of each kind were ``left_out``, and ``unplanned``
    operations with the reason why they are in none."""

    def __init__(self, scenarios: Iterable[Scenario] = ()) -> None:
        super().__init__(scenarios)
        self.meets: dict[str, int] = {}
        self.left_out: Counter[str] = Counter()
        self.unplanned: dict[str, str] = {}

    def take(self, planned: Planned) -> None:
        """Add one, under a name that nobody else has."""
        name, nth = planned.scenario.name, 2
        while name in self.meets:
            name, nth = f"{planned.scenario.name} #{nth}", nth + 1
        self.meets[name] = planned.meets
        self.append(replace(planned.scenario, name=name))


def size_for(executions: int | None) -> int:
    """How many scenarios to plan for a budget."""
    if executions is None:
        return PLAN_SIZE
    return SMALLEST + max(0, executions // EXECUTIONS_EACH - SMALLEST)


def derive(subject: Subject, size: int = PLAN_SIZE, deadline: float | None = None) -> Plan:
    """The author's scenarios, then ``size`` derived ones at most, and as many as are planned by the deadline."""
    plan = Plan()
    for own in subject.workload.scenarios:
        plan.take(Planned(own, "the author's", UNORDERED))
    variants = range(len(subject.workload.variants))
    for variant in variants:
        part = size if not variant else max(len(KINDS) // 2, size // (VARIANT_PART * (len(variants) - 1)))
        planner = _Planner(States(subject, variant), deadline)
        _add(plan, planner.kinds(), part, subject.seed)
        plan.unplanned |= planner.states.unplanned()
        if over(deadline):
            break
    return plan


def _add(plan: Plan, kinds: dict[str, list[Planned]], size: int, seed: int) -> None:
    """Take of every kind in turn, by its quota, until the plan is full."""
    queues = {name: _in_order(found, seed) for name, found in kinds.items()}
    taken = 0
    while taken < size and any(queues.values()):
        for name, quota in KINDS.items():
            queue = queues.get(name, [])
            for _ in range(min(quota, size - taken, len(queue))):
                plan.take(queue.pop(0))
                taken += 1
    for name, queue in queues.items():
        if queue:
            plan.left_out[name] += len(queue)


def _in_order(found: list[Planned], seed: int) -> list[Planned]:
    """The most promising first; equals in the order in which they were derived, turned by the seed."""
    unique = list({(repr(one.scenario.tasks), repr(one.scenario.prefix)): one for one in found}.values())
    ordered: list[Planned] = []
    for meets in sorted({one.meets for one in unique}):
        equals = [one for one in unique if one.meets == meets]
        turn = seed % len(equals)
        ordered += equals[turn:] + equals[:turn]
    return ordered


class _Planner:
    """Derives all scenarios of one configuration, by kind."""

    def __init__(self, states: States, deadline: float | None) -> None:
        self.states = states
        self.deadline = deadline
        self.known = states.states()

    def kinds(self) -> dict[str, list[Planned]]:
        """Every kind that this driver has, as far as it comes by the deadline."""
        known = self.known
        if "one" not in known or "few" not in known:
            return {}
        sources: dict[str, Callable[[], Iterator[tuple[Scenario, int]]]] = {
            "removal": self._removals, "operation and migration": self._migration,
            "operation and hurried migration": self._hurried, "two migrations": self._migrations,
            "operation and end of an isolation": self._late, "two at one place": self._one_place,
            "operation and itself": self._itself, "two operations": self._pairs,
            "what is seldom done": self._seldom,
            "two operations after a third": self._after, "migration after another operation": self._migration_after,
            "operation and put-back": self._put_back, "queued work": self._workers,
            "reading without an order": self._unordered_readings, "reading": self._readings,
            "operation and compaction": self._compaction, "from nothing and from full": self._fresh, "at a limit": self._limits,
            "a handle that one gives up": self._given_up,
            "two operations and migration": self._triples, "operation and contiguous allocation": partial(self._block, "contig"),
            "operation and offlining": partial(self._block, "offline"),
            "two operations from one page": self._from_one, "a page made otherwise": self._made_otherwise,
            "another path": self._paths,
            "another path and migration": self._paths_moved, "other effects": self._others,
        }  # fmt: skip
        found: dict[str, list[Planned]] = {}
        for kind, source in sources.items():
            found[kind] = [Planned(made, kind, meets) for made, meets in source()]
            if over(self.deadline):
                break
        return found

    # parts

    @cached_property
    def _hidden(self) -> list[tuple[State, set[str]]]:
        return list(self.states.hidden(self.known["few"]))

    @cached_property
    def _otherwise(self) -> list[tuple[State, set[str]]]:
        return list(self.states.otherwise())

    def _made(
        self, state: State, *tasks: Effect | Action, settled: bool = True, prefix: tuple[Action, ...] | None = None
    ) -> tuple[Scenario, int]:
        """A scenario from a state, and how its first two tasks meet."""
        actions = [task.action if isinstance(task, Effect) else task for task in tasks]
        lists = tuple((action,) for action in actions)
        variant = self.states.variant
        made = Scenario("", lists, state.prefix if prefix is None else prefix, settled, variant)
        name = f"{' || '.join(made.task_names)}, {state.name}"
        if variant:
            name += f", variant {variant}"
        effects = [task if isinstance(task, Effect) else self.states.alone(state, task) for task in tasks]
        known = [effect for effect in effects if effect is not None]
        if len(known) < len(effects):
            return replace(made, name=name), 1
        return replace(made, name=name), min((meeting(one, two) for one, two in combinations(known, 2)), default=UNORDERED)

    def _kinds_of(self, effects: list[Effect]) -> list[Effect]:
        """The simplest arguments for each kind of effect; what changes something first, refusals last."""
        kinds: dict[tuple[object, ...], Effect] = {}
        for effect in effects:
            kinds.setdefault(effect.kind, effect)
        return list(kinds.values())

    def _known(self, *names: str) -> list[State]:
        return [self.known[name] for name in names if name in self.known]

    def _best(self, state: State) -> list[Effect]:
        return [effects[0] for effects in state.effects.values()]

    # kinds

    def _removals(self) -> Iterator[tuple[Scenario, int]]:
        """Beside the end of an isolation first: what was taken before the driver went comes back while it goes."""
        few, empty = self.known["few"], self.known["empty"]
        if few.background:  # what the driver does by itself meets its removal, where nothing else is in the way
            yield self._made(empty, ("teardown",), ("compact",))[0], UNORDERED
        for held in (*self._one_held(), *self._known("held")):
            yield self._made(held, ("teardown",), ("finish",))
            yield self._made(held, ("teardown",), ("give_back",))
        if few.pages:
            for core in (("migrate", 0), ("put_back", 0), ("compact",), ("contig", 0), ("offline", 0)):
                yield self._made(few, ("teardown",), core)

    def _one_held(self) -> Iterator[State]:
        """One page that is isolated, where others are begun with several: of the little that is left to do, much more is tried."""
        one, few = self.known["one"], self.known["few"]
        if one.pages and one.prefix != few.prefix and "held" in self.known:
            yield State("one page isolated", (*one.prefix, ("isolate_all",)), one.pages, one.handles, one.free)

    def _migration(self) -> Iterator[tuple[Scenario, int]]:
        """First each operation with its best arguments, then its other kinds of effect."""
        one = self.known["one"]
        by_operation = [self._kinds_of(effects) for effects in one.effects.values()]
        for nth in range(max(map(len, by_operation), default=0)):
            for effects in by_operation:
                if nth < len(effects):
                    page = effects[nth].page if effects[nth].page is not None else next(iter(one.pages), None)
                    if page is not None:
                        yield self._made(one, effects[nth], ("migrate_frame", page))

    def _hurried(self) -> Iterator[tuple[Scenario, int]]:
        """Operations while a migration runs that must not wait, where the driver takes another path in one."""
        one = self.known["one"]
        first = next(iter(one.pages), None)
        if first is None:
            return
        usual, hurried = (self.states.alone(one, ("migrate_frame", first, mode)) for mode in (MIGRATE_SYNC, MIGRATE_ASYNC))
        if usual is None or hurried is None or usual.path == hurried.path:
            return
        for effect in self._best(one):
            yield self._made(one, effect, ("migrate_frame", effect.page if effect.page is not None else first, MIGRATE_ASYNC))

    def _migrations(self) -> Iterator[tuple[Scenario, int]]:
        few = self.known["few"]
        if few.pages:
            yield self._made(few, ("migrate", 0), ("migrate", 0))
        maker = next((effect for effects in few.effects.values() for effect in effects if len(effect.made) > 1), None)
        if maker is not None:
            prefix = (*few.prefix, maker.action)
            yield self._made(few, ("migrate_frame", maker.made[0]), ("migrate_frame", maker.made[1]), prefix=prefix)
        elif len(few.pages) > 1:
            yield self._made(few, ("migrate", 0), ("migrate", 1))
        if few.pages:
            yield self._made(few, ("migrate", 0), ("put_back", 0))

    def _late(self) -> Iterator[tuple[Scenario, int]]:
        for held in self._known("held"):
            for end in ("finish", "give_back"):
                for effect in self._best(held):
                    yield self._made(held, effect, (end,))

    def _one_place(self) -> Iterator[tuple[Scenario, int]]:
        """Two operations that both come first to one place: alike in all arguments but content, from nothing."""
        empty = self.known["empty"]
        for effects in empty.effects.values():
            one = next((effect for effect in effects if effect.made or effect.gained), None)
            if one is not None and not one.lost:
                made, meets = self._made(empty, one, self._other_content(one.action))
                name = f"{' || '.join(made.task_names)} in one place, empty"
                yield replace(made, name=name + (f", variant {made.variant}" if made.variant else "")), meets

    def _other_content(self, action: Action) -> Action:
        """The same action with other bytes, taken from another one of its kind; as it is where there are none."""
        for other in self.states.candidates[action[1]]:
            content = {name: value for name, value in other[2].items() if isinstance(value, bytes) and value.strip(b"\0")}
            if any(action[2][name] != value for name, value in content.items()):
                return ("op", action[1], {**action[2], **content})
        return action

    def _itself(self) -> Iterator[tuple[Scenario, int]]:
        """Each operation twice at the same time: with other arguments of the same effect, and with the very same."""
        for state in (self.known["few"], self.known["one"]):
            for effects in state.effects.values():
                yield from self._pair(state, effects[0], effects)
            for one in self._best(state):
                if not one.lost or not self._handles(one.action):
                    yield self._made(state, one, one)

    def _pairs(self) -> Iterator[tuple[Scenario, int]]:
        few = self.known["few"]
        for one, two in combinations(few.effects.values(), 2):
            yield from self._pair(few, one[0], two)

    def _after(self) -> Iterator[tuple[Scenario, int]]:
        """Two operations, one of which goes another way since a third has changed what only the driver knows."""
        for state, changed in self._hidden:
            yield from self._pairs_with(changed, state, self._best(state))

    def _seldom(self) -> Iterator[tuple[Scenario, int]]:
        """What does nothing in the usual states, where it does: beside the core, itself, and every other operation."""
        for state, effect in rarely(self.states):
            page = effect.page if effect.page is not None else next(iter((*effect.gone, *state.pages)), None)
            if page is not None:
                yield self._made(state, effect, ("migrate_frame", page))
            if not effect.lost:
                yield self._made(state, effect, effect)
            for two in self._best(state):
                if two.action[1] != effect.action[1]:
                    yield from self._pair(state, effect, [two])
            if page is not None:
                yield self._made(state, effect, ("put_back_frame", page))

    def _made_otherwise(self) -> Iterator[tuple[Scenario, int]]:
        """Two that use a page that was made with other arguments, for which one of them takes another path through the driver."""
        for state, changed in self._otherwise:
            yield from self._pairs_with(changed, state, [one for one in self._best(state) if one.touched or one.gone])

    def _pairs_with(self, changed: set[str], state: State, best: list[Effect]) -> Iterator[tuple[Scenario, int]]:
        """Any two, of which one is an operation that goes another way in this state."""
        for one, two in (*combinations(best, 2), *((one, one) for one in best if not one.lost)):
            if {one.action[1], two.action[1]} & changed:
                yield from self._pair(state, one, [two])

    def _paths(self) -> Iterator[tuple[Scenario, int]]:
        """What takes another path with other arguments, while every operation runs."""
        for other in self._other_paths():
            for two in self._best(self.known["few"]):
                yield from self._pair(self.known["few"], other, [two])

    def _paths_moved(self) -> Iterator[tuple[Scenario, int]]:
        for state, changed in self._otherwise:
            yield from self._moved(state, (one for one in self._best(state) if one.action[1] in changed))
        yield from self._moved(self.known["few"], self._other_paths())

    def _other_paths(self) -> Iterator[Effect]:
        for effects in self.known["few"].effects.values():
            other = next((one for one in effects[1:] if one.kind == effects[0].kind and one.path != effects[0].path), None)
            if other is not None:
                yield other

    def _migration_after(self) -> Iterator[tuple[Scenario, int]]:
        for state, changed in self._hidden:
            yield from self._moved(state, (one for one in self._best(state) if one.action[1] in changed))

    def _moved(self, state: State, effects: Iterable[Effect]) -> Iterator[tuple[Scenario, int]]:
        """Operations while a migration runs of the very page that each is about."""
        for effect in effects:
            if effect.page is not None:
                yield self._made(state, effect, ("migrate_frame", effect.page))

    def _from_one(self) -> Iterator[tuple[Scenario, int]]:
        one = self.known["one"]
        for first, second in combinations(one.effects.values(), 2):
            yield from self._pair(one, first[0], second)

    def _others(self) -> Iterator[tuple[Scenario, int]]:
        """Further kinds of effect, refusals too, with the best arguments of every operation; and with put-back."""
        few = self.known["few"]
        further = [effect for effects in few.effects.values() for effect in self._kinds_of(effects)[1:]]
        for one, two in product(further, self._best(few)):
            yield from self._pair(few, one, [two])
        for state in self._known("held", "full"):
            for one, two in combinations(self._best(state), 2):
                yield from self._pair(state, one, [two])

    def _triples(self) -> Iterator[tuple[Scenario, int]]:
        few = self.known["few"]
        effects = list(few.effects.values())
        for waits in self._best(few):  # two share what there is, and the third has to be woken
            if not waits.lost and any(isinstance(key, tuple) and key[0] == "queue" for key in waits.uses):
                yield self._made(few, waits, waits, waits)
                break
        pairs = [(one[0], one) for one in effects] + [(one[0], two) for one, two in combinations(effects, 2)]
        for one, others in pairs:
            for first, second in self._chosen(few, one, others):
                page = first.page if first.page is not None else second.page
                if page is not None:
                    yield self._made(few, first, second, ("migrate_frame", page))

    def _pair(self, state: State, one: Effect, others: list[Effect]) -> Iterator[tuple[Scenario, int]]:
        near = self._near(one, others)
        if near is not None:
            yield self._made(state, one, near)
        for first, second in self._chosen(state, one, others):
            if second is not near:
                yield self._made(state, first, second)

    def _near(self, one: Effect, others: list[Effect]) -> Effect | None:
        """What uses a page that the first one uses too; None where that would be a mistake of their callers."""
        pages = {*one.touched, *one.gone}
        two = next(
            (two for two in others if two.action != one.action and not two.refused and pages & {*two.touched, *two.gone}), None
        )
        if two is None or ((one.lost or two.lost) and self._handles(one.action) and self._handles(two.action)):
            return None
        return two

    def _chosen(self, state: State, one: Effect, others: list[Effect]) -> Iterator[tuple[Effect, Effect]]:
        """Two operations that may run at the same time; nobody uses a handle that another gives up."""
        two = next((effect for effect in others if effect.action != one.action and effect.kind == one.kind), others[0])
        if not (one.lost or two.lost) or not self._handles(one.action) or not self._handles(two.action):
            yield one, two
            return
        moved = self._with_other_handle(state, two.action) if state.handles > 1 else None
        if moved is not None:
            yield one, moved

    def _with_other_handle(self, state: State, action: Action) -> Effect | None:
        other = ("op", action[1], {**action[2], **dict.fromkeys(self._handles(action), 1)})
        return self.states.alone(state, other)

    def _handles(self, action: Action) -> list[str]:
        arguments = operations(self.states.subject.workload)[action[1]].arguments
        return [name for name, kind in arguments.items() if isinstance(kind, Handle)]

    def _put_back(self) -> Iterator[tuple[Scenario, int]]:
        one = self.known["one"]
        for effect in self._best(one):
            page = effect.page if effect.page is not None else next(iter(one.pages), None)
            if page is not None:
                yield self._made(one, effect, ("put_back_frame", page))

    def _asking(self) -> Iterator[tuple[State, Effect]]:
        """The workload's own ``read`` in each state, where all it does is to ask the driver."""
        read = reading(self.states.subject.workload)
        if read is None:
            return
        for state in self._known("one", "held", "few"):
            asks = self.states.alone(state, ("op", "read", dict.fromkeys(read.arguments, 0)))
            if asks is not None and not asks.peeks and asks.touched:
                yield state, asks

    def _readings(self) -> Iterator[tuple[Scenario, int]]:
        """Reading beside what moves and changes a page."""
        for state, asks in self._asking():
            if state.name == "all isolated":
                yield self._made(state, asks, ("finish",))
                continue
            yield self._made(state, asks, ("migrate_frame", asks.touched[0]))
            changing = [two for effects in state.effects.values() for two in effects if two.changed and not two.lost]
            near = self._near(asks, changing)
            if near is not None:
                yield self._made(state, asks, near)

    def _unordered_readings(self) -> Iterator[tuple[Scenario, int]]:
        """Two readers, or one beside who gives another handle back or makes one, where nothing orders what they use: a count that
        each reader takes and drops, say, or a table that is walked. Locks that order them leave nothing to find."""
        for state, asks in self._asking():
            one = [asks]
            if state.handles > 1:  # who looks for a later one comes by the earlier ones
                later = self.states.alone(state, ("op", "read", dict.fromkeys(asks.action[2], 1)))
                one += [] if later is None else [later]
            effects = [two for effects in state.effects.values() for two in effects if not two.refused]
            lost = self._kinds_of([two for two in effects if two.lost])
            made = self._kinds_of([two for two in effects if two.gained and not two.lost])
            others = [self._with_other_handle(state, two.action) for two in lost] if state.handles > 1 else []
            pairs = [(asks, asks), *product(one[:1], filter(None, others)), *product(one[1:], lost), *product(one[-1:], made)]
            for first, second in pairs:
                scenario, meets = self._made(state, first, second)
                if meets == UNORDERED:
                    yield scenario, meets

    def _workers(self) -> Iterator[tuple[Scenario, int]]:
        """What is queued has not been done yet: removal and what the core does, and two operations on the page that it is about.
        And removal right after an operation that waits for its own work, which may not have ended altogether."""
        few, one = self.known["few"], self.known["one"]
        for effect in self._best(one):
            if not effect.queued and any(isinstance(key, tuple) and key[0] == "work" for key in effect.uses):
                made = self._made(one, effect, ("compact",))[0]
                tasks = ((effect.action, ("teardown",)), *made.tasks[1:])
                yield replace(made, tasks=tasks, name=f"{noun(effect.action)} and tear-down || compaction, {one.name}"), UNORDERED
        yield from self._written_back(one)
        for effects in few.effects.values():
            queued = [effect for effect in effects if effect.queued]
            if queued and few.pages:
                prefix = (*few.prefix, queued[0].action)
                yield self._made(few, ("teardown",), settled=False, prefix=prefix)  # beside the work alone
                yield self._made(few, ("teardown",), ("migrate", 0), settled=False, prefix=prefix)
                yield self._made(few, ("migrate", 0), ("put_back", len(few.pages) - 1), settled=False, prefix=prefix)
                for best in self._best(few):
                    again = self._near(best, queued)
                    if again is not None:
                        other = self._other_content(again.action)
                        yield self._made(few, best, other, settled=False, prefix=(*few.prefix, again.action))

    def _written_back(self, one: State) -> Iterator[tuple[Scenario, int]]:
        """What queues work a second time while it is being done, and then what gives a page up whose handle stays: the content must
        be elsewhere by then, and the work is what brought it there."""
        gives = [effect for effect in self._best(one) if effect.gone and not effect.lost]
        for two, effects in product(gives, one.effects.values()):
            again = (effect for effect in effects if effect.queued and effect.action != two.action)
            effect = next((effect for effect in again if {*two.gone} & {*effect.touched}), None)
            if effect is not None:
                made, _ = self._made(one, effect, two, settled=False, prefix=(*one.prefix, effect.action))
                tasks = ((self._other_content(effect.action), two.action),)
                yield replace(made, tasks=tasks, name=f"{noun(effect.action)} and {noun(two.action)}, {one.name}"), UNORDERED

    def _compaction(self) -> Iterator[tuple[Scenario, int]]:
        for effect in self._best(self.known["few"]):
            yield self._made(self.known["few"], effect, ("compact",))

    def _block(self, core: str) -> Iterator[tuple[Scenario, int]]:
        """Operations while the core does something to the pageblock of a page."""
        few = self.known["few"]
        for effect in self._best(few) if few.pages else ():
            yield self._made(few, effect, (core, 0))

    def _fresh(self) -> Iterator[tuple[Scenario, int]]:
        """What makes pages, or takes frames without marking them, from nothing and where hardly anything is free."""
        for state in self._known("empty", "full"):
            for effects in state.effects.values():
                maker = next((effect for effect in effects if effect.made), None)
                if maker is not None:
                    yield self._made(state, maker, ("migrate_frame", maker.made[0]))
                    other = next((effect for effect in effects if effect.made and effect is not maker), maker)
                    yield self._made(state, maker, other)
                taker = next((effect for effect in effects if effect.took and not effect.made), None)
                if taker is not None:
                    yield self._made(state, taker, taker)
                    yield self._made(state, taker, ("compact",))

    def _given_up(self) -> Iterator[tuple[Scenario, int]]:
        """An operation that gives a handle up while another uses it, where the driver promises to refuse who comes late."""
        for state in (self.known["one"], self.known["few"]):
            effects = [one for one in self._best(state) if self._handles(one.action)]
            for one, two in product((one for one in effects if one.lost), effects):
                made, meets = self._made(state, one, two)
                if (two is one or not two.lost or one.action[1] < two.action[1]) and refuses_latecomers(self.states.subject, made):
                    yield made, meets

    def _limits(self) -> Iterator[tuple[Scenario, int]]:
        for state, one, two in self.states.limits():
            yield self._made(state, one, two)


def refuses_latecomers(subject: Subject, scenario: Scenario) -> bool:
    """Whether the second of two operations answers otherwise once the first has given its handle up: it refuses, and says so.

    Of a driver that says nothing, that raises, or that answers as ever, such a pair is a mistake of its callers.
    """
    orders = Orders(subject, scenario)
    if orders.errors or orders.hung or orders.impossible:
        return False
    late = [one.answers[1][0] for one in orders.outcomes if one.sequence == ((0, 0), (1, 0))]
    early = [one.answers[1][0] for one in orders.outcomes if one.sequence == ((1, 0), (0, 0))]
    return bool(late and early) and all(map(refusal, late)) and not any(map(refusal, early))


def weight(plan: Plan, name: str) -> float:
    """How many turns a scenario gets, against the usual ones."""
    return {UNORDERED: 2.0, APART: 0.5}.get(plan.meets.get(name, ORDERED), 1.0)
