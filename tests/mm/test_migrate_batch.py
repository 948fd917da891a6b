"""The loops of later kernels: batches, two parts, what is left and in which order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from errno import EAGAIN, EBUSY, ENOMEM
from typing import Any

import pytest

from movable import (
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    VM,
    ClearPageMovable,
    DriverError,
    ListHead,
    Page,
    PageIsolated,
    PageMovableOpsIsolated,
    SetPageMovable,
    SetPageMovableOps,
    SetPageOffline,
    SetPageZsmalloc,
    get_page,
    isolate_movable_page,
    list_add_tail,
    lock_page,
    migrate_pages,
    page_has_movable_ops,
    put_page,
    putback_movable_pages,
    trylock_page,
    unlock_page,
)
from movable.eras import ERAS, Era
from movable.errors import UsageError, VMBug
from movable.mm.migrate import MIGRATE_ASYNC, MIGRATE_SYNC, MIGRATE_SYNC_NO_COPY, MR_COMPACTION, MR_MEMORY_FAILURE
from movable.mm.validate import validate_vm

LATER = ("6.1", "6.17", "7.3")
TWO_PARTS = ("6.17", "7.3")


class Scripted:
    """Answers what it is told, page by page, and writes down who was asked."""

    def __init__(self, vm: VM, answers: dict[int, list[int]] | None = None) -> None:
        self.vm = vm
        self.answers = answers or {}
        self.log: list[tuple[int, int, int]] = []  # number of the page, mode, answer
        self.put_back: list[int] = []
        self.others_locked: list[bool] = []
        self.mapping = vm.address_space(self, "scripted")
        self.pages: list[Page] = []
        self.targets: dict[int, list[int]] = {}

    def add(self, count: int, gfp: int = GFP_KERNEL) -> list[Page]:
        for number in range(len(self.pages), len(self.pages) + count):
            page = self.vm.alloc_page(gfp)
            assert page is not None
            lock_page(page)
            page.private = number + 1
            SetPageMovable(page, self.mapping)
            unlock_page(page)
            self.pages.append(page)
        return self.pages

    def isolate_page(self, page: Page, mode: int) -> bool:
        return bool(page.private)

    def migratepage(self, mapping: Any, newpage: Page, page: Page, mode: int) -> int:
        return self.migrate_page(newpage, page, mode)

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        number = page.private - 1
        if number < 0:
            return 0
        rest = self.answers.get(number, [])
        answer = rest.pop(0) if rest else 0
        self.log.append((number, mode, answer))
        self.targets.setdefault(number, []).append(newpage.pfn)
        other = self.pages[(number + 1) % len(self.pages)]
        if other is not page:
            free = trylock_page(other)
            self.others_locked.append(not free)
            if free:
                unlock_page(other)
        if answer:
            return answer
        newpage.private = number + 1
        get_page(newpage)
        SetPageMovable(newpage, self.mapping)
        if not self.vm.era.sticky_mark:
            ClearPageMovable(page)
        page.private = 0
        self.pages[number] = newpage
        put_page(page)
        return 0

    def putback_page(self, page: Page) -> None:
        self.put_back.append(page.private - 1)


def half_empty(era: Era) -> VM:
    """A machine of 8 pageblocks without a free one, where every second page of the driver was given up."""
    vm = VM(256 << 12, era=era, pageblock_order=5)
    driver = Scripted(vm)
    for page in driver.add(vm.zones[0].nr_free - vm.zones[0].watermark[0] - 2, GFP_HIGHUSER_MOVABLE)[::2]:
        lock_page(page)
        page.private = 0
        if not vm.era.sticky_mark:
            ClearPageMovable(page)
        unlock_page(page)
        put_page(page)
    return vm


def isolated(pages: list[Page]) -> ListHead:
    taken = ListHead("taken")
    for page in pages:
        assert isolate_movable_page(page, 8) == 0
        list_add_tail(page._lru, taken)
    return taken


def run(era: Any, answers: dict[int, list[int]], count: int = 4, mode: int = MIGRATE_SYNC, targets: int = -1) -> tuple[Any, ...]:
    """The driver, the result, and the numbers of the pages that are left on the list."""
    vm = VM(memory=4096 << 12, era=era)
    driver = Scripted(vm, answers)
    taken = isolated(driver.add(count))
    given = [0]

    def new(page: Page, private: Any) -> Page | None:
        given[0] += 1
        return None if 0 <= targets < given[0] else vm.alloc_page()

    rc = migrate_pages(taken, new, None, None, mode, MR_COMPACTION)
    left = [page.private - 1 for page in taken]
    assert all(PageIsolated(page) for page in taken)
    putback_movable_pages(taken)
    assert not any(PageIsolated(page) for page in driver.pages) and not vm.bad_pages
    assert all(page._refcount == 1 for page in driver.pages)
    validate_vm(vm)
    return driver, rc, left


@pytest.mark.parametrize("era", LATER)
def test_all_pages_move(era: str) -> None:
    driver, rc, left = run(era, {})
    assert (rc, left) == (0, []) and [number for number, _, _ in driver.log] == [0, 1, 2, 3]


def test_a_waiting_caller_asks_three_times_in_a_hurry_and_seven_times_in_earnest() -> None:
    for era in TWO_PARTS:
        driver, rc, left = run(era, {1: [-EAGAIN] * 20})
        assert [mode for number, mode, _ in driver.log if number == 1] == [MIGRATE_ASYNC] * 3 + [MIGRATE_SYNC] * 7
        assert (rc, left, driver.put_back) == (1, [1], [1])
        targets = driver.targets[1]
        assert len(set(targets[:3])) == 1 and len(set(targets[3:])) == 1, "a target is kept while the driver says -EAGAIN"
    driver, rc, left = run("6.1", {1: [-EAGAIN] * 20})
    assert [mode for number, mode, _ in driver.log if number == 1] == [MIGRATE_SYNC] * 10 and (rc, left) == (1, [1])


def test_an_asynchronous_caller_asks_ten_times() -> None:
    for era in LATER:
        driver, rc, _ = run(era, {1: [-EAGAIN] * 20}, mode=MIGRATE_ASYNC)
        assert [mode for number, mode, _ in driver.log if number == 1] == [MIGRATE_ASYNC] * 10 and rc == 1


def test_a_permanent_error_is_asked_once_more_in_the_second_part() -> None:
    for era in TWO_PARTS:
        driver, rc, left = run(era, {2: [-EBUSY]})
        assert (rc, left) == (0, []) and driver.log[-1] == (2, MIGRATE_SYNC, 0)
        driver, rc, left = run(era, {2: [-EBUSY, -EBUSY]})
        assert (rc, left, driver.put_back) == (1, [2], [2])
    driver, rc, left = run("6.1", {2: [-EBUSY]})
    assert (rc, left) == (1, [2]), "the caller puts back, and it is asked once"


def test_what_is_left_comes_failures_first() -> None:
    assert run("6.1", {0: [-EAGAIN] * 20, 2: [-EBUSY]})[1:] == (2, [2, 0])
    assert run("7.3", {0: [-EAGAIN] * 20, 2: [-EBUSY]}, mode=MIGRATE_ASYNC)[1:] == (2, [2, 0])


def test_enomem_from_a_driver() -> None:
    driver, rc, left = run("6.1", {1: [-ENOMEM]})
    assert (rc, left) == (-ENOMEM, [1, 2, 3]) and [number for number, _, _ in driver.log] == [0, 1]
    for era in TWO_PARTS:
        driver, rc, left = run(era, {1: [-ENOMEM, -ENOMEM]})
        assert (rc, left) == (1, [1]), "that page only"


def test_without_targets() -> None:
    driver, rc, left = run("6.1", {0: [-EBUSY]}, targets=2)
    assert (rc, left) == (-ENOMEM, [0, 2, 3])
    for era in TWO_PARTS:
        driver, rc, left = run(era, {0: [-EBUSY]}, targets=2)
        assert (rc, left) == (-ENOMEM, [0, 2, 3]), "no second part"
        assert [number for number, _, _ in driver.log] == [0, 1]


def test_batches() -> None:
    for era in LATER:
        short = replace(ERAS[era], batch_pages=3)
        driver, _, left = run(short, {0: [-EAGAIN, -EAGAIN], 4: [-EAGAIN]}, count=6)
        assert [number for number, _, _ in driver.log] == [0, 1, 2, 0, 0, 3, 4, 5, 4] and not left


def test_a_batch_is_locked_together_in_the_first_part_only() -> None:
    driver, _, _ = run("7.3", {number: [-EBUSY, -EAGAIN] for number in range(4)})
    assert len(driver.others_locked) == 12
    assert driver.others_locked == [True, True, True, False] + [False] * 8, "the last page's neighbour has its answer already"
    driver, _, _ = run("6.1", {number: [-EAGAIN] for number in range(4)})
    assert not any(driver.others_locked)


def release(page: Page) -> None:
    lock_page(page)
    page.private = 0
    if not page.vm.era.sticky_mark:
        ClearPageMovable(page)
    unlock_page(page)
    put_page(page)


def released_run(era: str, third: bool, targets: int = -1) -> tuple[Scripted, int, int, list[Page]]:
    """A page that its owner releases between isolation and the loop; ``third``: somebody holds a reference meanwhile."""
    vm = VM(era=era)
    driver = Scripted(vm)
    pages = list(driver.add(1))
    taken = isolated(pages)
    if third:
        get_page(pages[0])
    release(pages[0])
    driver.pages.clear()
    asked = [0]

    def new(page: Page, private: Any) -> Page | None:
        asked[0] += 1
        return None if targets == 0 else vm.alloc_page()

    driver.pages = pages
    rc = migrate_pages(taken, new, None, None, MIGRATE_SYNC, MR_COMPACTION)
    putback_movable_pages(taken)
    return driver, rc, asked[0], pages


def test_a_page_released_while_isolated() -> None:
    for era, asked in (("6.1", 0), ("6.17", 0), ("7.3", 1)):
        driver, rc, targets, pages = released_run(era, third=False)
        assert (rc, targets, pages[0]._refcount) == (0, asked, 0) and not driver.put_back
        validate_vm(driver.vm)
    for era in LATER:
        driver, rc, targets, pages = released_run(era, third=True)
        assert (rc, targets, pages[0]._refcount) == (0, 1, 1) and not pages[0]._flags & 1
        put_page(pages[0])
        validate_vm(driver.vm)


def test_a_released_page_without_a_target_is_put_back_with_a_callback() -> None:
    driver, rc, _, pages = released_run("7.3", third=False, targets=0)
    assert rc == -ENOMEM and driver.put_back == [-1] and pages[0]._refcount == 0
    validate_vm(driver.vm)


def test_a_page_locked_by_another_in_a_hurry() -> None:
    for era in LATER:
        vm = VM(era=era)
        driver = Scripted(vm)
        pages = list(driver.add(2))
        taken = isolated(pages)
        lock_page(pages[0])
        given: list[int] = []
        back: list[int] = []

        def new(page: Page, given: Any, vm: VM = vm) -> Page | None:
            newpage = vm.alloc_page()
            assert newpage is not None
            given[0].append(newpage.pfn)
            return newpage

        def put(page: Page, lists: Any) -> None:
            lists[1].append(page.pfn)
            put_page(page)

        rc = migrate_pages(taken, new, put, (given, back), MIGRATE_ASYNC, MR_COMPACTION)
        assert (rc, len(given), len(back)) == (1, 11, 10) and [number for number, _, _ in driver.log] == [1]
        unlock_page(pages[0])
        putback_movable_pages(taken)
        validate_vm(vm)


def test_the_source_of_a_soft_offline_is_left_to_who_retires_it() -> None:
    for era in LATER:
        vm = VM(era=era)
        driver = Scripted(vm)
        taken = isolated(list(driver.add(1)))
        page = driver.pages[0]
        assert migrate_pages(taken, lambda page, vm: vm.alloc_page(), None, vm, MIGRATE_SYNC, MR_MEMORY_FAILURE) == 0
        assert page._refcount == 1 and driver.pages[0] is not page
        put_page(page)
        validate_vm(vm)


def test_modes_and_reasons_that_an_era_does_not_have() -> None:
    for mode, reason, message in ((MIGRATE_SYNC_NO_COPY, 0, "no MIGRATE_SYNC_NO_COPY"), (2, 11, "no reason 11")):
        vm = VM(era="7.3")
        taken = isolated(list(Scripted(vm).add(1)))
        with pytest.raises(UsageError, match=message):
            migrate_pages(taken, lambda page, vm: vm.alloc_page(), None, vm, mode, reason)


def raising(error: Exception) -> Callable[..., int]:
    def migrate_page(newpage: Page, page: Page, mode: int) -> int:
        raise error

    return migrate_page


def test_a_driver_that_raises() -> None:
    for era in LATER:
        vm = VM(era=era)
        driver = Scripted(vm)
        taken = isolated(list(driver.add(1)))
        driver.mapping.a_ops = driver.mapping.a_ops._replace(migratepage=raising(ValueError("no")))
        with pytest.raises((DriverError, VMBug)):
            migrate_pages(taken, lambda page, vm: vm.alloc_page(), None, vm, MIGRATE_SYNC, MR_COMPACTION)


def test_typed_and_marked_by_hand() -> None:
    """A driver of its own in a slot: type, then mark; neither goes before the page is free."""
    vm = VM(era="7.3")
    driver = Scripted.__new__(Scripted)
    driver.vm, driver.log, driver.answers, driver.put_back, driver.others_locked, driver.targets = vm, [], {}, [], [], {}
    assert vm.set_movable_ops(driver, "zsmalloc", "scripted") == 0 and vm.set_movable_ops(driver, "zsmalloc") == -EBUSY
    page = vm.alloc_page()
    assert page is not None
    SetPageZsmalloc(page)
    assert not page_has_movable_ops(page)
    page.private = 1
    SetPageMovableOps(page)
    assert page_has_movable_ops(page) and page.mapping == 0 and not PageMovableOpsIsolated(page)
    taken = isolated([page])
    assert PageMovableOpsIsolated(page)
    with pytest.raises(VMBug, match="D7"):
        SetPageOffline(page)
    putback_movable_pages(taken)
    release(page)
    assert page._refcount == 0 and page._mapcount == -1 and not page_has_movable_ops(page)
    validate_vm(vm)
