"""Actions as parts: what the core does page by page is no single step to an operation."""

from __future__ import annotations

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import VM, AddressSpace, Page, list_add_tail, list_del
from movable.concurrent.execution import Trial
from movable.concurrent.parts import MAX_HELD, Apart, multinomial, orders, parts_by_task, ways_apart
from movable.concurrent.stage import subject
from movable.contract import compact, contig, migrate, offline, op, scenario
from movable.explore import explore
from movable.workload.action import Action

WRITE = op("write", slot=0, data=b"A")


class SaysWhatIsAway(Ring):
    """Answers how many pages are isolated, which no order of whole compactions can give."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.away = 0

    def count(self) -> int:
        with self.lock:
            return self.away

    def isolate_page(self, page: Page, mode: int) -> bool:
        with self.lock:
            self.away += 1
            list_del(page.lru)
        return True

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        answer = super().migratepage(mapping, newpage, page, mode)
        if answer == 0:
            with self.lock:
                self.away -= 1
        return answer

    def putback_page(self, page: Page) -> None:
        with self.lock:
            self.away -= 1
            list_add_tail(page.lru, self.idle)


class AwayWorkload(RingWorkload):
    factory = SaysWhatIsAway  # type: ignore[assignment]

    def count(self) -> int:
        return self.driver.count()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("core", [compact(), contig(), offline()], ids=str)
def test_what_the_core_does_page_by_page_is_taken_apart(core: Action) -> None:
    one = scenario("away", op("count"), core, prefix=[WRITE])
    trial = Trial(subject(AwayWorkload, SaysWhatIsAway), one)
    found = explore(trial, executions=150, strategy="dpor").failure
    assert found is None, found


def test_parts_are_merged_in_every_way() -> None:
    both = scenario("both", WRITE, [migrate(), compact()])
    assert parts_by_task(both) == (1, 4)
    assert len(orders(both, 0, None)) == multinomial((1, 4)) == 5
    assert parts_by_task(both, Apart(None, moves=True)) == (1, 6)
    assert parts_by_task(both, Apart(0, moves=False)) == (1, 5)


def test_a_page_is_held_alone_and_with_all_others() -> None:
    assert ways_apart(1) == [Apart(None, moves=True), Apart(None, moves=False)]
    assert {way.held for way in ways_apart(9)} == {None, *range(MAX_HELD)}
