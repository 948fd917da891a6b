"""Lost wake-ups: who is to blame, the driver, or that the core clears PG_isolated after the callback."""

from __future__ import annotations

import pytest

from docs.drivers.ring import Ring
from movable import VM, AddressSpace, Page
from movable.concurrent.execution import Trial
from movable.concurrent.failures.explain import rule_of_failure
from movable.concurrent.stage import subject
from movable.contract import finish, give_back, isolate, op, scenario
from movable.explore import explore
from movable.rules.table import RULES
from tests.drivers_for_tests import just_drivers as just


class WakesOncePutBack(just.WaitingRing):
    """Forgets to wake where a page has moved."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return Ring.migratepage(self, mapping, newpage, page, mode)


class Counts(just.WaitingRing):
    """Waits for a count of its own."""

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.away = 0

    def drop(self, slot: int) -> None:
        self.arrived.wait_event(self._nothing_away)
        Ring.drop(self, slot)

    def _nothing_away(self) -> bool:
        with self.lock:
            return not self.away

    def isolate_page(self, page: Page, mode: int) -> bool:
        answer = super().isolate_page(page, mode)
        with self.lock:
            self.away += answer
        return answer

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        answer = Ring.migratepage(self, mapping, newpage, page, mode)
        if answer == 0:
            self._back()
        return answer

    def putback_page(self, page: Page) -> None:
        Ring.putback_page(self, page)
        self._back()

    def _back(self) -> None:
        with self.lock:
            self.away -= 1
        self.arrived.wake_up()


@pytest.mark.parametrize(
    ("driver", "end", "rule"),
    [
        (just.WaitingRing, give_back(), "D63"),
        (WakesOncePutBack, give_back(), "D63"),
        (WakesOncePutBack, finish(), "D49"),
        (Counts, give_back(), ""),
        (Counts, finish(), ""),
    ],
)
def test_a_sleeper_that_looks_before_the_flag_is_cleared_is_advice_and_one_that_nobody_wakes_is_not(
    driver: type, end: tuple[object, ...], rule: str
) -> None:
    made = scenario("drop", op("drop", slot=0), end, prefix=[op("write", slot=0, data=b"a"), isolate()])
    found = explore(Trial(subject(just.WaitingWorkload, driver), made), executions=400, strategy="dpor").failure
    assert (rule_of_failure(found) if found is not None else "") == rule, found


def test_waiting_for_the_end_of_an_isolation_fails_no_certificate() -> None:
    assert RULES["D63"].level == "should"
