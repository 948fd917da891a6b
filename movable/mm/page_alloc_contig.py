"""A run of frames, wherever the caller wants it: what is in it moves away (mm/page_alloc.c, alloc_contig_range)."""

from __future__ import annotations

from errno import EBUSY, EINVAL, ENOMEM
from typing import TYPE_CHECKING

from movable.mm.buddy import take_free_block
from movable.mm.compaction_control import CompactControl
from movable.mm.compaction_scan import isolate_migratepages_range, map_pages, release_freepages
from movable.mm.gfp import GFP_KERNEL, MAX_ORDER, MIGRATE_MOVABLE
from movable.mm.list import list_del
from movable.mm.migrate import ISOLATE_UNEVICTABLE, MIGRATE_SYNC, MR_CONTIG_RANGE, migrate_pages, putback_movable_pages
from movable.mm.obstacles import note_failure
from movable.mm.page import put_page
from movable.mm.page_isolation import (
    alloc_migrate_target,
    covering_free_block,
    start_isolate_page_range,
    undo_isolate_page_range,
    zone_lock_point,
)
from movable.mm.vmscan_lru import reclaim_clean_pages_from_list

if TYPE_CHECKING:
    from movable.mm.mmzone import Zone
    from movable.mm.vm import VM

CONTIG = "contiguous allocation"
MAX_TRIES = 5
"""How many times in a row migrate_pages gets the same list."""


def alloc_contig_range(vm: VM, start: int, end: int, migratetype: int = MIGRATE_MOVABLE, gfp: int = GFP_KERNEL) -> int:
    """Take the frames from ``start`` to ``end``, each with one reference of the caller; ``free_contig_range`` gives them back.

    Movable pages in the range move away first; clean ones of files are dropped instead. ``migratetype`` MIGRATE_CMA is for ranges
    whose pageblocks are CMA; ``gfp`` is the caller's context. Returns 0; -EBUSY when something in the range does not go; -ENOMEM
    when there is no room for it elsewhere; -EINVAL for a range that is empty or reaches beyond one zone; or what a driver answered.
    Pageblocks keep their types. A page is asked 50 times at most. Raises UsageError for a frame outside the machine. mirrors
    mm/page_alloc.c, alloc_contig_range.
    """
    zone = vm.zone_of(start)
    if not start < end <= zone.end_pfn:
        return -EINVAL
    saved = start_isolate_page_range(zone, *_rounded(zone, start, end), migratetype)
    if saved is None:
        return note_failure(vm, CONTIG, start, end, -EBUSY)
    cc = CompactControl(zone, -1, gfp, MIGRATE_SYNC, ignore_skip_hint=True, no_set_skip_hint=True)
    ret = _migrate_range(cc, start, end)
    if ret in (0, -EBUSY):  # pages that were busy may have gone meanwhile
        ret = _take_range(cc, start, end)
    undo_isolate_page_range(zone, saved)
    return note_failure(vm, CONTIG, start, end, ret) if ret else 0


def _rounded(zone: Zone, start: int, end: int) -> tuple[int, int]:
    """The range that is closed: whole blocks of the largest order for real pageblocks, two pageblocks for smaller ones."""
    order = min(zone.pageblock_order + 1, MAX_ORDER - 1)
    return max(start >> order << order, zone.start_pfn), min(-(-end >> order) << order, zone.end_pfn)


def _migrate_range(cc: CompactControl, start: int, end: int) -> int:
    """Batch after batch; a batch that does not go is tried five times (mm/page_alloc.c, __alloc_contig_migrate_range)."""
    pages = cc.migratepages
    pfn = start
    ret = tries = 0
    if cc.zone.vm.userspace is not None:
        cc.zone.vm.userspace.lru_add_drain_all()
    while pfn < end or pages:
        if not pages:
            cc.nr_migratepages = 0
            pfn = isolate_migratepages_range(cc, pfn, end, ISOLATE_UNEVICTABLE)
            tries = 0
        else:
            tries += 1
            if tries == MAX_TRIES:
                ret = ret if ret < 0 else -EBUSY
                break
        if cc.zone.vm.userspace is not None:
            reclaim_clean_pages_from_list(cc.zone.vm.userspace, pages)
        ret = migrate_pages(pages, alloc_migrate_target, None, None, cc.mode, MR_CONTIG_RANGE)
        if ret == -ENOMEM and cc.zone.vm.era.contig_ends_on_enomem:
            break
    if ret < 0:
        putback_movable_pages(pages)
        return ret
    return 0


def _take_range(cc: CompactControl, start: int, end: int) -> int:
    """Take the range off the free lists, if all of it is free, and give back what the blocks at its edges hold too much."""
    zone, vm = cc.zone, cc.zone.vm
    zone_lock_point(vm)
    head = covering_free_block(zone, start)
    if head < 0:
        return -EBUSY
    blocks: list[tuple[int, int]] = []
    pfn = head
    while pfn < end and pfn in zone.buddy:
        order = take_free_block(zone, pfn)
        blocks.append((pfn, order))
        pfn += 1 << order
    map_pages(cc, blocks)
    vm.vmstat["compact_isolated"] += pfn - head
    if pfn < end:
        release_freepages(cc)
        return -EBUSY
    for page in cc.freepages:
        list_del(page._lru)
    free_contig_range(vm, head, start - head)
    free_contig_range(vm, end, pfn - end)
    return 0


def free_contig_range(vm: VM, pfn: int, nr_pages: int) -> None:
    """Drop the caller's reference to each of ``nr_pages`` frames; warns where somebody else holds one too."""
    for number in range(pfn, pfn + nr_pages):
        page = vm.page(number)
        if page._refcount != 1:
            vm.warn("V32", page, "freed as part of a range while somebody else uses it")
        put_page(page)


__all__ = ["MAX_TRIES", "alloc_contig_range", "free_contig_range"]
