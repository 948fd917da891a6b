"""Which pages are in the balloon: the device's own books, and those that the balloon core keeps in kernels from 6.18 on.

Lock order: page lock, then ``lock``; inside ``lock`` a page lock is only tried. Pages in the balloon = ``pages`` + ``isolated``.
A page that is isolated is on no list of ours. Where marks stay, ``page.private`` alone says whether a page is ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from movable import (
    VM,
    AddressSpace,
    ClearPageBalloon,
    ClearPageMovable,
    ListHead,
    Page,
    PageIsolated,
    SetPageBalloon,
    SetPageMovable,
    SetPageMovableOps,
    SetPageOffline,
    UsageError,
    WaitQueue,
    adjust_managed_page_count,
    balloon,
    count_vm_event,
    get_page,
    list_add,
    list_add_tail,
    list_del,
    list_first,
    put_page,
    spin_on_page_locked,
    trylock_page,
    unlock_page,
)


class OwnBooks:
    """The list of the pages that may be deflated, and the number of those in the hands of who migrates.

    ``mapping`` is what pages are marked with, None where operations belong to a page type and marks stay.
    """

    def __init__(self, vm: VM, driver: object, changed: WaitQueue) -> None:
        self.vm = vm
        self.pages = ListHead("vmballoon pages")
        self.lock = vm.spinlock("vmballoon pages_lock")
        self.isolated = 0
        self.changed = changed
        self.mapping: AddressSpace | None = None
        if not vm.era.sticky_mark:
            self.mapping = vm.address_space(driver, "vmballoon")
        elif vm.set_movable_ops(driver, "offline", "vmballoon"):
            raise UsageError("vmballoon finds the operations of its page type taken (-EBUSY)")

    def held(self) -> int:
        """How many pages are in the balloon (walks the list; for tests and reports)."""
        return len(self.pages) + self.isolated

    def enqueue(self, pages: Sequence[Page]) -> None:
        """Put pages into the balloon that only the caller knows."""
        for page in pages:
            while not trylock_page(page):
                spin_on_page_locked(page)  # where marks stay, one that was not given back may be looked at by a scanner
            with self.lock:
                self._insert(page)
            adjust_managed_page_count(page, -1)
            count_vm_event(self.vm, "balloon_inflate")
            unlock_page(page)

    def dequeue(self, count: int) -> list[Page]:
        """Take up to ``count`` pages out of the balloon; those that somebody has locked stay."""
        taken: list[Page] = []
        with self.lock:
            for page in self.pages:
                if len(taken) == count:
                    break
                if not trylock_page(page):
                    continue
                if not PageIsolated(page):
                    list_del(page.lru)
                    self._leave(page)
                    self._deflated(page)
                    taken.append(page)
                unlock_page(page)
        return taken

    def _insert(self, page: Page) -> None:
        page.private = self
        list_add(page.lru, self.pages)
        if self.mapping is None:
            SetPageOffline(page)  # both stay with a page that the hypervisor did not give back
            SetPageMovableOps(page)
        else:
            SetPageBalloon(page)
            SetPageMovable(page, self.mapping)

    def _leave(self, page: Page) -> None:
        """The page, locked and on no list, is the balloon's no more."""
        if self.mapping is not None:
            ClearPageBalloon(page)
            ClearPageMovable(page)
        page.private = 0

    def _deflated(self, page: Page) -> None:
        adjust_managed_page_count(page, 1)
        count_vm_event(self.vm, "balloon_deflate")

    def isolate(self, page: Page) -> bool:
        """Let the core have a page, unless it has left the balloon and only kept its mark."""
        if page.private is not self:
            return False
        with self.lock:
            list_del(page.lru)
            self.isolated += 1
        return True

    def putback(self, page: Page) -> None:
        """Take a page back; one that left while it was isolated is nobody's."""
        if page.private is not self:
            return
        with self.lock:
            list_add(page.lru, self.pages)
            self.isolated -= 1
        self.changed.wake_up()

    def replace(self, newpage: Page, page: Page) -> None:
        """``newpage`` is in the balloon for ``page``, which is dropped; both are locked."""
        get_page(newpage)
        with self.lock:
            self._insert(newpage)
        count_vm_event(self.vm, "balloon_migrate")
        if page.zone is not newpage.zone:
            adjust_managed_page_count(page, 1)
            adjust_managed_page_count(newpage, -1)
        self._drop(page)

    def drop(self, page: Page) -> None:
        """A page leaves while it is isolated, and no other comes; it is locked."""
        self._deflated(page)
        self._drop(page)

    def _drop(self, page: Page) -> None:
        with self.lock:
            self.isolated -= 1
            self._leave(page)
        put_page(page)
        self.changed.wake_up()

    def wait(self) -> None:
        """Sleep until a page may be dequeued: one that somebody has locked, else one that comes back from isolation."""
        with self.lock:
            page = list_first(self.pages)
            if page is not None:
                get_page(page)
        if page is None:
            self.changed.wait_event(self._has_pages)
            return
        spin_on_page_locked(page)
        put_page(page)

    def _has_pages(self) -> bool:
        with self.lock:
            return list_first(self.pages) is not None or not self.isolated

    def close(self) -> None:
        """The last page has left."""
        if self.mapping is not None:
            self.vm.free_address_space(self.mapping)


class CoreBooks:
    """The same where the balloon core keeps lists, marks, references and counters, and asks ``hook`` about moves."""

    def __init__(self, vm: VM, driver: object, changed: WaitQueue, hook: balloon.BalloonHook) -> None:
        self.changed = changed
        self.device = balloon.BalloonDevInfo(vm, hook, True, changed.wake_up, owner=driver)

    @property
    def isolated(self) -> int:
        """How many pages are in the hands of who migrates."""
        return self.device.isolated_pages

    def held(self) -> int:
        """How many pages are in the balloon (walks the list; for tests and reports)."""
        return self.device.ballooned()

    def enqueue(self, pages: Sequence[Page]) -> None:
        """Put pages into the balloon that only the caller knows."""
        batch = ListHead("vmballoon batch")
        for page in pages:
            list_add_tail(page.lru, batch)
        balloon.balloon_page_list_enqueue(self.device, batch)

    def dequeue(self, count: int) -> list[Page]:
        """Take up to ``count`` pages out of the balloon."""
        batch = ListHead("vmballoon batch")
        balloon.balloon_page_list_dequeue(self.device, batch, count)
        taken = list(batch)
        for page in taken:
            list_del(page.lru)
        return taken

    def wait(self) -> None:
        """Sleep until a page comes back from isolation."""
        self.changed.wait_event(self._has_pages)

    def _has_pages(self) -> bool:
        return self.device.has_pages() or not self.device.isolated_pages

    def close(self) -> None:
        """The last page has left; the core stays."""
