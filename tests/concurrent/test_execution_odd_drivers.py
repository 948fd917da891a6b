"""No false alarm for what a driver may do differently; and a stale name in a place where few would look for it."""

from __future__ import annotations

from typing import Any

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import VM, AddressSpace, Page
from movable.sequential.search import Search
from movable.workload.workload import workload_for
from tests.drivers_for_tests.odd_drivers import ODD


def searched(driver: type[Any], examples: int) -> Search:
    """What sequences of operations show."""
    search = Search(workload_for(driver), driver, "4.19", 0)
    assert not search.go(examples=examples)
    return search


@pytest.mark.parametrize("driver", ODD)
def test_odd_and_legal(driver: type[Any]) -> None:
    search = searched(driver, 60)
    assert search.workload.__name__ == f"{driver.__name__}Workload"
    assert not search.first
    assert all(search.callbacks[name] > 20 for name in ("isolate_page", "migratepage"))


class Keyed(Ring):
    """Forgets that a page is a key of one of its tables."""

    workload = RingWorkload

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.times: dict[Page, int] = {}

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        self.times[page] = 1
        return super().migratepage(mapping, newpage, page, mode)


def test_a_page_that_is_a_key_counts_as_named() -> None:
    assert "D14" in searched(Keyed, 10).first
