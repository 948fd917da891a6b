"""What does nothing in the usual states is raced where it does something."""

from __future__ import annotations

import pytest

from docs.drivers.ring import Ring, RingWorkload
from docs.drivers.slab import SlabCache, SlabWorkload
from movable import ClearPageMovable, Page, PageIsolated, list_del, lock_page, put_page, unlock_page
from movable.concurrent.plan.derive import derive
from movable.concurrent.plan.rare import rarely
from movable.concurrent.plan.states import States
from movable.concurrent.search import interleavings
from movable.concurrent.stage import Subject
from movable.contract import handle, operation
from tests.drivers_for_tests import just_drivers as just


class LooksOnce(SlabCache):
    """Shrinks what was empty before it waited for the page lock."""

    def _release(self, page: Page) -> int:
        lock_page(page)
        with self.lock:
            if not PageIsolated(page):
                list_del(page.lru)
            self.count -= 1
            page.private = 0
            ClearPageMovable(page)
        unlock_page(page)
        put_page(page)
        put_page(page)
        return 1


def test_a_state_is_found_where_it_does_something() -> None:
    states = States(Subject(SlabWorkload, SlabCache))
    states.states()
    ((state, effect),) = rarely(states)
    assert [action[1] for action in state.prefix] == ["store", "free"]  # nothing that could be left out
    assert effect.action[1] == "shrink" and effect.gone


def test_what_does_something_anyway_needs_none() -> None:
    for words in ({}, {"\ud800": operation()(lambda self: None)}):  # its name is no text that could be written
        states = States(Subject(type("Odd", (RingWorkload,), words), Ring))
        states.states()
        assert not list(rarely(states))


@pytest.mark.parametrize(("driver", "broken"), [(SlabCache, False), (LooksOnce, True)])
def test_it_is_planned_and_finds_the_race(driver: type[SlabCache], broken: bool) -> None:
    subject = Subject(SlabWorkload, driver)
    planned = [one for one in derive(subject) if "where shrink does something" in one.name]
    assert {"migration", "shrink"} in [set(one.task_names) for one in planned]
    found = interleavings(subject, executions=100, scenarios=planned[:1])
    assert not found.refused
    assert bool(found.broken) == broken


def test_three_of_an_operation_that_waits_are_planned() -> None:
    planned = derive(Subject(just.WaitingWorkload, just.WaitingRing), size=200)
    assert ["drop", "drop #2", "drop #3"] not in [one.task_names for one in planned]  # who gives a handle up does it once
    assert ["wait", "wait #2", "wait #3"] in [one.task_names for one in derive(Subject(Waits, just.WaitingRing), size=200)]


class Waits(just.WaitingWorkload):
    driver: just.WaitingRing

    @operation(slot=handle())
    def wait(self, slot: int) -> None:
        self.driver.arrived.wait_event(lambda: not self.driver._away(slot))
