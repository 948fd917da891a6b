"""What compaction for a request asks the free lists before it scans, in kernels from 5.1 on (mm/compaction.c).

A scan reads every frame between its two positions; the lists lead to free frames at once. A pageblock with a large free block in it
has less to move out than others, so it is emptied first, if it lies low; targets are taken where they lie high. A search is short,
and shorter after one in vain; what it has seen goes to the other end of its list, so that the next one sees others. Only lists of
movable pageblocks are asked, and only for a request of some order: who compacts a whole zone scans all of it.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from movable.mm.buddy import pageblock_range, take_free_block
from movable.mm.compaction_control import COMPACT_CLUSTER_MAX
from movable.mm.gfp import MIGRATE_MOVABLE, PAGE_ALLOC_COSTLY_ORDER

if TYPE_CHECKING:
    from movable.mm.compaction_control import CompactControl
    from movable.mm.mmzone import FreeList


def freelist_scan_limit(cc: CompactControl) -> int:
    """How many free blocks a search looks at: half as many after each in vain."""
    return (COMPACT_CLUSTER_MAX >> min(cc.fast_search_fail, COMPACT_CLUSTER_MAX)) + 1


def _go_to_end(blocks: FreeList, seen: list[int], last: bool) -> None:
    """What a search has seen goes where the next one comes last: to the tail of a list, or to its head (``last``)."""
    for pfn in seen:
        blocks.move_to_end(pfn, last)


# --- pages to move ---


def fast_find_migrateblock(cc: CompactControl) -> int:
    """The pageblock to empty next, one with a free block of nearly the wanted size; -1 where the scan goes on from ``migrate_pfn``.

    It lies in the lower half of what is between the scanners, and once a run is on its way in the lowest eighth; its skip bit is
    set, so that it is found once. After the first search in vain ``migrate_pfn`` is the lowest pageblock that was found. While a
    pageblock is not done, none is looked for. Mirrors mm/compaction.c, fast_find_migrateblock.
    """
    zone, start = cc.zone, cc.migrate_pfn
    if cc.rescan or (start != zone.start_pfn and start & (1 << zone.pageblock_order) - 1):
        return -1
    share = 1 if start == zone.start_pfn else 3
    pfn = _nearly_free(cc, pageblock_range(zone, start + (cc.free_pfn - start >> share))[0])
    if pfn >= 0:
        cc.fast_search_fail = 0
        zone.set_pageblock_skip(pfn)
        block = pageblock_range(zone, pfn)[0]
        cc.fast_start_pfn = min(cc.fast_start_pfn, block)
        return block
    cc.fast_search_fail += 1
    if 0 <= cc.fast_start_pfn < zone.end_pfn:
        cc.migrate_pfn, cc.fast_start_pfn = cc.fast_start_pfn, -1
    return -1


def _nearly_free(cc: CompactControl, below: int) -> int:
    """A free block below ``below`` in a pageblock that is not to be skipped, of the largest order that is too small; -1 if none."""
    zone, left = cc.zone, freelist_scan_limit(cc)
    for order in range(cc.order - 1, PAGE_ALLOC_COSTLY_ORDER - 1, -1):
        blocks = zone.free_area[order].free_list[MIGRATE_MOVABLE]
        seen = []
        for pfn in islice(reversed(blocks), left):
            seen.append(pfn)
            cc.total_migrate_scanned += 1
            if pfn < below and not zone.get_pageblock_skip(pfn):
                _go_to_end(blocks, seen, last=False)
                return pfn
        left -= len(seen)
        if not left:
            _go_to_end(blocks, seen, last=False)
            break
    return -1


# --- targets ---


def fast_isolate_freepages(cc: CompactControl, found: list[tuple[int, int]]) -> int:
    """Take one free block, smaller than what is wanted, off the lists: one from the top quarter of what is between the scanners, or
    else the highest that was seen in its top half. The order that had one is the first to be asked next time.

    Appends (first frame, order) to ``found`` and counts the frames in ``cc.nr_freepages``. Returns a frame whose pageblock is worth
    a look for more, -1 if none is. Where nothing was found at the beginning of a run, the scan goes on from the highest pageblock
    seen, or, if an allocation waits, from the middle. Mirrors mm/compaction.c, fast_isolate_freepages.
    """
    zone, start, shift = cc.zone, cc.zone.start_pfn, cc.zone.pageblock_order
    span = cc.free_pfn - cc.migrate_pfn
    wanted = max(cc.free_pfn - (span >> 2) >> shift << shift, start)
    beginning = cc.free_pfn >> shift >= zone.end_pfn - 1 >> shift
    least = max(cc.free_pfn - (span >> 1) >> shift << shift, start)
    limit = max(1 << shift >> 1, 1) if beginning else max(freelist_scan_limit(cc) >> 1, 1)
    cc.search_order = min(cc.search_order, cc.order - 1)
    pfn, highest = _from_lists(cc, wanted, least, limit)
    if pfn >= 0:
        pfn = _take(cc, pfn, found)
    if highest >= 0:
        highest = max(highest >> shift << shift, start)
    if pfn < 0:
        cc.fast_search_fail += 1
        cc.search_order = (cc.search_order - 1) % cc.order
        if beginning and (highest >= least or cc.direct_compaction):
            cc.free_pfn = pfn = max(highest, least)
    if highest >= zone.compact_cached_free_pfn:
        zone.compact_cached_free_pfn = highest - (1 << shift)  # what lies higher is found by the lists
    return pfn


def _from_lists(cc: CompactControl, wanted: int, least: int, limit: int) -> tuple[int, int]:
    """The block to take, -1 where none will do, and the highest frame seen; the orders are asked downwards, and around."""
    highest, first = -1, cc.search_order
    for order in (*range(first, -1, -1), *range(cc.order - 1, first, -1)):
        blocks = cc.zone.free_area[order].free_list[MIGRATE_MOVABLE]
        if not blocks:
            continue
        top = pfn = next(iter(blocks))
        if pfn >= wanted:  # most often the first will do
            blocks.move_to_end(pfn)
            cc.total_free_scanned += 1
        else:
            pfn, top, limit, cc.total_free_scanned = _highly_placed(blocks, wanted, least, limit, cc.total_free_scanned)
        if top > highest:
            highest = top
        if pfn >= wanted:
            cc.fast_search_fail, cc.search_order = 0, order
        if pfn >= 0:
            return pfn, highest
    return -1, highest


def _highly_placed(blocks: FreeList, wanted: int, least: int, limit: int, scanned: int) -> tuple[int, int, int, int]:
    """The first block of a list, from its tail, that lies at ``wanted`` or above, else the highest seen at ``least`` or above.

    Returns it (-1 for none), the highest frame seen, and ``limit`` and ``scanned`` as they are then: a candidate halves the blocks
    that are still looked at, and so does a list that is longer than that.
    """
    seen = list(islice(blocks, limit))
    highest = max(seen)
    candidate = -1
    if highest >= least:
        for number, pfn in enumerate(seen, 1):
            if pfn >= wanted:
                candidate = pfn
            elif pfn >= least and pfn > candidate:
                candidate = pfn
                limit >>= 1
            if pfn >= wanted or number >= limit:
                del seen[number:]
                break
        highest = max(seen)
    if candidate >= 0:
        _go_to_end(blocks, seen[: seen.index(candidate) + 1], last=True)
    elif len(seen) < len(blocks):
        _go_to_end(blocks, seen, last=True)
    return candidate, highest, max(limit >> (len(seen) >= limit), 1), scanned + len(seen)


def _take(cc: CompactControl, pfn: int, found: list[tuple[int, int]]) -> int:
    """Take a free block for targets; returns it, -1 where the zone must keep it."""
    order = take_free_block(cc.zone, pfn)
    if order < 0:
        return -1
    found.append((pfn, order))
    cc.nr_freepages += 1 << order
    cc.total_free_scanned += (1 << order) - 1
    cc.zone.vm.vmstat["compact_isolated"] += 1 << order
    return pfn


__all__ = ["fast_find_migrateblock", "fast_isolate_freepages", "freelist_scan_limit"]
