"""The two scanners of compaction (mm/compaction.c): one walks up and isolates pages, the other walks down and isolates free frames.

Fields in use: ``page.lru`` links an isolated page to ``cc.migratepages`` and a free one to ``cc.freepages``. No lock is held
while a driver is asked. A peek at a page says little: isolation looks again, under the page lock. Free blocks are passed by their
order, so that the cost of a scan is that of the frames in use. A page is a driver's, or one of the LRU lists, or is passed by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.mm.buddy import pageblock_range, take_free_block
from movable.mm.compaction_control import COMPACT_CLUSTER_MAX, CompactControl
from movable.mm.compaction_fast import fast_find_migrateblock, fast_isolate_freepages
from movable.mm.gfp import GFP_MOVABLE, MIGRATE_CMA, MIGRATE_MOVABLE
from movable.mm.list import list_add, list_del, list_first
from movable.mm.migrate import MIGRATE_ASYNC, isolate_movable_page, putback_movable_pages
from movable.mm.page import put_page
from movable.mm.page_alloc import free_pages_prepare, prep_new_page
from movable.mm.page_flags import PageIsolated, PageMovableHint
from movable.mm.page_isolation import covering_free_block, zone_lock_point
from movable.mm.vmscan_isolate import isolate_lru_for_compaction

if TYPE_CHECKING:
    from movable.mm.mmzone import Node, Zone
    from movable.mm.page import Page

ISOLATE_ABORT, ISOLATE_NONE, ISOLATE_SUCCESS = range(3)
"""What a search for pages to migrate comes to (isolate_migrate_t)."""


# --- what both share ---


def isolation_suitable(cc: CompactControl, pfn: int) -> bool:
    """Whether the pageblock is worth a look: online, and without a skip bit unless those are ignored."""
    zone = cc.zone
    number = (pfn >> zone.pageblock_order) - zone.base
    return number not in zone.offline and (cc.ignore_skip_hint or not zone.skip[number])


def update_pageblock_skip(cc: CompactControl, pfn: int, migrate_scanner: bool) -> None:
    """Nothing was isolated from ``pfn`` to the end of its pageblock: leave it out next time, and start behind it."""
    if cc.no_set_skip_hint:
        return
    zone = cc.zone
    zone.set_pageblock_skip(pfn)
    if migrate_scanner:
        cached = zone.compact_cached_migrate_pfn
        cached[0] = max(cached[0], pfn)
        if cc.mode != MIGRATE_ASYNC:
            cached[1] = max(cached[1], pfn)
    else:
        zone.compact_cached_free_pfn = min(zone.compact_cached_free_pfn, pfn)


def block_end(pfn: int, order: int) -> int:
    """The end of the aligned block of ``order`` that holds ``pfn``."""
    return (pfn >> order) + 1 << order


def upper_half_of_free_block(zone: Zone, pfn: int) -> bool:
    """Whether a pageblock that begins at ``pfn`` is the upper half of a free block: each frame is looked at, and none is found.

    The kernel does that too, for no frame of that half says that it is free; here the look is saved, and counted all the same.
    """
    order = zone.pageblock_order + 1
    head = pfn & -(1 << order)
    return head + (1 << order - 1) == pfn and zone.buddy.get(head, 0) >> 3 >= order


# --- the migrate scanner ---


def suitable_migration_source(cc: CompactControl, pfn: int) -> bool:
    """Whether pages of this pageblock should go: all, except that a hurried allocation wants blocks of its own type."""
    if cc.mode != MIGRATE_ASYNC or not cc.direct_compaction:
        return True
    migratetype = cc.zone.pageblock_type(pfn)
    return migratetype == cc.migratetype or (cc.migratetype == MIGRATE_MOVABLE and migratetype == MIGRATE_CMA)


def too_many_isolated(node: Node) -> bool:
    """Whether more pages of the node are isolated than half of those on its lists."""
    vec = node.lruvec
    return vec is not None and sum(vec.nr_isolated) > sum(vec.size[:4]) // 2


def isolate_migratepages(cc: CompactControl, isolate_mode: int) -> int:
    """Isolate the next batch of pages below the free scanner; returns one of ISOLATE_*. Moves ``cc.migrate_pfn``.

    One pageblock is searched, the first that is worth it, whether it yields anything or not; one that is gone on with, or was found
    by the free lists, has its skip bit by then.
    """
    zone = cc.zone
    found = fast_find_migrateblock(cc) if cc.fast_sources else -1
    low = cc.migrate_pfn if found < 0 else found
    end = block_end(low, zone.pageblock_order)
    chosen = found >= 0 or (cc.fast_sources and low != zone.start_pfn and low + (1 << zone.pageblock_order) > end)
    while end <= cc.free_pfn:
        if (chosen or isolation_suitable(cc, low)) and suitable_migration_source(cc, low):
            low = isolate_migratepages_block(cc, low, end, isolate_mode)
            if cc.contended:
                return ISOLATE_ABORT
            break
        low, chosen = end, False
        end += 1 << zone.pageblock_order
    cc.migrate_pfn = low
    return ISOLATE_SUCCESS if cc.nr_migratepages else ISOLATE_NONE


# One function, because it is one in the kernel: who compares the two finds every turn of the loop in the same order.
def isolate_migratepages_block(cc: CompactControl, low_pfn: int, end_pfn: int, isolate_mode: int) -> int:  # noqa: C901, PLR0912
    """Isolate movable pages from ``low_pfn`` up to ``end_pfn``, within one pageblock, until the batch is full, or to the end of it
    where ``cc.rescan`` says so.

    Returns the first frame that was not looked at. Where an allocation waits and may not (direct and asynchronous), the unit is
    the aligned block of its order: one page that stays makes the whole block useless, so what was isolated in it is put back.
    """
    vm = cc.zone.vm
    free, pages = cc.zone.buddy, vm.pages
    if vm.userspace is not None and too_many_isolated(cc.zone.node):
        cc.contended = cc.mode == MIGRATE_ASYNC
        if cc.contended:
            return low_pfn
    skip_on_failure = cc.direct_compaction and cc.mode == MIGRATE_ASYNC
    chunk_end = block_end(low_pfn, cc.order) if skip_on_failure else end_pfn
    pfn = low_pfn
    scanned = isolated = 0
    if vm.seam is None and not skip_on_failure and upper_half_of_free_block(cc.zone, low_pfn):
        scanned, pfn = end_pfn - low_pfn, end_pfn
    while pfn < end_pfn:
        if pfn >= chunk_end:
            if isolated:
                break
            chunk_end = block_end(pfn, cc.order)
        scanned += 1
        if vm.seam is not None:
            vm.seam.point("ar", ("buddy",))  # PageBuddy, without the zone's lock
        if pfn in free:
            pfn += 1 << (free[pfn] >> 3)
            continue
        page = pages.get(pfn)
        if page is not None and _isolate(page, isolate_mode):
            list_add(page._lru, cc.migratepages)
            isolated += 1
            cc.nr_migratepages += 1
            pfn += 1
            if cc.nr_migratepages >= COMPACT_CLUSTER_MAX and not cc.rescan:
                break
            continue
        head = -1
        if skip_on_failure and (page is None or not page._refcount):
            head = covering_free_block(cc.zone, pfn)  # what the last batch left is free at once, and merged with its neighbours
        if head >= 0:
            pfn = head + (1 << (free[head] >> 3))
            continue
        pfn += 1 << page.order if page is not None and page._refcount else 1
        if skip_on_failure:
            _give_up_chunk(cc)
            isolated = 0
            pfn = max(pfn, chunk_end)
    cc.total_migrate_scanned += scanned
    vm.vmstat["compact_isolated"] += isolated
    if not isolated or (cc.rescan and pfn >= end_pfn):
        update_pageblock_skip(cc, low_pfn, True)
    return min(pfn, end_pfn)


def _isolate(page: Page, isolate_mode: int) -> bool:
    """Take one page if it looks movable, or is on an LRU list, and nobody has it already."""
    if PageMovableHint(page):
        return not PageIsolated(page) and not isolate_movable_page(page, isolate_mode)
    return page.vm.userspace is not None and isolate_lru_for_compaction(page, isolate_mode)


def _give_up_chunk(cc: CompactControl) -> None:
    """Put back what was isolated: its neighbour stays, so the block it was wanted for cannot become free."""
    putback_movable_pages(cc.migratepages)
    cc.nr_migratepages = 0


def isolate_migratepages_range(cc: CompactControl, start_pfn: int, end_pfn: int, isolate_mode: int) -> int:
    """Isolate the next batch of a range that may span pageblocks; returns where to go on (for alloc_contig_range)."""
    pfn = start_pfn
    while pfn < end_pfn:
        end = min(block_end(pfn, cc.zone.pageblock_order), end_pfn)
        pfn = isolate_migratepages_block(cc, pfn, end, isolate_mode)
        if cc.nr_migratepages == COMPACT_CLUSTER_MAX:
            break
    return pfn


# --- the free scanner ---


def suitable_migration_target(cc: CompactControl, pfn: int) -> bool:
    """Whether free frames of this pageblock may be filled: not when it is free as a whole, nor when it is not for movable pages."""
    zone = cc.zone
    if zone.buddy_order(pfn) >= zone.pageblock_order:
        return False
    return cc.ignore_block_suitable or zone.pageblock_type(pfn) in (MIGRATE_MOVABLE, MIGRATE_CMA)


def isolate_freepages(cc: CompactControl) -> None:
    """Fill ``cc.freepages`` with targets for the pages on ``cc.migratepages``: from the free lists where the era asks those, else
    from ``cc.free_pfn`` downwards.

    The scan never enters the pageblock of the migrate scanner. Moves ``cc.free_pfn`` to where the next call goes on.
    """
    zone_lock_point(cc.zone.vm)
    found: list[tuple[int, int]] = []
    if cc.fast_targets:
        near = fast_isolate_freepages(cc, found)
        if near >= 0:
            fast_isolate_around(cc, near, found)
    if not found:
        scan_for_freepages(cc, found)
    map_pages(cc, found)


def fast_isolate_around(cc: CompactControl, pfn: int, found: list[tuple[int, int]]) -> None:
    """Take what else is free in a pageblock, which has less afterwards than a search is worth; not for an allocation in a hurry."""
    hurried = cc.direct_compaction and cc.mode == MIGRATE_ASYNC
    if cc.nr_freepages >= cc.nr_migratepages or hurried or not suitable_migration_target(cc, pfn):
        return
    start, end = pageblock_range(cc.zone, pfn)
    if isolate_freepages_block(cc, start, end, found) == end and not cc.no_set_skip_hint:
        cc.zone.set_pageblock_skip(start)


def scan_for_freepages(cc: CompactControl, found: list[tuple[int, int]]) -> None:
    """Take free blocks, pageblock by pageblock downwards; every ``stride``-th frame is looked at, fewer after each in vain."""
    zone = cc.zone
    low = block_end(cc.migrate_pfn, zone.pageblock_order)
    pfn, stride = cc.free_pfn, cc.stride
    block, end = pageblock_range(zone, pfn)
    while block >= low:
        if isolation_suitable(cc, block) and suitable_migration_target(cc, block):
            before = cc.nr_freepages
            pfn = isolate_freepages_block(cc, pfn, end, found, stride)
            if cc.nr_freepages >= cc.nr_migratepages or pfn < end:
                if pfn >= end:
                    pfn = block - (1 << zone.pageblock_order)
                break
            if cc.strides:
                stride = min(stride << 1, COMPACT_CLUSTER_MAX) if cc.nr_freepages == before else 1
        end = block
        pfn = block = block - (1 << zone.pageblock_order)
    cc.free_pfn = pfn


def isolate_freepages_block(cc: CompactControl, start_pfn: int, end_pfn: int, found: list[tuple[int, int]], stride: int = 1) -> int:
    """Take free blocks from ``start_pfn`` up to ``end_pfn`` off the allocator's lists until there is one frame for each page.

    Of other frames one in ``stride`` is looked at. Appends (first frame, order) to ``found`` and counts the frames in
    ``cc.nr_freepages``. Returns the first frame that was not looked at, which lies below ``end_pfn``
    when there is enough, or when the zone must keep what it has.
    """
    zone = cc.zone
    free, pages = zone.buddy, zone.vm.pages
    pfn = start_pfn
    scanned = 0
    before = cc.nr_freepages
    if upper_half_of_free_block(zone, start_pfn):
        scanned, pfn = -((start_pfn - end_pfn) // stride), end_pfn
    while pfn < end_pfn:
        scanned += 1
        if pfn not in free:
            page = dict.get(pages, pfn)  # a page that nobody looked at yet is of order 0, and need not be made
            pfn += (1 << page.order) - 1 + stride if page is not None and page._refcount else stride
            continue
        order = take_free_block(zone, pfn)
        if order < 0:
            break
        found.append((pfn, order))
        pfn += (1 << order) - 1 + stride
        cc.nr_freepages += 1 << order
        if cc.nr_freepages >= cc.nr_migratepages:
            break
    cc.total_free_scanned += scanned
    zone.vm.vmstat["compact_isolated"] += cc.nr_freepages - before
    pfn = min(pfn, end_pfn)
    if pfn == end_pfn and cc.nr_freepages == before:
        update_pageblock_skip(cc, start_pfn, False)
    return pfn


def map_pages(cc: CompactControl, blocks: list[tuple[int, int]]) -> None:
    """Split free blocks into single pages with one reference each, and put them on ``cc.freepages``."""
    vm, freepages = cc.zone.vm, cc.freepages
    for first, order in blocks:
        for pfn in range(first, first + (1 << order)):
            page = vm.page(pfn)
            prep_new_page(page, 0, GFP_MOVABLE)
            list_add(page._lru, freepages)


def release_freepages(cc: CompactControl) -> int:
    """Give every unused target back to the allocator; returns the highest frame among them."""
    high = -1
    for page in cc.freepages:
        list_del(page._lru)
        high = max(high, page.pfn)
        put_page(page)
    cc.nr_freepages = 0
    return high


# --- what migrate_pages is given ---


def compaction_alloc(page: Page, cc: CompactControl) -> Page | None:
    """A target for ``page``, or None when the free scanner finds nothing more (the get_new_page of compaction)."""
    freepage = list_first(cc.freepages)
    if freepage is None and not cc.contended:
        isolate_freepages(cc)
        freepage = list_first(cc.freepages)
    if freepage is not None:
        list_del(freepage._lru)
        cc.nr_freepages -= 1
    return freepage


def compaction_free(page: Page, cc: CompactControl) -> None:
    """Take an unused target back, as it is: what a driver left in it, its next user finds (the put_new_page of compaction)."""
    list_add(page._lru, cc.freepages)
    cc.nr_freepages += 1


def compaction_free_checked(page: Page, cc: CompactControl) -> None:
    """Take an unused target back as later kernels do: it is freed and checked, and made anew for its next user.

    A page that somebody else holds is lost to compaction, and freed by who holds it.
    """
    page._refcount -= 1
    if page._refcount:
        return
    if free_pages_prepare(page):
        prep_new_page(page, 0, GFP_MOVABLE)
        compaction_free(page, cc)


__all__ = [
    "ISOLATE_ABORT",
    "ISOLATE_NONE",
    "ISOLATE_SUCCESS",
    "compaction_alloc",
    "compaction_free",
    "compaction_free_checked",
    "isolate_migratepages",
    "isolate_migratepages_range",
    "map_pages",
    "release_freepages",
]
