"""A balloon, correct: pages that a guest gives to its host, without content. ``compaction`` False is a kernel without it.

Lock order: the device's mutex, page lock, the spin lock of the page list. Pages are allocated before the mutex is taken, because
an allocation can end in this driver's own callbacks. A callback only tries the mutex.
"""

from __future__ import annotations

from collections.abc import Iterator
from errno import EAGAIN, EINVAL

from hypothesis import strategies as st

from movable import (
    GFP_HIGHUSER,
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC_NO_COPY,
    VM,
    AddressSpace,
    ClearPageMovable,
    DeadlockError,
    ListHead,
    Page,
    PageIsolated,
    SetPageMovable,
    adjust_managed_page_count,
    count_vm_event,
    get_page,
    list_add,
    list_del,
    list_first,
    lock_page,
    put_page,
    spin_on_page_locked,
    trylock_page,
    unlock_page,
)
from movable.contract import Workload, operation

ON_OOM = 4
ROUNDS = 500


class Balloon:
    """Pages on a list, and a count of those that are isolated."""

    def __init__(self, vm: VM, compaction: bool = True) -> None:
        self.vm = vm
        self.compaction = compaction
        self.mutex = vm.mutex("balloon")
        self.lock = vm.spinlock("balloon pages")
        self.pages = ListHead("balloon pages")
        self.returned = vm.wait_queue("balloon returned")
        self.size = self.isolated = 0
        self.closing = False
        self.mapping = vm.address_space(self, "balloon")
        vm.oom_notifiers.append(self.oom)

    # the device

    def inflate(self, count: int) -> None:
        """Give up to ``count`` pages to the host."""
        fresh = ListHead("inflating")
        for _ in range(count):
            page = self.alloc()
            if page is None:
                break
            list_add(page.lru, fresh)
        with self.mutex:
            for page in fresh:
                list_del(page.lru)
                self.enqueue(page)

    def alloc(self) -> Page | None:
        """A page for the balloon."""
        return self.vm.alloc_page(GFP_HIGHUSER_MOVABLE if self.compaction else GFP_HIGHUSER)

    def enqueue(self, page: Page) -> None:
        """A page that is on no list goes into the balloon."""
        lock_page(page)  # nobody else knows the page: this never waits
        with self.lock:
            self.insert(page)
        unlock_page(page)
        self.size += 1
        adjust_managed_page_count(page, -1)
        count_vm_event(self.vm, "balloon_inflate")

    def insert(self, page: Page) -> None:
        """On the list; the mark comes last."""
        list_add(page.lru, self.pages)
        if self.compaction:
            page.private = self
            SetPageMovable(page, self.mapping)

    def deflate(self, count: int) -> int:
        """Take up to ``count`` pages back; returns how many."""
        with self.mutex:
            taken = [page for _ in range(count) if (page := self.dequeue()) is not None]
        for page in taken:
            adjust_managed_page_count(page, 1)
            put_page(page)
        return len(taken)

    def dequeue(self) -> Page | None:
        """A page that nobody has locked or isolated."""
        with self.lock:
            for page in self.pages:
                if not trylock_page(page):
                    continue
                if not PageIsolated(page):
                    self.delete(page)
                    list_del(page.lru)
                    unlock_page(page)
                    self.size -= 1
                    return page
                unlock_page(page)
        return None

    def delete(self, page: Page) -> None:
        """A plain page again."""
        page.private = 0
        if self.compaction:
            ClearPageMovable(page)

    def oom(self) -> int:
        """The machine has no memory: give some back. Returns how many pages."""
        return self.deflate(ON_OOM)

    def remove(self) -> None:
        """Wait for the pages that are isolated, give everything back and go."""
        self.vm.oom_notifiers.remove(self.oom)
        with self.lock:
            self.closing = True
        self.returned.wait_event(self.is_idle)
        for _ in range(ROUNDS):
            if not self.wait_for_a_page():
                return self.vm.free_address_space(self.mapping)
            self.deflate(ON_OOM)
        raise DeadlockError(f"{self.size} pages of the balloon do not come back")

    def is_idle(self) -> bool:
        """Whether nothing is isolated."""
        with self.lock:
            return self.isolated == 0

    def wait_for_a_page(self) -> bool:
        """Until the first page is unlocked; False when there is none."""
        with self.lock:
            page = list_first(self.pages)
            if page is None:
                return False
            get_page(page)
        spin_on_page_locked(page)
        put_page(page)
        return True

    # what the core asks

    def isolate_page(self, page: Page, mode: int) -> bool:
        """Off the list, unless the balloon is going."""
        with self.lock:
            if self.closing:
                return False
            list_del(page.lru)
            self.isolated += 1
        return True

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """The new page goes in, the old one comes out."""
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        if not self.mutex.trylock():
            return -EAGAIN
        self.replace(newpage, page)
        self.mutex.unlock()
        put_page(page)
        return 0

    def replace(self, newpage: Page, page: Page) -> None:
        """Under the mutex, with both pages locked."""
        get_page(newpage)
        with self.lock:
            self.insert(newpage)
            self.delete(page)
            self.come_back()
        self.account(newpage, page)
        self.count_migration()

    def account(self, newpage: Page, page: Page) -> None:
        """What the zones manage."""
        adjust_managed_page_count(page, 1)
        adjust_managed_page_count(newpage, -1)

    def count_migration(self) -> None:
        """One event."""
        count_vm_event(self.vm, "balloon_migrate")

    def putback_page(self, page: Page) -> None:
        """Back on the list."""
        with self.lock:
            list_add(page.lru, self.pages)
            self.come_back()

    def come_back(self) -> None:
        """One page less is isolated."""
        self.isolated -= 1
        self.returned.wake_up()


class BalloonWorkload(Workload):
    """Inflates and deflates; what the balloon holds and what the zones manage must add up."""

    factory = Balloon
    driver: Balloon
    preserves_content = False
    event_counters = {"balloon_migrate": "movable_migrated"}

    @operation(count=st.integers(1, 12))
    def inflate(self, count: int) -> None:
        self.driver.inflate(count)

    @operation(count=st.integers(1, 12))
    def deflate(self, count: int) -> None:
        self.driver.deflate(count)

    def invariant(self) -> None:
        held = len(self.driver.pages) + self.driver.isolated
        assert held == self.driver.size, f"the balloon counts {self.driver.size} pages and holds {held}"

    def ledger(self) -> Iterator[tuple[str, str, int, int]]:
        yield from super().ledger()
        held = {*self.driver.pages, *self.pages()}
        for zone in self.vm.zones:
            mine = sum(1 for page in held if page.zone is zone)
            yield "D40", f"managed pages of zone {zone.name}", zone.managed_pages, zone.present_pages - mine


class BalloonInEveryBuild(BalloonWorkload):
    """The same in kernels with and without compaction."""

    variants = ({"compaction": True}, {"compaction": False})
