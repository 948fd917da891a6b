"""Frozen reference counts and typed pages: bugs that need them, and drivers that do it right."""

from __future__ import annotations

import pytest

from movable import VM, VMBug, get_page, get_page_unless_zero, page_count, page_ref_freeze, page_ref_unfreeze, put_page
from movable.bench import validate_vm
from movable.concurrent.execution import Trial
from movable.concurrent.failures.explain import rule_of_failure
from movable.concurrent.stage import subject
from movable.contract import migrate, op, scenario
from movable.errors import InvalidState
from movable.explore import explore
from movable.sequential.search import Search
from tests.drivers_for_tests import frozen_drivers as frozen

WRITE = op("write", slot=0, data=b"old")
BESIDE = [
    scenario("use", op("write", slot=0, data=b"new"), migrate(), prefix=[WRITE]),
    scenario("drop", op("drop", slot=0), migrate(), prefix=[WRITE]),
]


def broken(driver: type, workload: type) -> set[str]:
    """The rules that programs break, and scenarios."""
    found = Search(workload, driver, "4.19", 0)
    found.go(12)
    failures = [explore(Trial(subject(workload, driver), one), executions=80, strategy="portfolio").failure for one in BESIDE]
    return set(found.first) | {rule_of_failure(one) for one in failures if one is not None}


@pytest.mark.parametrize(
    ("driver", "workload", "rules"),
    [
        (frozen.Cache, frozen.CacheWorkload, set()), (frozen.Sure, frozen.CacheWorkload, {"D46"}),
        (frozen.LeavesItFrozen, frozen.CacheWorkload, {"D47"}),
        (frozen.Tables, frozen.TablesWorkload, set()), (frozen.TooSoon, frozen.TablesWorkload, {"D7"}),
    ],
)  # fmt: skip
def test_what_it_takes_to_be_right(driver: type, workload: type, rules: set[str]) -> None:
    found = broken(driver, workload)
    assert rules <= found and bool(found) == bool(rules), found


def test_a_frozen_page_counts_as_one_without_references() -> None:
    page = VM().alloc_page()
    assert page is not None
    assert not page_ref_freeze(page, 2)
    assert page_ref_freeze(page, 1) and not page_ref_freeze(page, 1)
    assert page_count(page) == 0 and not get_page_unless_zero(page)
    for use in (get_page, put_page):
        with pytest.raises(VMBug, match="frozen"):
            use(page)
    with pytest.raises(InvalidState, match="frozen"):
        validate_vm(page.vm)
    page_ref_unfreeze(page, 3)
    assert page_count(page) == 3
    with pytest.raises(VMBug, match="a frozen page"):
        page_ref_unfreeze(page, 1)
