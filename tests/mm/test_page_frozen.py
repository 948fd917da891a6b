"""Frozen reference counts and typed pages: bugs that need them, and drivers that do it right."""

from __future__ import annotations

from errno import EAGAIN, EINVAL

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import (
    MIGRATE_SYNC_NO_COPY,
    VM,
    AddressSpace,
    ClearPageMovable,
    ClearPageTable,
    Page,
    SetPageMovable,
    SetPageTable,
    VMBug,
    copy_highpage,
    get_page,
    get_page_unless_zero,
    list_add_tail,
    lock_page,
    page_count,
    page_ref_freeze,
    page_ref_unfreeze,
    put_page,
    unlock_page,
)
from movable.bench import validate_vm
from movable.concurrent.execution import Trial
from movable.concurrent.failures.explain import rule_of_failure
from movable.concurrent.stage import subject
from movable.contract import migrate, op, scenario
from movable.errors import InvalidState
from movable.explore import Options, explore
from movable.sequential.search import Search


class Cache(Ring):
    """Whoever uses a page holds a reference, taken unless the count is frozen; nobody uses content under the lock of the table."""

    def hold(self, page: Page) -> bool:
        return get_page_unless_zero(page)

    def find(self, slot: int) -> Page | None:
        """The page of a slot, with a reference."""
        while True:
            with self.lock:
                page = self.slots[slot]
                if page is None or self.hold(page):
                    return page

    def read(self, slot: int, length: int) -> bytes | None:
        page = self.find(slot)
        if page is None:
            return None
        data = bytes(page.data[:length])
        put_page(page)
        return data

    def write(self, slot: int, data: bytes) -> bool:
        while True:
            page = self.find(slot)
            if page is None:
                if not self._fill(slot):
                    return False
                continue
            lock_page(page)
            mine = self.slots[slot] is page
            if mine:
                page.data[: len(data)] = data
            unlock_page(page)
            put_page(page)
            if mine:
                return True

    def drop(self, slot: int) -> None:
        while True:
            page = self.find(slot)
            if page is None:
                return
            lock_page(page)
            ours = self._forget(slot, page)
            unlock_page(page)
            put_page(page)
            if ours:
                put_page(page)
                return

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """Ours and the isolation's reference, and no other: then nobody reads or writes, and nobody begins to."""
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        if not page_ref_freeze(page, 2):
            return -EAGAIN
        copy_highpage(newpage, page)
        with self.lock:
            newpage.private = page.private
            self.slots[page.private] = newpage
            list_add_tail(newpage.lru, self.idle)
            get_page(newpage)
            SetPageMovable(newpage, mapping)
            page.private = 0
            ClearPageMovable(page)
        page_ref_unfreeze(page, 1)
        return 0


class Sure(Cache):
    """Thinks that whatever is in the table has a reference to add to."""

    def hold(self, page: Page) -> bool:
        get_page(page)
        return True


class LeavesItFrozen(Cache):
    """Gives up between freezing and copying."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if newpage.pfn % 2:
            page_ref_freeze(page, 2)
            return -EAGAIN
        return super().migratepage(mapping, newpage, page, mode)


class CacheWorkload(RingWorkload):
    factory = Cache


class Tables(Ring):
    """Uses the page of a slot that is dropped for a page table, once nobody is asked to move it any more."""

    def recycle(self, page: Page) -> None:
        ClearPageMovable(page)
        SetPageTable(page)

    def _forget(self, slot: int, page: Page) -> bool:
        if not super()._forget(slot, page):
            return False
        SetPageMovable(page, self.mapping)  # as it was
        self.recycle(page)
        ClearPageTable(page)
        return True


class TooSoon(Tables):
    """Types the page first."""

    def recycle(self, page: Page) -> None:
        SetPageTable(page)
        ClearPageMovable(page)


class TablesWorkload(RingWorkload):
    factory = Tables


WRITE = op("write", slot=0, data=b"old")
BESIDE = [
    scenario("use", op("write", slot=0, data=b"new"), migrate(), prefix=[WRITE]),
    scenario("drop", op("drop", slot=0), migrate(), prefix=[WRITE]),
]


def broken(driver: type, workload: type) -> set[str]:
    """The rules that programs break, and scenarios."""
    found = Search(workload, driver, "4.19", 0)
    found.go(12)
    soon_fair = Options(limit=300)  # whoever waits for a frozen page goes round and round
    trials = [Trial(subject(workload, driver), one) for one in BESIDE]
    failures = [explore(trial, executions=80, options=soon_fair).failure for trial in trials]
    return set(found.first) | {rule_of_failure(one) for one in failures if one is not None}


@pytest.mark.parametrize(
    ("driver", "workload", "rules"),
    [
        (Cache, CacheWorkload, set()), (Sure, CacheWorkload, {"D46"}),
        (LeavesItFrozen, CacheWorkload, {"D47"}),
        (Tables, TablesWorkload, set()), (TooSoon, TablesWorkload, {"D7"}),
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
