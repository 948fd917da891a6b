"""Free page reporting: telling a host which large free blocks hold nothing (mm/page_reporting.c of 5.10).

PG_reported marks a free block that the host knows about. It lies in the free list here, because free blocks have no
Page: a list that watches itself takes the place of each list of large blocks while a device is registered, forgets
the mark of what leaves it, and asks for a pass when something arrives. Without a device the allocator is untouched.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from errno import EIO
from typing import TYPE_CHECKING

from movable.errors import UsageError
from movable.mm.buddy import free_one_page, take_free_block
from movable.mm.gfp import MAX_ORDER, MIGRATE_ISOLATE, MIGRATE_TYPES
from movable.mm.mmzone import ALLOC_CMA, WMARK_LOW, FreeList, Zone
from movable.mm.page_alloc_watermarks import zone_watermark_ok
from movable.mm.workqueue import Work

if TYPE_CHECKING:
    from movable.mm.vm import VM

PAGE_REPORTING_CAPACITY = 32
"""How many blocks one report holds at most."""

Block = tuple[int, int]
Report = Callable[[Sequence[Block]], int]


class ReportingFreeList(OrderedDict[int, None]):
    """A free list that knows which of its blocks were reported."""

    def __init__(self, blocks: OrderedDict[int, None], request: Callable[[], None]) -> None:
        self.reported: set[int] = set()
        self.request: Callable[[], None] = lambda: None
        super().__init__(blocks)
        self.request = request

    def __setitem__(self, pfn: int, value: None) -> None:
        super().__setitem__(pfn, value)
        self.request()

    def __delitem__(self, pfn: int) -> None:
        super().__delitem__(pfn)
        self.reported.discard(pfn)

    def popitem(self, last: bool = True) -> tuple[int, None]:
        """Take the block at one end."""
        item = super().popitem(last)
        self.reported.discard(item[0])
        return item


class PageReporting:
    """One registered device (struct page_reporting_dev_info); use ``page_reporting_register``.

    ``report`` is called with blocks, pairs of first frame and number of frames, that are off the free lists
    meanwhile; it returns 0, or a negative errno to say that the host did not take them. ``reported`` counts the
    blocks that it took. ``state`` is "idle", "requested" or "active".
    """

    def __init__(self, vm: VM, report: Report) -> None:
        self.vm = vm
        self.report = report
        self.state = "idle"
        self.reported = 0
        self.workqueue = vm.workqueue("page_reporting")
        self.work = Work(self.process, "page_reporting_process")
        self._returning = False
        for zone in vm.zones:
            _replace_lists(zone, lambda blocks: ReportingFreeList(blocks, self.request))
        self.request()

    def request(self) -> None:
        """A large block became free: look at the lists soon (page_reporting_notify_free)."""
        if self.state == "requested" or self._returning:
            return
        if self.state == "idle":
            self.workqueue.queue_delayed_work(self.work)
        self.state = "requested"

    def process(self) -> None:
        """One pass over every zone; another follows if blocks arrived meanwhile or did not fit (page_reporting_process)."""
        self.state = "active"
        for zone in self.vm.zones:
            if self._zone(zone):
                break
        if self.state == "requested":
            self.workqueue.queue_delayed_work(self.work)
        else:
            self.state = "idle"

    def _zone(self, zone: Zone) -> int:
        """Nothing is taken from a zone in which a full report would leave too little."""
        least = zone.watermark[WMARK_LOW] + (PAGE_REPORTING_CAPACITY << zone.pageblock_order)
        if not zone_watermark_ok(zone, 0, least, 0, ALLOC_CMA):
            return 0
        batch: list[Block] = []
        for order in range(zone.pageblock_order, MAX_ORDER):
            for migratetype in range(MIGRATE_TYPES):
                if migratetype != MIGRATE_ISOLATE:
                    err = self._cycle(zone, order, migratetype, batch)
                    if err:
                        return err
        return self._flush(zone, batch)

    def _cycle(self, zone: Zone, order: int, migratetype: int, batch: list[Block]) -> int:
        """Collect the unreported blocks of one list, and report whenever the batch is full.

        A list gets one full report for every 512 of its blocks, and one more; the rest waits for the next pass.
        """
        area = zone.free_area[order]
        budget = -(-area.nr_free // (PAGE_REPORTING_CAPACITY * 16))
        self._lock_zone()
        while (pfn := self._next(zone, order, migratetype)) >= 0:
            if budget < 0:
                self.state = "requested"
                break
            if len(batch) == PAGE_REPORTING_CAPACITY:
                budget -= 1
                err = self._flush(zone, batch)
                if err:
                    return err
                self._lock_zone()
                continue
            if take_free_block(zone, pfn) < 0:
                break
            batch.append((pfn, 1 << order))
        return 0

    @staticmethod
    def _next(zone: Zone, order: int, migratetype: int) -> int:
        """The first block of a list that was not reported, -1 when there is none."""
        blocks = zone.free_lists[order << 3 | migratetype]
        reported = blocks.reported if isinstance(blocks, ReportingFreeList) else set()
        if len(reported) == len(blocks):
            return -1
        return next(pfn for pfn in reversed(blocks) if pfn not in reported)

    def _flush(self, zone: Zone, batch: list[Block]) -> int:
        """Report a batch, then give its blocks back, marked unless they merged (page_reporting_drain)."""
        if not batch:
            return 0
        err = -EIO
        try:
            err = self.report(tuple(batch))
        finally:
            self._lock_zone()
            self._returning = True
            for pfn, size in batch:
                self._put_back(zone, pfn, size.bit_length() - 1, not err)
            self._returning = False
        if not err:
            self.reported += len(batch)
        batch.clear()
        return err

    @staticmethod
    def _put_back(zone: Zone, pfn: int, order: int, took: bool) -> None:
        free_one_page(zone, pfn, order)
        code = zone.buddy.get(pfn, -1)
        blocks = zone.free_lists[code] if code >> 3 == order else None
        if took and isinstance(blocks, ReportingFreeList):
            blocks.reported.add(pfn)

    def _lock_zone(self) -> None:
        if self.vm.seam is not None:
            self.vm.seam.point("aw", ("buddy",))


def _replace_lists(zone: Zone, make: Callable[[FreeList], FreeList]) -> None:
    """Put a copy of another kind in the place of every list of blocks of a pageblock or more."""
    for order in range(zone.pageblock_order, MAX_ORDER):
        for migratetype in range(MIGRATE_TYPES):
            code = order << 3 | migratetype
            zone.free_lists[code] = zone.free_area[order].free_list[migratetype] = make(zone.free_lists[code])


def page_reporting_register(vm: VM, report: Report) -> PageReporting:
    """Have ``report`` called with the large free blocks of a machine, when queued work runs (page_reporting_register).

    Raises UsageError while another device is registered.
    """
    zone = vm.zones[0]
    if isinstance(zone.free_lists[zone.pageblock_order << 3], ReportingFreeList):
        raise UsageError("this machine reports its free pages already; unregister the other device first")
    return PageReporting(vm, report)


def page_reporting_unregister(device: PageReporting) -> None:
    """End the reports; a pass under way ends first (page_reporting_unregister)."""
    device.workqueue.cancel_work_sync(device.work)
    for zone in device.vm.zones:
        _replace_lists(zone, OrderedDict)
    device.workqueue.destroy()
