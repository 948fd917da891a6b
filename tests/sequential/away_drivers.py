"""Correct drivers of pages that are away: put back late, on another list, dropped or refused meanwhile; and broken twins."""

from __future__ import annotations

from errno import EAGAIN

import movable
from docs.drivers.ring import Ring, RingWorkload
from movable import VM, AddressSpace, ListHead, Page, PageIsolated, list_add_tail, list_del
from movable.mm.workqueue import Work
from tests.drivers_for_tests.just_drivers import DeviceRing, DeviceWorkload


class OtherList(Ring):
    """What came back stands on a list of its own, from which it is taken like any other."""

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.returned = ListHead("returned")

    @movable.hookimpl
    def putback_page(self, page: Page) -> None:
        with self.lock:
            list_add_tail(page.lru, self.returned)


class OtherListWorkload(RingWorkload):
    factory = OtherList


class TwoKinds(Ring):
    """Odd slots stand on a list of their own, and come back to it. ``mixes``: pages of both kinds come back to the other list."""

    mixes = False

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.odd = ListHead("odd pages")

    def list_of(self, page: Page) -> ListHead:
        return self.odd if page.private % 2 else self.idle

    def _fill(self, slot: int) -> bool:
        filled = super()._fill(slot)
        page = self.slots[slot]
        if page is not None and slot % 2:
            with self.lock:
                list_del(page.lru)
                list_add_tail(page.lru, self.odd)
        return filled

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        answer = super().migratepage(mapping, newpage, page, mode)
        if answer == 0 and newpage.private % 2:
            with self.lock:
                list_del(newpage.lru)
                list_add_tail(newpage.lru, self.odd)
        return answer

    @movable.hookimpl
    def putback_page(self, page: Page) -> None:
        with self.lock:
            list_add_tail(page.lru, self.idle if self.mixes else self.list_of(page))


class TwoKindsWorkload(RingWorkload):
    factory = TwoKinds


class Mixes(TwoKinds):
    mixes = True


class Late(Ring):
    """A worker puts back what came back; until then a page is on no list, and is not let go again."""

    loses = False

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.coming: set[int] = set()
        self.worker = vm.workqueue("late")

    @movable.hookimpl
    def isolate_page(self, page: Page, mode: int) -> bool:
        with self.lock:
            if page.private in self.coming:
                return False
        return super().isolate_page(page, mode)

    @movable.hookimpl
    def putback_page(self, page: Page) -> None:
        slot = page.private
        with self.lock:
            self.coming.add(slot)
        if not self.loses:
            self.worker.queue_work(Work(lambda: self.came(slot), "came"))

    def came(self, slot: int) -> None:
        with self.lock:
            page = self.slots[slot]
            if page is not None and slot in self.coming:
                self.coming.remove(slot)
                list_add_tail(page.lru, self.idle)

    def _forget(self, slot: int, page: Page) -> bool:
        with self.lock:
            if self.slots[slot] is page and slot in self.coming:
                self.coming.remove(slot)
                list_add_tail(page.lru, self.idle)
        return super()._forget(slot, page)

    def remove(self) -> None:
        super().remove()
        self.worker.destroy()


class LateWorkload(RingWorkload):
    factory = Late


class Loses(Late):
    loses = True


class Away(Ring):
    """Counts the pages that are away. One that is dropped meanwhile does not come back."""

    forgets = False
    nr_away = 0

    @movable.hookimpl
    def isolate_page(self, page: Page, mode: int) -> bool:
        self.count(1)
        return super().isolate_page(page, mode)

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        answer = super().migratepage(mapping, newpage, page, mode)
        if answer == 0:
            self.count(-1)
        return answer

    @movable.hookimpl
    def putback_page(self, page: Page) -> None:
        super().putback_page(page)
        self.count(-1)

    def count(self, change: int) -> None:
        with self.lock:
            self.nr_away += change

    def _forget(self, slot: int, page: Page) -> bool:
        away = PageIsolated(page)
        ours = super()._forget(slot, page)
        if ours and away and not self.forgets:
            self.count(-1)
        return ours


class AwayWorkload(RingWorkload):
    factory = Away


class ForgetsTheDropped(Away):
    forgets = True


class Refused(DeviceRing):
    """A device that refuses now and then; the driver asks it before a page moves. ``early``: takes the old page from it first."""

    early = False
    refusals = 0

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        with self.lock:
            refused, self.refusals = self.refusals > 0, max(0, self.refusals - 1)
            if refused and self.early:
                self.device.discard(page.pfn)
            if refused:
                return -EAGAIN
            self.device.add(page.pfn)  # where it was taken away before
        return super().migratepage(mapping, newpage, page, mode)


class RefusedWorkload(DeviceWorkload):
    factory = Refused
    driver: Refused
    hostile = ("refuse",)

    def refuse(self) -> None:
        self.driver.refusals = 1


class TakesItFirst(Refused):
    early = True
