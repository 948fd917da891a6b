"""The buddy allocator: free lists, split, merge, and stealing between migratetypes (mm/page_alloc.c).

Everything here works on frame numbers and never makes a Page. Who calls holds the zone lock, which in this model is
simply that nothing here is a scheduling point. See zone.py for how free blocks are stored.
"""

from __future__ import annotations

from movable.errors import VMBug
from movable.mm.gfp import (
    MAX_ORDER,
    MIGRATE_CMA,
    MIGRATE_HIGHATOMIC,
    MIGRATE_ISOLATE,
    MIGRATE_MOVABLE,
    MIGRATE_RECLAIMABLE,
    MIGRATE_UNMOVABLE,
)
from movable.mm.mmzone import ALLOC_CMA, ALLOC_HARDER, WMARK_MIN, FreeArea, Zone
from movable.mm.page_alloc_watermarks import zone_watermark_ok
from movable.mm.page_flags import PAGE_MAPPING_FLAGS, PAGE_MAPPING_MOVABLE, PG_lru

FALLBACKS = (
    (MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE),
    (MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE),
    (MIGRATE_UNMOVABLE, MIGRATE_MOVABLE),
)
"""By requested type: where else to look, in order. The other types neither give nor take."""

LARGEST_ORDER = MAX_ORDER - 1


# --- lists ---


def add_to_free_list(zone: Zone, pfn: int, order: int, migratetype: int) -> None:
    """Put a block at the head of a list."""
    code = order << 3 | migratetype
    zone.buddy[pfn] = code
    zone.free_lists[code][pfn] = None


def del_from_free_list(zone: Zone, pfn: int) -> int:
    """Take the block that begins at ``pfn`` off its list; returns its order. Raises KeyError when it is not free."""
    code = zone.buddy.pop(pfn)
    del zone.free_lists[code][pfn]
    return code >> 3


def move_to_free_list(zone: Zone, pfn: int, migratetype: int) -> int:
    """Move a free block to the head of another type's list of the same order; returns the order."""
    order = del_from_free_list(zone, pfn)
    add_to_free_list(zone, pfn, order, migratetype)
    return order


# --- free and merge ---


def free_one_page(zone: Zone, pfn: int, order: int, migratetype: int | None = None) -> None:
    """Give a block back and merge it with its buddies (__free_one_page).

    ``migratetype`` is the type of the list to use; None means that of the pageblock. Free frames of isolated
    pageblocks do not count in ``nr_free``. A block that lies partly in isolated pageblocks comes apart. Raises VMBug
    when a free block begins there already.
    """
    if order > zone.pageblock_order and zone.nr_isolate_pageblock:
        parts = range(pfn, pfn + (1 << order), 1 << zone.pageblock_order)
        if len({zone.is_isolate(part) for part in parts}) == 2:
            for part in parts:
                free_one_page(zone, part, zone.pageblock_order)
            return
    buddy = zone.buddy
    if pfn in buddy:
        raise VMBug("V32", f"block of order {order} at {pfn} freed while it is free", "every block freed once")
    if migratetype is None:
        migratetype = zone.pageblocks[(pfn >> zone.pageblock_order) - zone.base]
    if migratetype != MIGRATE_ISOLATE:
        zone.nr_free += 1 << order
    lists = zone.free_lists
    lookup = buddy.get
    size = 1 << order
    code = lookup(pfn ^ size, -1)
    while code >> 3 == order < LARGEST_ORDER:
        other = pfn ^ size
        if zone.nr_isolate_pageblock and _kept_apart(zone, other, order, migratetype):
            break
        del buddy[other], lists[code][other]
        pfn &= other
        order += 1
        size <<= 1
        code = lookup(pfn ^ size, -1)
    code = order << 3 | migratetype
    buddy[pfn] = code
    blocks = lists[code]
    blocks[pfn] = None
    # A block whose own buddy is half free already will soon be part of something larger: hand it out last.
    if order < LARGEST_ORDER - 1 and lookup((pfn & ~size) ^ size << 1, -1) >> 3 == order + 1:
        blocks.move_to_end(pfn, False)


def _kept_apart(zone: Zone, other: int, order: int, migratetype: int) -> bool:
    """An isolated pageblock must not merge with one that is not."""
    if order < zone.pageblock_order:
        return False
    theirs = zone.pageblock_type(other)
    return theirs != migratetype and MIGRATE_ISOLATE in (theirs, migratetype)


# --- split ---


def expand(zone: Zone, pfn: int, low: int, high: int, migratetype: int) -> None:
    """Split a block of order ``high`` down to ``low`` (expand). The upper halves go to the heads of the lists."""
    buddy = zone.buddy
    lists = zone.free_lists
    size = 1 << high
    for code in range((high - 1) << 3 | migratetype, (low << 3) - 1, -8):
        size >>= 1
        half = pfn + size
        buddy[half] = code
        lists[code][half] = None


def rmqueue_smallest(zone: Zone, order: int, migratetype: int) -> int:
    """Take the first block of the smallest order that will do, from one type's lists; -1 if none (__rmqueue_smallest).

    Does not touch ``nr_free``.
    """
    lists = zone.free_lists
    for code in range(order << 3 | migratetype, MAX_ORDER << 3, 8):
        blocks = lists[code]
        if blocks:
            pfn = blocks.popitem()[0]
            del zone.buddy[pfn]
            if code >> 3 != order:
                expand(zone, pfn, order, code >> 3, migratetype)
            return pfn
    return -1


def rmqueue(zone: Zone, order: int, migratetype: int, alloc_flags: int = 0) -> int:
    """Take a block, stealing from other types where needed; returns its first frame or -1 (rmqueue, __rmqueue).

    A movable request looks at CMA before it steals, and in kernels from 5.8 on first where more than half of what is free is CMA's,
    if it may use CMA (ALLOC_CMA). ALLOC_HARDER opens the reserve of HIGHATOMIC to orders above 0.
    """
    pfn = -1
    if order and alloc_flags & ALLOC_HARDER:
        pfn = rmqueue_smallest(zone, order, MIGRATE_HIGHATOMIC)
    if pfn < 0 and zone.nr_cma_blocks and alloc_flags & ALLOC_CMA and _cma_first(zone):
        pfn = rmqueue_smallest(zone, order, MIGRATE_CMA)
    if pfn < 0:
        pfn = rmqueue_smallest(zone, order, migratetype)
    if pfn < 0 and migratetype == MIGRATE_MOVABLE:
        pfn = rmqueue_smallest(zone, order, MIGRATE_CMA)
    if pfn < 0 and rmqueue_fallback(zone, order, migratetype):
        pfn = rmqueue_smallest(zone, order, migratetype)
    if pfn >= 0:
        zone.nr_free -= 1 << order
    return pfn


def _cma_first(zone: Zone) -> bool:
    return zone.vm.era.cma_first and zone.nr_free_cma() > zone.nr_free // 2


# --- stealing ---


def can_steal_fallback(zone: Zone, order: int, start_type: int) -> bool:
    """Whether a request of ``start_type`` may claim the whole pageblock around a free block of ``order``."""
    if order >= zone.pageblock_order // 2:
        return True
    return start_type in (MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE)


def find_suitable_fallback(zone: Zone, area: FreeArea, migratetype: int, only_stealable: bool) -> tuple[int, bool]:
    """(type to take from, whether the whole pageblock may be claimed) for one order; type -1 if there is none.

    With ``only_stealable``, as compaction asks, only types whose pageblock may be claimed count.
    """
    for other in FALLBACKS[migratetype]:
        if area.free_list[other]:
            steal = can_steal_fallback(zone, area.order, migratetype)
            if steal or not only_stealable:
                return other, steal
    return -1, False


def rmqueue_fallback(zone: Zone, order: int, start_type: int) -> bool:
    """Move free frames of another type to ``start_type``'s lists; False when no other type has any
    (__rmqueue_fallback).

    The largest block is taken, to mix as few pageblocks as can be, except by a movable request that may not claim the
    pageblock: that takes from the smallest.
    """
    for area in reversed(zone.free_area[order:]):
        other, steal = find_suitable_fallback(zone, area, start_type, False)
        if other < 0:
            continue
        if not steal and start_type == MIGRATE_MOVABLE and area.order > order:
            return _steal_smallest(zone, order, start_type)
        steal_suitable_fallback(zone, area.first(other), start_type, steal)
        return True
    return False


def _steal_smallest(zone: Zone, order: int, start_type: int) -> bool:
    for area in zone.free_area[order:]:
        other, steal = find_suitable_fallback(zone, area, start_type, False)
        if other >= 0:
            steal_suitable_fallback(zone, area.first(other), start_type, steal)
            return True
    return False


def steal_suitable_fallback(zone: Zone, pfn: int, start_type: int, whole_block: bool) -> None:
    """Take the free block at ``pfn``, and the pageblock around it if most of it suits ``start_type``."""
    old_type = zone.pageblock_type(pfn)
    order = zone.buddy_order(pfn)
    if old_type == MIGRATE_HIGHATOMIC:
        move_to_free_list(zone, pfn, start_type)
        return
    if order >= zone.pageblock_order:
        for block in range(pfn, min(pfn + (1 << order), zone.end_pfn), 1 << zone.pageblock_order):
            zone.set_pageblock_migratetype(block, start_type)
        move_to_free_list(zone, pfn, start_type)
        return
    if not whole_block:
        move_to_free_list(zone, pfn, start_type)
        return
    movable = _count_movable(zone, pfn)
    free = move_freepages_block(zone, pfn, start_type)
    nr_pages = 1 << zone.pageblock_order
    if start_type == MIGRATE_MOVABLE:
        alike = movable
    else:
        alike = nr_pages - free - movable if old_type == MIGRATE_MOVABLE else 0
    if 2 * (free + alike) >= nr_pages:
        zone.set_pageblock_migratetype(pfn, start_type)


def pageblock_range(zone: Zone, pfn: int) -> tuple[int, int]:
    """First frame and end of the pageblock around ``pfn``, clipped to the zone."""
    order = zone.pageblock_order
    start = pfn >> order << order
    return max(start, zone.start_pfn), min(start + (1 << order), zone.end_pfn)


def _count_movable(zone: Zone, pfn: int) -> int:
    """Frames in use that can move: on an LRU list, or marked movable. A frame that nobody touched is neither."""
    pages = zone.vm.pages
    count = 0
    for number in range(*pageblock_range(zone, pfn)):
        page = pages.get(number)
        if page is not None and page._refcount:
            movable = page._mapping & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE
            count += movable or page._flags >> PG_lru & 1
    return count


def move_freepages_block(zone: Zone, pfn: int, migratetype: int) -> int:
    """Move the free blocks of a pageblock to another type's lists; returns how many frames (move_freepages_block).

    A block that begins in front of the pageblock stays. ``nr_free`` does not change: who isolates corrects it.
    """
    pfn, end = pageblock_range(zone, pfn)
    moved = 0
    while pfn < end:
        if pfn in zone.buddy:
            size = 1 << move_to_free_list(zone, pfn, migratetype)
            moved += size
            pfn += size
        else:
            pfn += 1
    return moved


# --- for compaction and alloc_contig_range ---


def take_part(zone: Zone, head: int, pfn: int, order: int) -> None:
    """Take the aligned block of ``order`` at ``pfn`` out of the free block that begins at ``head``; the rest stays, in parts."""
    migratetype = zone.buddy[head] & 7
    high = del_from_free_list(zone, head)
    while high > order:
        high -= 1
        half = head + (1 << high)
        add_to_free_list(zone, half if pfn < half else head, high, migratetype)
        head = head if pfn < half else half
    if migratetype != MIGRATE_ISOLATE:
        zone.nr_free -= 1 << order


def take_free_block(zone: Zone, pfn: int) -> int:
    """Take the free block that begins at ``pfn``; returns its order, -1 when the zone must keep it
    (__isolate_free_page).

    The zone keeps it when less than the min watermark would stay, unless the pageblock is isolated. Half a pageblock
    or more becomes movable. Raises KeyError when no free block begins there.
    """
    order = zone.buddy[pfn] >> 3
    if zone.pageblock_type(pfn) != MIGRATE_ISOLATE:
        if not zone_watermark_ok(zone, 0, zone.watermark[WMARK_MIN] + (1 << order), 0, ALLOC_CMA):
            return -1
        zone.nr_free -= 1 << order
    del_from_free_list(zone, pfn)
    if order >= zone.pageblock_order - 1:
        for block in range(pfn, pfn + (1 << order), 1 << zone.pageblock_order):
            if zone.pageblock_type(block) in (MIGRATE_UNMOVABLE, MIGRATE_RECLAIMABLE):
                zone.set_pageblock_migratetype(block, MIGRATE_MOVABLE)
    return order
