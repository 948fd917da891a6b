"""Linearizability: some order of a scenario's operations, one after the other on the driver alone, gives what an execution gave.

An execution's history is its operations with their answers and the steps at which they began and ended. A *sequential witness* is
an order that keeps what had ended before another began in front of it, and gives the same answers and readings (Herlihy and Wing,
"Linearizability: A Correctness Condition for Concurrent Objects", TOPLAS 1990).

What the core does is in an order by its parts, and in front of what began when it was over (see `parts`). Orders in which the
driver has to wait for what would come later are impossible, and those in which it raises are no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from movable.concurrent.parts import LEFT_OUT, LONG, MAX_ORDERS, Apart, multinomial, orders, parts_by_task, parts_of, ways_apart
from movable.concurrent.real_time import MAX_OPERATIONS, Place, Span, can_be_over, can_begin, refuted
from movable.concurrent.stage import HandleAnswer, Label, Stage, Subject
from movable.errors import Blocked, DeadlockError, Hang, by_hand, passes
from movable.mm.migrate import putback_movable_pages
from movable.rules.table import RULES
from movable.sequential.bookkeeping import outside_books
from movable.sequential.faults import watchdog
from movable.shown import apart, common_prefix, literal, said
from movable.workload.scenario import Scenario
from movable.workload.workload import GIVEN_BACK, Workload, pages_in

SECONDS_PER_ORDER = 0.3
"""Processor seconds that one order may take; a usual one takes a thousandth."""
MAX_HANGING_ORDERS = 4
"""After so many orders that did not end, each by a beginning of its own, no further ones are tried."""

NO_ORDER = "no order of the operations has what was over in front of what began then"

Answers = tuple[tuple[Any, ...], ...]

MAX_LEFT_OUT = 4
"""Operations that answered "busy" of which every choice is tried as not done; of more, only all of them together."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one order came to.

    ``sequence`` is the order of what began and ended, ``merge`` that in which the tasks ended theirs. ``invariant`` is what the
    driver's own invariant had to say, "" for nothing. ``dangling``: the driver names pages that are free.
    """

    sequence: tuple[Place, ...]
    merge: tuple[int, ...]
    answers: Answers
    readings: tuple[tuple[Label, Any], ...]
    invariant: str
    dangling: bool = False


class Orders:
    """The outcomes of a scenario; ``errors`` says what went wrong in orders that were given up.

    ``removable``: the driver can be removed afterwards. ``loose``: answers differ between orders in a scenario in which the core
    compacts, or a worker has something to do: both are a row of steps between which an operation may answer, so that no order of
    whole parts says exactly what. Where no order of whole parts gives what an execution gave, the core's long actions are taken
    apart, and those orders count too.

    An operation of ``Workload.busy`` that answered "busy", or 0 where it counts what it did, was not done, and changed nothing: an
    execution is then compared with the orders of all the other operations too. So is one that refused where it got no memory: two
    that want several pages each may both get too few, and give back what they have. Where one of those did a part of its work, no
    order says how much.
    """

    def __init__(self, subject: Subject, scenario: Scenario) -> None:
        self.subject = subject
        self.scenario = scenario
        self.outcomes: list[Outcome] = []
        self.errors: list[str] = []
        self.impossible = 0
        self.removable = True
        actions = [action for actions in scenario.tasks for action in actions]
        self.torn = any(action[0] == "teardown" for action in actions)
        self.long = any(action[0] in LONG for action in actions)
        self.timed = any(action[0] == "op" for action in actions) and 1 < len(actions) <= MAX_OPERATIONS
        self.all_orders = multinomial(parts_by_task(scenario)) <= MAX_ORDERS
        self.reached = 0
        self.hung: set[tuple[object, ...]] = set()
        self.untried = False
        self.worked = False
        self.held = 0
        self.fewer: dict[frozenset[Place], list[Outcome]] = {}
        self.finer: dict[frozenset[Place], list[Outcome]] = {}
        self.outcomes = self._come_to(frozenset())
        steps = self.long or any(action[0] == "isolate_all" for action in actions)
        self.loose = _differ(self.outcomes) and (steps or self.worked)

    def _come_to(self, left_out: frozenset[Place], apart: Apart | None = None) -> list[Outcome]:
        """The outcomes of all orders without the operations that are left out."""
        outcomes: list[Outcome] = []
        for order in orders(self.scenario, self.subject.seed, apart):
            for at_once in (False, True):
                way = (at_once, left_out, apart)
                if any((*way, order[:length]) in self.hung for length in range(len(order) + 1)):
                    continue  # it begins like one that did not end
                if len(self.hung) < MAX_HANGING_ORDERS:
                    self._try(order, at_once, left_out, apart, outcomes)
                else:
                    self.untried = True
        return list(dict.fromkeys(outcomes)) if all(map(_hashable, outcomes)) else outcomes

    def _try(
        self, order: tuple[int, ...], at_once: bool, left_out: frozenset[Place], apart: Apart | None, outcomes: list[Outcome]
    ) -> None:
        try:
            stage = Stage(self.subject, self.scenario)
        except BaseException as error:
            if passes(error):
                raise
            self.errors.append(f"{type(error).__name__}: {said(error)}")
            return
        if at_once and not (stage.vm.workqueues or self.worked):  # a queue may be made by what queues the first item
            return
        try:
            with watchdog(SECONDS_PER_ORDER):
                outcome = self._play(stage, order, at_once, left_out, apart)
        except DeadlockError:
            self.impossible += 1
            return
        except Blocked:
            raise
        except Hang:  # it may wait busily for what comes later in this order
            self.hung.add((at_once, left_out, apart, order[: self.reached]))
            return
        except BaseException as error:
            if by_hand(error):
                raise
            self.errors.append(f"{type(error).__name__}: {said(error)}")
            return
        if not outcomes and not left_out and apart is None and not self.torn:
            self.held = len(stage.pages or ())
            self.removable = _removable(stage)
        outcomes.append(outcome)

    def _play(
        self, stage: Stage, order: tuple[int, ...], at_once: bool, left_out: frozenset[Place], apart: Apart | None
    ) -> Outcome:
        """Do the parts of all tasks in one order; ``at_once`` runs queued work after each part and not only in the end."""
        todo = [parts_of(stage, self.scenario, task, left_out, apart) for task in range(len(stage.users))]
        answers: list[list[Any]] = [[] for _ in todo]
        sequence: list[Place] = []
        merge: list[int] = []
        for self.reached, task in enumerate(order, 1):
            part = todo[task].pop(0)
            answer = part.phase()
            sequence += part.places
            if part.answers:
                answers[task].append(answer if answer is LEFT_OUT else stage.plain(task, answer))
            if not todo[task]:
                merge.append(task)
            self.worked = self.worked or any(queue._items for queue in stage.vm.workqueues)
            if at_once:
                stage.vm.run_work()
        return _ended(stage, tuple(sequence), tuple(merge), answers, self.torn)

    def judge(self, stage: Stage, answers: list[list[Any]], spans: list[list[Span]]) -> tuple[str, str] | None:
        """The rule that an execution broke and what was wrong; None when some order gives the same."""
        if not self.outcomes or self._half_done(stage, answers):
            return None
        wrong = self._judge(self.outcomes, stage, answers, spans)
        if wrong is None:
            return self._dangling(stage)
        for left_out in self._choices(stage, answers):
            if self._judge(self._without(left_out), stage, answers, spans) is None:
                return None
        for left_out in self._choices(stage, answers, self.long):
            if self._judge(self._taken_apart(left_out), stage, answers, spans) is None:
                return None
        if self.untried:
            return None  # an order that nobody tried may give it
        return wrong[0], wrong[1] + self._advice(stage, answers, spans)

    def _dangling(self, stage: Stage) -> tuple[str, str] | None:
        """A pointer to a page that is free, where no order leaves one: looked up before the page moved, and kept after it."""
        left = [] if self.torn or any(one.dangling for one in self.outcomes) else dangling(stage)
        if not left:
            return None
        return "D14", f"the driver names page {left[0]} in the end, which is free; after the operations one by one it names none"

    def _advice(self, stage: Stage, answers: list[list[Any]], spans: list[list[Span]]) -> str:
        """What would make an execution right: an operation that refused, and that the workload does not let say busy."""
        silent = {place for place, answer in self._answered(answers) if answer is None}
        undeclared = [place for place in self._refused(answers) if place not in silent and not self._may_refuse(*place)]
        if not undeclared or self._judge(self._without(frozenset(undeclared)), stage, answers, spans) is not None:
            return ""
        names = " and ".join(dict.fromkeys(repr(self.scenario.tasks[task][number][1]) for task, number in undeclared))
        return f". If that means busy, and nothing was changed, say so: Workload.busy names {names}"

    def witnesses(self, stage: Stage, answers: list[list[Any]]) -> tuple[tuple[Place, ...], ...]:
        """The orders that give what an execution gave, whatever the real time; () where no real-time order can refute them all.

        Also () where not every order is known: then nothing more is said than of the real time that was seen.
        """
        if not self.timed or self.errors or self.hung or not self.all_orders or self._half_done(stage, answers):
            return ()
        found = self._accepted(self.outcomes, stage, answers)
        if found and refuted(self._sequences(found), None) is None:
            return ()
        for left_out in self._choices(stage, answers):
            found += self._accepted(self._without(left_out), stage, answers)
        for left_out in self._choices(stage, answers, self.long):
            found += self._accepted(self._taken_apart(left_out), stage, answers)
        sequences = self._sequences(found)  # now that it is known whether work was queued in any order
        return () if refuted(sequences, None) is None else tuple(sequences)

    def _without(self, left_out: frozenset[Place]) -> list[Outcome]:
        """The outcomes of all orders without some operations, found out when they are first asked for."""
        if left_out not in self.fewer:
            self.fewer[left_out] = self._come_to(left_out)
        return self.fewer[left_out]

    def _taken_apart(self, left_out: frozenset[Place]) -> list[Outcome]:
        """The outcomes of all orders, and of those in which what the core does page by page is taken apart."""
        if left_out not in self.finer:
            whole = self._without(left_out) if left_out else self.outcomes
            ways = ways_apart(self.held)
            self.finer[left_out] = [*whole, *(one for apart in ways for one in self._come_to(left_out, apart))]
            self.loose = self.loose or _differ(self.finer[left_out])
        return self.finer[left_out]

    def _accepted(self, outcomes: list[Outcome], stage: Stage, answers: list[list[Any]]) -> list[Outcome]:
        """The outcomes that an execution agrees with."""
        fitting = [one for one in outcomes if self._agrees(one.answers, answers)]
        if self.torn:
            return fitting
        found: list[Outcome] = []
        for merge in dict.fromkeys(one.merge for one in fitting):
            readings = stage.readings(merge)
            same = [one for one in fitting if one.merge == merge and _same_readings(one.readings, readings)]
            if same and (any(one.invariant for one in same) or not invariant(stage)):
                found += same
        return found

    def _sequences(self, outcomes: list[Outcome]) -> list[tuple[Place, ...]]:
        return list(dict.fromkeys(map(self._sequence, outcomes)))

    def _sequence(self, outcome: Outcome) -> tuple[Place, ...]:
        """What real time is asked of: where queued work goes on when the core is done, its end says nothing."""
        return tuple([place for place in outcome.sequence if len(place) == 2]) if self.worked else outcome.sequence

    def out_of_time(self, pairs: tuple[tuple[Place, Place], ...], answers: list[list[Any]], stage: Stage) -> tuple[str, str]:
        """The rule that is broken where no witness has a real-time order, and what was wrong."""
        names = self.scenario.task_names
        said = "; ".join(self._said(answers, stage))
        order = " and ".join(f"{names[one[0]]} can be over before {names[two[0]]} begins" for one, two in pairs)
        kept = stage.subject.workload.preserves_content
        text = f"{said}: {order}, and no order of the operations in which that is so gives these answers and what can be read now"
        return ("D15" if kept else "D54", text)

    def _choices(self, stage: Stage, answers: list[list[Any]], none: bool = False) -> Iterator[frozenset[Place]]:
        """Which operations may not have been done: those that refused and may, all of them first; ``none``: and no one."""
        busy = [place for place in self._refused(answers) if place in stage.starved or self._may_refuse(*place)]
        if none:
            yield frozenset()
        for count in range(len(busy), 0, -1):
            if count == len(busy) or len(busy) <= MAX_LEFT_OUT:
                yield from map(frozenset, combinations(busy, count))

    def _half_done(self, stage: Stage, answers: list[list[Any]]) -> bool:
        """Whether an operation got no memory and did not refuse: how much it did depends on each moment."""
        if not stage.starved:
            return False
        return any(place in stage.starved and not refusal(answer) for place, answer in self._answered(answers))

    def _refused(self, answers: list[list[Any]]) -> list[Place]:
        """The operations that may not have been done, by their answers. One that says how much it did has done nothing at 0."""
        counts = {place for outcome in self.outcomes for place, answer in self._answered(outcome.answers) if _number(answer) > 0}
        return [place for place, answer in self._answered(answers) if refusal(answer) or (place in counts and not _number(answer))]

    def _answered(self, answers: Sequence[Sequence[Any]]) -> Iterator[tuple[Place, Any]]:
        """The operations that were done, and what each answered."""
        for task, found in enumerate(answers):
            places = [(task, number) for number, action in enumerate(self.scenario.tasks[task]) if action[0] == "op"]
            yield from zip(places, found, strict=False)

    def _judge(
        self, outcomes: list[Outcome], stage: Stage, answers: list[list[Any]], spans: list[list[Span]]
    ) -> tuple[str, str] | None:
        """The same, by the orders that came to ``outcomes``."""
        kept = stage.subject.workload.preserves_content
        fitting = [one for one in outcomes if self._agrees(one.answers, answers) and in_time(self._sequence(one), spans)]
        if not fitting:
            said = "; ".join(self._said(answers, stage))
            wrong_answers = f"{said}: no order of the operations, one after the other, gives these answers"
            return ("D15" if kept else "D54", wrong_answers if said else NO_ORDER)
        if self.torn:
            return None
        wrong: tuple[str, str] | None = None
        for merge in dict.fromkeys(one.merge for one in fitting):
            readings = stage.readings(merge)
            same = [one for one in fitting if one.merge == merge and _same_readings(one.readings, readings)]
            if not same:
                wrong = wrong or ("D15" if kept else "D54", _difference(readings, [one for one in fitting if one.merge == merge]))
                continue
            found = invariant(stage)
            if not found or any(one.invariant for one in same):
                return None
            rule, _, what = found.partition(": ")
            wrong = (rule, what) if rule in RULES else ("D54", found)
        return wrong

    def _agrees(self, model: Answers, answers: list[list[Any]]) -> bool:
        if self.loose:
            return True
        return all(
            len(expected) == len(found) and all(map(_same, expected, found)) for expected, found in zip(model, answers, strict=True)
        )

    def _may_refuse(self, task: int, number: int) -> bool:
        return self.scenario.tasks[task][number][1] in self.subject.workload.busy

    def _said(self, answers: list[list[Any]], stage: Stage) -> Iterator[str]:
        for name, found in zip(self.scenario.task_names, answers, strict=True):
            for answer in found:
                yield f"{name} answered {answer!r}"


def refusal(answer: Any) -> bool:
    """Whether an answer may mean that an operation was not done."""
    return answer is False or answer is None or (type(answer) is int and answer < 0)


def _number(answer: Any) -> int:
    """An answer that is a number, which may look like a handle too; -1 for any other."""
    value = answer.value if isinstance(answer, HandleAnswer) else answer
    return value if type(value) is int else -1


def _same(model: Any, found: Any) -> bool:
    """Whether two answers are equal: as handles of one name, or as values. Who was left out must have refused."""
    if model is LEFT_OUT:
        return refusal(found) or not _number(found)
    if isinstance(model, tuple) and isinstance(found, tuple):
        return len(model) == len(found) and all(map(_same, model, found))
    if isinstance(model, HandleAnswer) and isinstance(found, HandleAnswer):
        return model.name == found.name or bool(model.value == found.value)
    one, two = (part.value if isinstance(part, HandleAnswer) else part for part in (model, found))
    return bool(one == two)


def _hashable(outcome: Outcome) -> bool:
    try:
        hash(outcome)
    except TypeError:
        return False
    return True


def _differ(outcomes: list[Outcome]) -> bool:
    """Whether answers depend on the order."""
    return len({repr(outcome.answers) for outcome in outcomes}) > 1


def _ended(stage: Stage, sequence: tuple[Place, ...], merge: tuple[int, ...], answers: list[list[Any]], torn: bool) -> Outcome:
    stage.vm.run_work()
    if stage.held:
        putback_movable_pages(stage.held)
    said = tuple(map(tuple, answers))
    if torn:
        return Outcome(sequence, merge, said, (), "")
    readings = stage.readings(merge)
    return Outcome(sequence, merge, said, readings, invariant(stage), bool(dangling(stage)))


def dangling(stage: Stage) -> list[int]:
    """The frames that are free and that the driver still names."""
    named = pages_in(stage.workload.snapshot())
    return sorted(pfn for pfn in named if pfn in stage.vm.pages and not stage.vm.pages[pfn]._refcount)


def invariant(stage: Stage) -> str:
    """What the driver's invariant, its ledger, and the outside world have to say against the state; "" for nothing.

    What breaks a rule of its own begins with the rule.
    """
    try:
        stage.workload.invariant()
        for rule, name, counted, there in stage.workload.ledger():
            if counted != there:
                return f"{rule}: {name} is {counted}, there are {there}"
        if asks_outside(type(stage.workload)):
            for rule, kept, what in outside_books(stage.workload):
                if not kept:
                    return f"{rule}: {what}"
    except BaseException as error:
        if passes(error):
            raise
        return said(error) or type(error).__name__
    return ""


def asks_outside(workload: type[Workload]) -> bool:
    """Whether a workload says what the outside world believes."""
    return workload.outside is not Workload.outside


def _removable(stage: Stage) -> bool:
    try:
        stage.workload.finish()
        stage.vm.run_work()
    except BaseException as error:
        if passes(error):
            raise
        return False
    return not stage.frames_in_use()


def in_time(sequence: tuple[Place, ...], spans: list[list[Span]]) -> bool:
    """Whether an order has everything behind what had ended before it began."""
    at = {place: number for number, place in enumerate(sequence)}
    over = [(at[place], spans[place[0]][place[1]]) for place in sequence if can_be_over(place)]
    begun = [(at[place], spans[place[0]][place[1]]) for place in sequence if can_begin(place)]
    return all(one < two for one, span in over for two, other in begun if _before(span, other))


def precedence(spans: list[list[Span]]) -> tuple[tuple[Place, Place], ...]:
    """Which actions had ended before which began: all that the judgement needs of the spans."""
    places = [((task, number), span) for task, mine in enumerate(spans) for number, span in enumerate(mine)]
    return tuple([(one, two) for one, span in places for two, other in places if _before(span, other)])


def _before(one: Span, two: Span) -> bool:
    """Whether an action was over when another began; of two without a step at the same moment neither was."""
    return one[1] <= two[0] and not two[1] <= one[0]


def _same_reading(model: Any, found: Any) -> bool:
    """Whether a reading is that of an order; one that waits for ever there promises nothing, and is told as what it is (D49)."""
    stuck = isinstance(model, tuple) and model[:2] == ("raised", "DeadlockError")
    return model is GIVEN_BACK or found is GIVEN_BACK or stuck or bool(model == found)


def _same_readings(models: tuple[tuple[Label, Any], ...], readings: tuple[tuple[Label, Any], ...]) -> bool:
    """Whether every handle reads the same; of one that may have been given back nothing is known."""
    return models == readings or (
        [label for label, _ in models] == [label for label, _ in readings]
        and all(_same_reading(model, found) for (_, model), (_, found) in zip(models, readings, strict=True))
    )


def _difference(readings: tuple[tuple[Label, Any], ...], models: list[Outcome]) -> str:
    """The first handle that reads as in none of the orders."""
    for label, found in readings:
        wanted = list({repr(value): value for value in (dict(model.readings).get(label) for model in models)}.values())
        if not any(_same_reading(one, found) for one in wanted):
            near = max(wanted, key=lambda value: common_prefix(found, value))
            others = "".join(f" or {literal(value)}" for value in wanted if value is not near)
            one, two = apart(found, near)
            return f"{_words(label)} reads {one}; after the operations one by one it reads {two}{others}"
    missing = [label for label, _ in models[0].readings if label not in dict(readings)]
    if missing:
        return f"{_words(missing[0])} is gone"
    return f"the readings {readings!r} together fit no order of the operations"


def _words(label: Label) -> str:
    who, number = label
    return f"h{number}" if who == "before" else f"handle {number} of task {who}"
