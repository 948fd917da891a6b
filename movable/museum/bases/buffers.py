"""A little page cache, correct: pages by number, each with a budget in ``private`` and PG_private to say so.

The page lock covers the content, the cache's spin lock the table. Lock order: page lock, then the spin lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from errno import EAGAIN, EINVAL

from hypothesis import strategies as st

from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC_NO_COPY,
    VM,
    AddressSpace,
    ClearPageMovable,
    DeadlockError,
    Page,
    PG_owner_priv_1,
    PG_private,
    SetPageMovable,
    clear_page_flag,
    copy_highpage,
    get_page,
    lock_page,
    page_count,
    put_page,
    set_page_flag,
    test_page_flag,
    unlock_page,
)
from movable.contract import Workload, handle, operation

BUDGET = 1
PAGES = 8
TRIES = 100
DIRTY = PG_owner_priv_1


class Buffers:
    """At most eight pages of a file."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.lock = vm.spinlock("buffers")
        self.pages: dict[int, Page] = {}
        self.spent = 0
        self.mapping = vm.address_space(self, "buffers")

    def write(self, index: int, data: bytes) -> bool:
        """Store at the start of a page; False when there is no memory for it."""
        for _ in range(TRIES):
            page = self.locked(index)
            if page is not None:
                page.data[: len(data)] = data
                self.changed(page)
                self.unlock(page)
                return True
            if not self.add(index):
                return False
        return False

    def changed(self, page: Page) -> None:
        """The page, which is locked, was written."""

    def read(self, index: int, length: int) -> bytes | None:
        """The first bytes of a page."""
        page = self.locked(index)
        if page is None:
            return None
        found = bytes(page.data[:length])
        self.unlock(page)
        return found

    def locked(self, index: int) -> Page | None:
        """A page of the file, held and locked, wherever it has moved meanwhile; None where the file has none."""
        for _ in range(TRIES):
            with self.lock:
                page = self.pages.get(index)
                if page is None:
                    return None
                get_page(page)
            lock_page(page)
            with self.lock:
                ours = self.pages.get(index) is page
            if ours:
                return page
            self.unlock(page)
        raise DeadlockError(f"page {index} of the file moves all the time")

    def unlock(self, page: Page) -> None:
        """The end of ``locked``."""
        unlock_page(page)
        put_page(page)

    def add(self, index: int) -> bool:
        """A page with its budget, unless there is one by now."""
        page = self.vm.alloc_page(GFP_HIGHUSER_MOVABLE)
        if page is None:
            return False
        lock_page(page)
        with self.lock:
            wanted = index not in self.pages
            if wanted:
                page.index = index
                page.private = BUDGET
                set_page_flag(page, PG_private)
                self.spent += BUDGET
                self.pages[index] = page
                SetPageMovable(page, self.mapping)
        unlock_page(page)
        if not wanted:
            put_page(page)
        return True

    def drop(self, index: int) -> None:
        """Forget a page, and give its budget back."""
        page = self.locked(index)
        if page is None:
            return
        with self.lock:
            del self.pages[index]
            if test_page_flag(page, PG_private):
                self.spent -= page.private
            ClearPageMovable(page)
        clear_page_flag(page, PG_private)
        page.private = 0
        self.unlock(page)
        put_page(page)

    def remove(self) -> None:
        """Drop everything and go."""
        for index in range(PAGES):
            self.drop(index)
        self.vm.free_address_space(self.mapping)

    # what the core asks

    def isolate_page(self, page: Page, mode: int) -> bool:
        """The page is on no list."""
        return True

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """Nobody else may use the page: one reference is the cache's, one the isolation's."""
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        if page_count(page) != self.expected(page):
            return -EAGAIN
        self.copy(newpage, page)
        self.move_private(newpage, page)
        with self.lock:
            newpage.index = page.index
            self.pages[page.index] = newpage
            SetPageMovable(newpage, mapping)
            ClearPageMovable(page)
        get_page(newpage)
        put_page(page)
        return 0

    def expected(self, page: Page) -> int:
        """How many references a page has that nobody uses."""
        return 2

    def copy(self, newpage: Page, page: Page) -> None:
        """The content."""
        copy_highpage(newpage, page)

    def move_private(self, newpage: Page, page: Page) -> None:
        """The budget and the flag that says that there is one."""
        newpage.private = page.private
        page.private = 0
        set_page_flag(newpage, PG_private)
        clear_page_flag(page, PG_private)

    def putback_page(self, page: Page) -> None:
        """Nothing was taken."""


class BuffersWorkload(Workload):
    """Writes and drops pages; each must read back, and the budget must add up."""

    factory = Buffers
    driver: Buffers

    @operation(index=st.integers(0, PAGES - 1), data=st.binary(min_size=1, max_size=16))
    def write(self, index: int, data: bytes) -> None:
        if self.driver.write(index, data):
            self.model[index] = data

    @operation(index=handle())
    def drop(self, index: int) -> None:
        self.driver.drop(index)
        self.model.pop(index, None)

    def read(self, key: int) -> bytes | None:
        return self.driver.read(key, len(self.model[key]))

    def ledger(self) -> Iterator[tuple[str, str, int, int]]:
        yield from super().ledger()
        yield "D44", "the budget spent", self.driver.spent, len(self.driver.pages) * BUDGET
