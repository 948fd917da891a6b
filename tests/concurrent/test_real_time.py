"""Real-time orders of equivalent schedules: what one schedule of a class shows is what all of them would, one by one."""

from __future__ import annotations

import random
from typing import Any

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import AddressSpace, Page
from movable.concurrent.execution import Trial
from movable.concurrent.failures.explain import rule_of_failure
from movable.concurrent.real_time import History, refuted
from movable.concurrent.search import interleavings
from movable.concurrent.stage import Subject
from movable.contract import migrate, op, put_back, scenario
from movable.contract.show.replay import replay
from movable.explore.schedulers.dfs import Dfs
from movable.explore.schedulers.dpor import Dpor
from movable.explore.schedulers.shared_locations import Reduced
from movable.mm.atomic import AtomicLong
from movable.workload.scenario import Scenario

Script = tuple[tuple[str, int], ...]
"""What an operation does to which counter: read it, add to it, raise it."""


class Counters(Ring):
    """Each operation touches a few atomic counters, and answers what it saw; the callbacks touch them as well."""

    scripts: tuple[Script, ...] = ()
    callbacks: tuple[Script, ...] = ((), (), ())

    def __init__(self, vm: Any) -> None:
        super().__init__(vm)
        self.counters = [AtomicLong(vm, f"counter {number}") for number in range(3)]

    def act(self, who: int) -> tuple[int, ...]:
        return self._play(self.scripts[who], who)

    def _play(self, script: Script, who: int) -> tuple[int, ...]:
        seen = []
        for what, number in script:
            counter = self.counters[number]
            if what == "raise":
                counter.raise_to(who + 1)
            else:
                seen.append(counter.read() if what == "read" else counter.add(who + 1))
        return tuple(seen)

    def isolate_page(self, page: Page, mode: int) -> bool:
        self._play(self.callbacks[0], 3)
        return super().isolate_page(page, mode)

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        self._play(self.callbacks[1], 4)
        return super().migratepage(mapping, newpage, page, mode)

    def putback_page(self, page: Page) -> None:
        self._play(self.callbacks[2], 5)
        super().putback_page(page)


class CountersWorkload(RingWorkload):
    factory = Counters  # type: ignore[assignment]
    driver: Counters

    def act(self, who: int) -> tuple[int, ...]:
        return self.driver.act(who)


def subject(*scripts: Script, callbacks: tuple[Script, ...] = ((), (), ())) -> Subject:
    cls: Any = type("Counters", (Counters,), {"scripts": scripts, "callbacks": callbacks, "__module__": __name__})
    return Subject(CountersWorkload, cls)


def made(*tasks: list[int]) -> Scenario:
    return scenario("made", *([op("act", who=who) for who in task] for task in tasks))


def every(chosen: Subject, one: Scenario, strategy: Any, equivalents: bool) -> tuple[str, int]:
    """The rule that breaks in any schedule of a search run to its end, "" for none, and how many schedules that took."""
    trial = Trial(chosen, one)
    trial.equivalents = equivalents
    search, count = strategy(), 0
    while search.begin(run := Reduced(trial, search, limit=3000, races=False, stop=True)):
        run.run()
        search.end(run)
        count += 1
        if trial.sharing.grew:
            trial.sharing.grew = False
            search = strategy()
        elif run.failure is not None:
            return rule_of_failure(run.failure), count
    return "", count


def drawn(seed: int) -> tuple[Subject, Scenario]:
    rng = random.Random(seed)
    tasks = rng.choice(([[0], [1]], [[0], [1]], [[0], [1], [2]], [[0, 1], [2]]))
    longest = 3 if tasks == [[0], [1]] else 2
    kinds = ("read", "add", "raise")
    scripts = [tuple((rng.choice(kinds), rng.randrange(2)) for _ in range(rng.randint(1, longest))) for _ in range(3)]
    return subject(*scripts), made(*tasks)


@pytest.mark.parametrize("seed", range(20))
def test_a_class_of_schedules_is_judged_as_all_of_them_one_by_one(seed: int) -> None:
    chosen, one = drawn(seed)
    brute, _ = every(chosen, one, Dfs, equivalents=False)
    assert every(chosen, one, Dpor, equivalents=True)[0] == brute


def drawn_with_the_core(seed: int) -> tuple[Subject, Scenario]:
    """Operations beside a migration or a put-back, whose callbacks touch the same counters."""
    rng = random.Random(seed)
    tasks = rng.choice(([[0], [1]], [[0, 1]], [[0]]))
    scripts = [tuple((rng.choice(("read", "add")), rng.randrange(2)) for _ in range(rng.randint(1, 2))) for _ in range(2)]
    callbacks: Any = tuple(tuple(("add", rng.randrange(2)) for _ in range(rng.randint(0, 1))) for _ in range(3))
    core = rng.choice((migrate(), put_back()))
    bodies = [[op("act", who=who) for who in task] for task in tasks]
    return subject(*scripts, callbacks=callbacks), scenario("made", *bodies, core, prefix=[op("write", slot=0, data=b"a")])


@pytest.mark.parametrize("seed", range(20))
def test_what_the_core_does_has_its_time_as_well(seed: int) -> None:
    chosen, one = drawn_with_the_core(seed)
    brute, _ = every(chosen, one, Dfs, equivalents=False)
    assert every(chosen, one, Dpor, equivalents=True)[0] == brute


OUT_OF_TIME = subject((("add", 1),), (("read", 0),), (("add", 0), ("read", 1)))
"""Operation 2 may see what 0 did and be seen by 1, so that only the order 0, 2, 1 fits, while 1 was over before 0 began."""
THREE = made([0], [1], [2])


def test_an_order_that_only_an_equivalent_schedule_has_is_found_and_told() -> None:
    assert every(OUT_OF_TIME, THREE, Dpor, equivalents=False)[0] == ""
    assert every(OUT_OF_TIME, THREE, Dfs, equivalents=False)[0] == "D15"
    found = interleavings(OUT_OF_TIME, executions=100, scenarios=[THREE])
    told = found.broken["D15"]
    assert "no order of the operations, one after the other, gives these answers" in told.what
    assert told.lines
    replayed = replay(OUT_OF_TIME.factory, told.token, workload=CountersWorkload)
    assert replayed.broken == ["D15"]
    first = {step["task"]: at for at, step in reversed(list(enumerate(told.rows["steps"])))}
    last = {step["task"]: at for at, step in enumerate(told.rows["steps"])}
    assert last[1] < first[0], "the story shows the schedule in which one was over before the other began"


def history(steps: str, *spans: list[tuple[int, int]]) -> History:
    """Steps as task and location: "0a" is a write of a by task 0, "0-" touches what nobody else does."""
    made = [(int(step[0]), "aw", step[1] if step[1] != "-" else step) for step in steps.split()]
    return History(made, spans, [-1] * len(spans))


def test_what_must_come_before_what_follows_from_conflicts() -> None:
    chain = history("0a 1a 1b 2b", [(0, 1)], [(1, 3)], [(3, 4)])
    assert chain.must((0, 0), (1, 0)) and chain.must((0, 0), (2, 0))
    assert not chain.must((2, 0), (0, 0))
    assert chain.possible([((0, 0), (2, 0))]) and not chain.possible([((2, 0), (0, 0))])
    apart = history("0a 1b 2c", [(0, 1)], [(1, 2)], [(2, 3)])
    assert apart.possible([((2, 0), (1, 0)), ((1, 0), (0, 0))])
    assert not apart.possible([((2, 0), (1, 0)), ((1, 0), (2, 0))])


def test_an_operation_without_steps_is_held_by_its_neighbours_only() -> None:
    # Task 0 does one operation that touches a, and one that touches nothing.
    silent = history("0a 1a", [(0, 1), (1, 1)], [(1, 2)])
    assert silent.possible([((1, 0), (0, 1))])
    assert not silent.possible([((1, 0), (0, 0))])


def test_the_schedule_that_shows_it_has_the_order() -> None:
    apart = history("0a 0b 1c 1d", [(0, 2)], [(2, 4)])
    assert apart.rearranged([((1, 0), (0, 0))]) == (1, 1, 0, 0)


def test_orders_are_refuted_by_time_that_is_possible_and_by_no_other() -> None:
    one, two = (0, 0), (1, 0)
    assert refuted([(one, two)], None) == ((two, one),)
    assert refuted([(one, two), (two, one)], None) is None
    assert refuted([(one, two)], history("0a 1a", [(0, 1)], [(1, 2)])) is None
    assert refuted([(one, two)], history("0a 1b", [(0, 1)], [(1, 2)])) == ((two, one),)
