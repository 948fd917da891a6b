"""Compaction of a zone: pages move to its upper end, so that large free blocks form at its lower end (mm/compaction.c).

One scanner (compaction_scan.py) walks up and isolates pages in batches of 32, the other walks down and isolates free frames as
their targets; the run ends where they meet, or where a wanted block has become free. Later kernels take all that is left of a
pageblock in the second batch from it, and ask the free lists before they scan (compaction_fast.py). Invariants: the pages of a
batch are of one pageblock; when a run is left, both of its lists are empty, whatever the reason. A driver is called with no lock
held but the page's.
"""

from __future__ import annotations

from errno import ENOMEM
from typing import TYPE_CHECKING

from movable.errors import VMBug
from movable.mm.buddy import find_suitable_fallback, take_part
from movable.mm.compaction_control import (
    COMPACT_CLUSTER_MAX,
    COMPACT_COMPLETE,
    COMPACT_CONTENDED,
    COMPACT_CONTINUE,
    COMPACT_DEFERRED,
    COMPACT_NO_SUITABLE_PAGE,
    COMPACT_NOT_SUITABLE_ZONE,
    COMPACT_PARTIAL_SKIPPED,
    COMPACT_PRIO_ASYNC,
    COMPACT_PRIO_SYNC_FULL,
    COMPACT_PRIO_SYNC_LIGHT,
    COMPACT_RESULT_NAMES,
    COMPACT_SKIPPED,
    COMPACT_SUCCESS,
    MIN_COMPACT_PRIORITY,
    CompactControl,
)
from movable.mm.compaction_scan import (
    ISOLATE_ABORT,
    ISOLATE_SUCCESS,
    block_end,
    compaction_alloc,
    compaction_free,
    compaction_free_checked,
    isolate_migratepages,
    release_freepages,
)
from movable.mm.gfp import __GFP_IO, GFP_KERNEL, MIGRATE_CMA, MIGRATE_ISOLATE, MIGRATE_MOVABLE, PAGE_ALLOC_COSTLY_ORDER
from movable.mm.migrate import (
    ISOLATE_ASYNC_MIGRATE,
    ISOLATE_UNEVICTABLE,
    MIGRATE_ASYNC,
    MIGRATE_SYNC,
    MIGRATE_SYNC_LIGHT,
    MR_COMPACTION,
    migrate_pages,
    putback_movable_pages,
)
from movable.mm.mmzone import ALLOC_CMA, WMARK_LOW, WMARK_MIN
from movable.mm.page_alloc import preferred_node
from movable.mm.page_alloc_watermarks import zone_watermark_ok
from movable.mm.page_flags import LRU
from movable.mm.page_isolation import covering_free_block
from movable.mm.vmstat import EXTFRAG_THRESHOLD, fragmentation_index

if TYPE_CHECKING:
    from movable.mm.mmzone import Node, Zone
    from movable.mm.vm import VM

SAMPLE_EVERY = 8
"""Of how many frames one is looked at before a skip bit is cleared."""


def compact_gap(order: int, limit: int = 0) -> int:
    """How many free frames beyond the watermark an attempt at ``order`` needs, because copies need room first.

    Up to ``limit`` in kernels that have one (0: none).
    """
    return min(2 << order, limit or 2 << order)


# --- whether to start, and when to stop ---


def compaction_suitable(zone: Zone, order: int, classzone: int) -> int:
    """Whether compacting ``zone`` for ``order`` is worth a try: COMPACT_CONTINUE; _SUCCESS when it is not needed, else _SKIPPED.

    ``order`` -1 is always worth it. Mirrors mm/compaction.c, compaction_suitable.
    """
    ret = _suitable_watermarks(zone, order, classzone)
    if ret == COMPACT_CONTINUE and order > PAGE_ALLOC_COSTLY_ORDER:
        ret = _suitable_fragmentation(zone, order)
    return COMPACT_SKIPPED if ret == COMPACT_NOT_SUITABLE_ZONE else ret


def _suitable_watermarks(zone: Zone, order: int, classzone: int) -> int:
    if order == -1:
        return COMPACT_CONTINUE
    if zone_watermark_ok(zone, order, zone.watermark[WMARK_MIN], classzone):
        return COMPACT_SUCCESS
    mark = zone.watermark[WMARK_LOW if order > PAGE_ALLOC_COSTLY_ORDER else WMARK_MIN]
    mark += compact_gap(order, zone.vm.era.compact_gap_limit)
    return COMPACT_CONTINUE if zone_watermark_ok(zone, 0, mark, classzone, ALLOC_CMA) else COMPACT_SKIPPED


def _suitable_fragmentation(zone: Zone, order: int) -> int:
    """A costly request is not helped by compaction where free memory is scarce, rather than broken up."""
    return COMPACT_NOT_SUITABLE_ZONE if 0 <= fragmentation_index(zone, order) <= EXTFRAG_THRESHOLD else COMPACT_CONTINUE


def compact_scanners_met(cc: CompactControl) -> bool:
    """Whether the free scanner is in the pageblock of the migrate scanner, or below it."""
    order = cc.zone.pageblock_order
    return cc.free_pfn >> order <= cc.migrate_pfn >> order


def compact_finished(cc: CompactControl) -> int:
    """COMPACT_CONTINUE, or why the run is over (mm/compaction.c, compact_finished)."""
    ret = _compact_finished(cc)
    return COMPACT_CONTINUE if ret == COMPACT_NO_SUITABLE_PAGE else ret


def _compact_finished(cc: CompactControl) -> int:
    if cc.contended:
        return COMPACT_CONTENDED
    if compact_scanners_met(cc):
        reset_cached_positions(cc.zone)
        # kswapd clears the skip bits before it sleeps, but only if an allocation ever wanted compaction.
        if cc.direct_compaction:
            cc.zone.compact_blockskip_flush = True
        return COMPACT_COMPLETE if cc.whole_zone else COMPACT_PARTIAL_SKIPPED
    if cc.order == -1:
        return COMPACT_SUCCESS if cc.enough is not None and cc.enough() else COMPACT_CONTINUE
    if cc.finishing_block or cc.zone.vm.era.compaction_finishes_block:
        if cc.migrate_pfn & (1 << cc.zone.pageblock_order) - 1:
            return COMPACT_CONTINUE
        cc.finishing_block = False
    return _suitable_page_free(cc)


def _suitable_page_free(cc: CompactControl) -> int:
    """Whether a free block that the request could have is there now."""
    for area in cc.zone.free_area[cc.order :]:
        if area.free_list[cc.migratetype]:
            return COMPACT_SUCCESS
        if cc.migratetype == MIGRATE_MOVABLE and area.free_list[MIGRATE_CMA]:
            return COMPACT_SUCCESS
        if find_suitable_fallback(cc.zone, area, cc.migratetype, True)[0] < 0:
            continue
        if cc.migratetype == MIGRATE_MOVABLE or cc.mode == MIGRATE_ASYNC:
            return COMPACT_SUCCESS
        if not cc.migrate_pfn & (1 << cc.zone.pageblock_order) - 1:
            return COMPACT_SUCCESS
        # The request will take over a pageblock of another type: empty this one first, so that it need not take two.
        cc.finishing_block = True
        return COMPACT_CONTINUE
    return COMPACT_NO_SUITABLE_PAGE


# --- positions and hints that outlive a run ---


def reset_cached_positions(zone: Zone) -> None:
    """The next run starts at the two ends of the zone."""
    zone.compact_cached_migrate_pfn = [zone.start_pfn, zone.start_pfn]
    zone.compact_cached_free_pfn = zone.end_pfn - 1 >> zone.pageblock_order << zone.pageblock_order


def reset_isolation_suitable(node: Node) -> None:
    """Forget the skip bits of zones where a direct run met in the middle; what kswapd does before it sleeps."""
    for zone in node.zones:
        if zone.compact_blockskip_flush:
            reset_zone_hints(zone)


def reset_zone_hints(zone: Zone) -> None:
    """Clear the skip bits of a zone, but for pageblocks inside one compound page, and its cached positions.

    Later kernels clear the bit of a pageblock only where a sample promises something: in the lower half of the zone a page of the
    LRU lists, in the upper half a free one. Pages of drivers promise nothing, so pageblocks that hold no others keep theirs.
    """
    zone.compact_blockskip_flush = False
    pages = zone.vm.pages
    blocks = range(zone.start_pfn, zone.end_pfn, 1 << zone.pageblock_order)
    for number, pfn in enumerate(blocks):
        page = pages.get(pfn)
        if page is not None and page._refcount and page.order >= zone.pageblock_order:
            continue
        if not zone.vm.era.skip_bits_sampled or _sampled(zone, pfn, 2 * number < len(blocks)):
            zone.clear_pageblock_skip(pfn)
    reset_cached_positions(zone)


def _sampled(zone: Zone, start_pfn: int, source: bool) -> bool:
    """Whether one of the frames of a pageblock that are looked at holds a page of the LRU lists or, in no source, is free."""
    for pfn in range(start_pfn, min(block_end(start_pfn, zone.pageblock_order), zone.end_pfn), SAMPLE_EVERY):
        page = zone.vm.pages.get(pfn)
        if (page is not None and page._refcount and page._flags & LRU) if source else pfn in zone.buddy:
            return True
    return False


def _start_positions(cc: CompactControl) -> None:
    """Where both scanners start: at the ends, or where the last run of this kind stopped."""
    zone = cc.zone
    last = zone.end_pfn - 1 >> zone.pageblock_order << zone.pageblock_order
    if cc.whole_zone:
        cc.migrate_pfn, cc.free_pfn = zone.start_pfn, last
        return
    cached = zone.compact_cached_migrate_pfn
    if not zone.start_pfn <= zone.compact_cached_free_pfn < zone.end_pfn:
        zone.compact_cached_free_pfn = last
    cc.free_pfn = zone.compact_cached_free_pfn
    cc.migrate_pfn = cached[cc.mode != MIGRATE_ASYNC]
    if not zone.start_pfn <= cc.migrate_pfn < zone.end_pfn:
        cc.migrate_pfn = cached[0] = cached[1] = zone.start_pfn
    cc.whole_zone = cc.migrate_pfn == zone.start_pfn


# --- one run ---


def compact_zone(zone: Zone, cc: CompactControl) -> int:
    """Compact ``zone`` as ``cc`` says; returns a compact_result.

    COMPACT_SKIPPED and COMPACT_SUCCESS may come before anything was done. Counts compact_migrate_scanned, compact_free_scanned and
    compact_isolated. Raises VMBug when an isolated page would be left behind. Mirrors mm/compaction.c, compact_zone.
    """
    ret = compaction_suitable(zone, cc.order, cc.classzone_idx)
    if ret in (COMPACT_SUCCESS, COMPACT_SKIPPED):
        return ret
    if compaction_restarting(zone, cc.order):
        reset_zone_hints(zone)
    _start_positions(cc)
    vm = zone.vm
    if vm.userspace is not None:
        vm.userspace.lru_add_drain()
    if vm.seam is not None:
        vm.seam.event("compact_zone", node=zone.node.nid, zone=zone.name, order=cc.order, mode=cc.mode)
    ret = _scan(cc)
    if cc.freepages:
        # Targets that were not needed are free again: the next run may start above them, but never below where it would.
        high = release_freepages(cc) >> zone.pageblock_order << zone.pageblock_order
        zone.compact_cached_free_pfn = max(zone.compact_cached_free_pfn, high)
    if cc.migratepages or cc.nr_freepages:
        raise VMBug("V33", f"compaction leaves {len(cc.migratepages)} pages isolated", "both lists empty")
    vm.vmstat["compact_migrate_scanned"] += cc.total_migrate_scanned
    vm.vmstat["compact_free_scanned"] += cc.total_free_scanned
    if vm.seam is not None:
        vm.seam.event("compact_zone_ret", node=zone.node.nid, zone=zone.name, ret=ret)
    return ret


def _scan(cc: CompactControl) -> int:
    """Batch after batch until ``compact_finished`` says why not. Ends because the scanners approach each other."""
    pageblock_order = cc.zone.pageblock_order
    isolate_mode = ISOLATE_UNEVICTABLE | (ISOLATE_ASYNC_MIGRATE if cc.mode != MIGRATE_SYNC else 0)
    give_back = compaction_free_checked if cc.zone.vm.era.compaction_frees_targets else compaction_free
    captures: set[int] = set()  # blocks of the wanted order that pages were taken from since free ones were last looked for
    finishes, last_migrated = cc.zone.vm.era.compaction_overfills, -1  # where the last batch began, -1 where that is over
    while (ret := compact_finished(cc)) == COMPACT_CONTINUE:
        start = cc.migrate_pfn
        cc.rescan = finishes and last_migrated >> pageblock_order == start >> pageblock_order
        found = isolate_migratepages(cc, isolate_mode)
        if found == ISOLATE_SUCCESS:
            last_migrated = cc.migrate_pfn - 1 >> pageblock_order << pageblock_order if cc.fast_sources else start
            if cc.captured is not None:
                captures |= {page.pfn >> cc.order for page in cc.migratepages}
            err = migrate_pages(cc.migratepages, compaction_alloc, give_back, cc, cc.mode, MR_COMPACTION)
            if err:
                putback_movable_pages(cc.migratepages)
                # Without targets because the scanners met is the ordinary end, which compact_finished sees.
                if err == -ENOMEM and not compact_scanners_met(cc):
                    return COMPACT_CONTENDED
                if cc.direct_compaction and cc.mode == MIGRATE_ASYNC:
                    cc.migrate_pfn = block_end(cc.migrate_pfn - 1, cc.order)
            cc.nr_migratepages = 0
        elif found == ISOLATE_ABORT:
            putback_movable_pages(cc.migratepages)
            cc.nr_migratepages = 0
            return COMPACT_CONTENDED
        if cc.order > 0 and block_end(last_migrated, cc.order) <= cc.migrate_pfn:
            last_migrated = -1  # the block that was wanted is left behind
            if captures and capture(cc, captures):
                return COMPACT_SUCCESS
    return ret


def capture(cc: CompactControl, blocks: set[int]) -> bool:
    """Take one of the blocks of the wanted order that this run has emptied for who asked for it; the watermarks are not asked.

    CMA and isolated pageblocks keep theirs; smaller ones of a movable pageblock are for movable requests. ``blocks`` are numbers in
    that order, and are forgotten. Mirrors mm/page_alloc.c, compaction_capture.
    """
    zone, taken = cc.zone, cc.captured
    emptied = sorted(blocks)
    blocks.clear()
    for start in (block << cc.order for block in emptied):
        migratetype = zone.pageblock_type(start)
        small = cc.order < zone.pageblock_order and migratetype == MIGRATE_MOVABLE != cc.migratetype
        if small or migratetype in (MIGRATE_CMA, MIGRATE_ISOLATE):
            continue
        head = covering_free_block(zone, start, cc.order)
        if head >= 0 and taken is not None:
            take_part(zone, head, start, cc.order)
            taken.append(start)
            return True
    return False


# --- who asks for it ---


def compact_zone_order(zone: Zone, order: int, gfp: int, priority: int, captured: list[int] | None = None) -> int:
    """One attempt for an allocation that waits; ``priority`` is one of COMPACT_PRIO_*.

    A block that becomes free for it goes off the free lists, and its first frame into ``captured``, where kernels do that.
    """
    hard = priority == MIN_COMPACT_PRIORITY
    cc = CompactControl(
        zone,
        order,
        gfp,
        MIGRATE_ASYNC if priority == COMPACT_PRIO_ASYNC else MIGRATE_SYNC_LIGHT,
        direct_compaction=True,
        whole_zone=hard,
        ignore_skip_hint=hard,
        ignore_block_suitable=hard,
    )
    cc.captured = captured if zone.vm.era.compaction_captures else None
    return compact_zone(zone, cc)


def try_to_compact_pages(
    vm: VM, gfp: int, order: int, priority: int, nid: int | None = None, captured: list[int] | None = None
) -> int:
    """Compact the zones that an allocation may use, best first, until one of them has a block; returns the largest compact_result.

    ``gfp``, ``order`` and ``nid`` are those of the allocation, ``priority`` one of COMPACT_PRIO_*; ``captured`` is as for
    ``compact_zone_order``. Without __GFP_IO nothing is tried: moving a page might need it. The caller counts compact_stall and the
    like. Raises UsageError for a node that does not exist. Mirrors mm/compaction.c, try_to_compact_pages.
    """
    result = COMPACT_SKIPPED
    if not gfp & __GFP_IO:
        return result
    for zone in preferred_node(vm, nid).context(gfp).zones:
        if priority > MIN_COMPACT_PRIORITY and compaction_deferred(zone, order):
            result = max(result, COMPACT_DEFERRED)
            continue
        status = compact_zone_order(zone, order, gfp, priority, captured)
        result = max(result, status)
        if status == COMPACT_SUCCESS:
            compaction_defer_reset(zone, order, False)
            break
        if priority != COMPACT_PRIO_ASYNC and status in (COMPACT_COMPLETE, COMPACT_PARTIAL_SKIPPED):
            defer_compaction(zone, order)
    return result


def compact_node(node: Node) -> None:
    """Compact every zone of a node as far as it goes (a write to /sys/devices/system/node/nodeN/compact)."""
    for zone in node.zones:
        if zone.present_pages:
            compact_zone(zone, CompactControl(zone, -1, GFP_KERNEL, MIGRATE_SYNC, ignore_skip_hint=True, whole_zone=True))


def compact_memory(vm: VM) -> None:
    """Compact every node as far as it goes (a write to /proc/sys/vm/compact_memory)."""
    if vm.userspace is not None:
        vm.userspace.lru_add_drain_all()
    for node in vm.nodes:
        compact_node(node)


# --- deferral: a zone that failed at an order lets the next ``1 << compact_defer_shift`` attempts there pass, less one ---

COMPACT_MAX_DEFER_SHIFT = 6


def defer_compaction(zone: Zone, order: int) -> None:
    """An attempt at ``order`` failed: wait twice as long as last time, 64 attempts at most."""
    zone.compact_considered = 0
    zone.compact_defer_shift = min(zone.compact_defer_shift + 1, COMPACT_MAX_DEFER_SHIFT)
    zone.compact_order_failed = min(zone.compact_order_failed, order)


def compaction_deferred(zone: Zone, order: int) -> bool:
    """Whether this attempt must wait; counts it. Orders below the one that failed never wait."""
    if order < zone.compact_order_failed:
        return False
    limit = 1 << zone.compact_defer_shift
    zone.compact_considered = min(zone.compact_considered + 1, limit)
    return zone.compact_considered < limit


def compaction_defer_reset(zone: Zone, order: int, alloc_success: bool) -> None:
    """Compaction reached ``order``; with ``alloc_success`` the allocation got its block too, and the back-off ends."""
    if alloc_success:
        zone.compact_considered = 0
        zone.compact_defer_shift = 0
    zone.compact_order_failed = max(zone.compact_order_failed, order + 1)


def compaction_restarting(zone: Zone, order: int) -> bool:
    """Whether this is the attempt that follows the longest wait, so that old hints are worth nothing."""
    return (
        order >= zone.compact_order_failed
        and zone.compact_defer_shift == COMPACT_MAX_DEFER_SHIFT
        and zone.compact_considered >= 1 << COMPACT_MAX_DEFER_SHIFT
    )


__all__ = [
    "COMPACT_CLUSTER_MAX",
    "COMPACT_COMPLETE",
    "COMPACT_CONTENDED",
    "COMPACT_CONTINUE",
    "COMPACT_DEFERRED",
    "COMPACT_NOT_SUITABLE_ZONE",
    "COMPACT_NO_SUITABLE_PAGE",
    "COMPACT_PARTIAL_SKIPPED",
    "COMPACT_PRIO_ASYNC",
    "COMPACT_PRIO_SYNC_FULL",
    "COMPACT_PRIO_SYNC_LIGHT",
    "COMPACT_RESULT_NAMES",
    "COMPACT_SKIPPED",
    "COMPACT_SUCCESS",
    "CompactControl",
    "compact_finished",
    "compact_gap",
    "compact_memory",
    "compact_node",
    "compact_zone",
    "compact_zone_order",
    "compaction_suitable",
    "reset_cached_positions",
    "reset_isolation_suitable",
    "try_to_compact_pages",
]
