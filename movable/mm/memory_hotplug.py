"""Memory that goes and comes back: offlining empties a range and takes it from the allocator (mm/memory_hotplug.c).

The kernel tries for ever, until a signal; here the number of passes that get nowhere is limited. An offline pageblock belongs to
nobody: it is not free, not allocated, and does not count as present. Its type is MOVABLE when it comes back.
"""

from __future__ import annotations

from errno import EBUSY, EINTR, EINVAL
from typing import TYPE_CHECKING

from movable.mm.buddy import del_from_free_list, free_one_page
from movable.mm.gfp import MIGRATE_MOVABLE
from movable.mm.list import ListHead, list_add_tail
from movable.mm.memory_failure import keep_poisoned_pages_out
from movable.mm.migrate import (
    ISOLATE_UNEVICTABLE,
    MIGRATE_SYNC,
    MR_MEMORY_HOTPLUG,
    isolate_movable_page,
    migrate_pages,
    putback_movable_pages,
)
from movable.mm.obstacles import note_failure
from movable.mm.page import get_page_unless_zero, page_count, put_page
from movable.mm.page_alloc_watermarks import setup_per_zone_wmarks
from movable.mm.page_flags import LRU, PageMovableHint, PG_hwpoison
from movable.mm.page_isolation import (
    is_offline,
    new_node_page,
    start_isolate_page_range,
    undo_isolate_page_range,
    zone_lock_point,
)
from movable.mm.vmscan_isolate import count_isolated, isolate_lru_page

if TYPE_CHECKING:
    from movable.mm.mmzone import Zone
    from movable.mm.vm import VM

MAX_PASSES = 100
OFFLINE = "memory offlining"


def offline_pages(vm: VM, start_pfn: int, nr_pages: int, max_passes: int = MAX_PASSES) -> int:
    """Empty ``nr_pages`` frames from ``start_pfn`` and take them offline, in whole pageblocks of one zone.

    Movable pages move to another node, or to another place where there is only one. ``max_passes`` is how many passes may move
    nothing, all told, before it counts as if the operator had pressed Ctrl-C; a driver that always answers -EAGAIN gets there.
    Returns 0; -EINVAL for a range that is not online, not in one zone or not whole pageblocks; -EBUSY when it holds something
    unmovable or is isolated already; -EINTR at the limit. Raises UsageError for a frame outside the machine. mirrors
    mm/memory_hotplug.c, offline_pages.
    """
    zone = _whole_blocks(vm, start_pfn, nr_pages, offline=False)
    if zone is None:
        return -EINVAL
    end_pfn = start_pfn + nr_pages
    if vm.userspace is not None:
        vm.userspace.lru_add_drain_all()
    saved = start_isolate_page_range(zone, start_pfn, end_pfn, MIGRATE_MOVABLE)
    if saved is None:
        return note_failure(vm, OFFLINE, start_pfn, end_pfn, -EBUSY)
    fruitless = 0
    while fruitless < max_passes:
        pfn = scan_movable_pages(vm, start_pfn, end_pfn)
        if pfn < 0 and _take_offline(zone, start_pfn, end_pfn):
            return 0
        if pfn < 0 or not do_migrate_range(vm, pfn, end_pfn):
            fruitless += 1
    undo_isolate_page_range(zone, dict.fromkeys(saved, MIGRATE_MOVABLE))
    return note_failure(vm, OFFLINE, start_pfn, end_pfn, -EINTR)


def _whole_blocks(vm: VM, start_pfn: int, nr_pages: int, *, offline: bool) -> Zone | None:
    """The zone of a range of whole pageblocks that are all offline, or all online; None when it is no such range."""
    zone = vm.zone_of(start_pfn)
    size = 1 << zone.pageblock_order
    if nr_pages <= 0 or start_pfn % size or nr_pages % size or start_pfn + nr_pages > zone.end_pfn:
        return None
    blocks = range(start_pfn, start_pfn + nr_pages, size)
    return zone if all(is_offline(zone, pfn) is offline for pfn in blocks) else None


def scan_movable_pages(vm: VM, start_pfn: int, end_pfn: int) -> int:
    """The first page in the range that looks movable or is on an LRU list, -1 when there is none."""
    pages, free = vm.pages, vm.zone_of(start_pfn).buddy
    pfn = start_pfn
    while pfn < end_pfn:
        code = free.get(pfn)
        if code is not None:
            pfn += 1 << (code >> 3)
            continue
        page = pages.get(pfn)
        if page is not None and page._refcount and (PageMovableHint(page) or page._flags & LRU):
            return pfn
        pfn += 1
    return -1


def do_migrate_range(vm: VM, start_pfn: int, end_pfn: int) -> int:
    """One pass: isolate up to 256 pages and migrate them; returns how many are gone for good. Later kernels take the whole range.

    A page that somebody uses and that will not be isolated ends the pass in 4.19, and everything is put back; later kernels go on.
    """
    source = ListHead(f"pages to move by {vm.current.name}")
    left = at_once = vm.era.offline_pages_at_once or end_pfn - start_pfn
    for pfn in range(start_pfn, end_pfn):
        page = vm.pages.get(pfn)
        if page is None or not get_page_unless_zero(page):
            continue
        if page._flags & LRU:
            isolated = not isolate_lru_page(page)
            count_isolated(page, int(isolated))
        else:
            isolated = not isolate_movable_page(page, ISOLATE_UNEVICTABLE)
        if isolated:
            list_add_tail(page._lru, source)
            left -= 1
        put_page(page)
        if not isolated and vm.era.offline_stops_at_refusal and page_count(page):
            putback_movable_pages(source)
            return 0
        if not left:
            break
    failed = migrate_pages(source, new_node_page, None, None, MIGRATE_SYNC, MR_MEMORY_HOTPLUG)
    putback_movable_pages(source)
    return at_once - left - failed if failed >= 0 else 0


def _take_offline(zone: Zone, start_pfn: int, end_pfn: int) -> bool:
    """Take the range from the allocator if nothing is left in it but free frames and poisoned ones."""
    vm = zone.vm
    zone_lock_point(vm)
    blocks = []
    pfn = start_pfn
    while pfn < end_pfn:
        order = zone.buddy_order(pfn)
        if order >= 0:
            blocks.append(pfn)
            pfn += 1 << order
        elif pfn in vm.pages and vm.pages[pfn]._flags >> PG_hwpoison & 1:
            pfn += 1
        else:
            return False
    for pfn in blocks:
        del_from_free_list(zone, pfn)
    for pfn in range(start_pfn, end_pfn, 1 << zone.pageblock_order):
        zone.set_pageblock_migratetype(pfn, MIGRATE_MOVABLE)
        zone.offline.add((pfn >> zone.pageblock_order) - zone.base)
    vm.bad_pages[:] = [(pfn, why) for pfn, why in vm.bad_pages if not start_pfn <= pfn < end_pfn]
    _count_present(zone, start_pfn - end_pfn)
    return True


def _count_present(zone: Zone, nr_pages: int) -> None:
    zone.present_pages += nr_pages
    zone.managed_pages += nr_pages
    setup_per_zone_wmarks(zone.vm)
    if zone.vm.userspace is not None:
        zone.vm.userspace.node_states_change()


def online_pages(vm: VM, start_pfn: int, nr_pages: int) -> int:
    """Bring offline pageblocks back: their frames are free and movable. Returns 0, or -EINVAL for a range that is not offline.

    Raises UsageError for a frame outside the machine. Mirrors mm/memory_hotplug.c, online_pages.
    """
    zone = _whole_blocks(vm, start_pfn, nr_pages, offline=True)
    if zone is None:
        return -EINVAL
    zone_lock_point(vm)
    for pfn in range(start_pfn, start_pfn + nr_pages, 1 << zone.pageblock_order):
        zone.offline.discard((pfn >> zone.pageblock_order) - zone.base)
        free_one_page(zone, pfn, zone.pageblock_order, MIGRATE_MOVABLE)
    keep_poisoned_pages_out(vm, start_pfn, start_pfn + nr_pages)
    _count_present(zone, nr_pages)
    return 0


__all__ = ["MAX_PASSES", "do_migrate_range", "offline_pages", "online_pages", "scan_movable_pages"]
