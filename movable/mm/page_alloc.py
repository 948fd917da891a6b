"""Handing out and taking back pages (mm/page_alloc.c).

The fast path takes a block from the first zone that stays above its low watermark. What happens when there is none is
in page_alloc_slowpath.py. A page that comes back in a state that would hurt its next owner is kept out of circulation for
ever.
"""

from __future__ import annotations

from errno import ENOMEM
from typing import TYPE_CHECKING

from movable.errors import SleepInAtomic, UsageError
from movable.mm.buddy import free_one_page, move_freepages_block, rmqueue
from movable.mm.gfp import (
    GFP_COMP,
    GFP_DIRECT_RECLAIM,
    GFP_MOVABLE,
    GFP_ZERO,
    MAX_ORDER,
    MIGRATE_CMA,
    MIGRATE_HIGHATOMIC,
    MIGRATE_ISOLATE,
    PAGE_ALLOC_COSTLY_ORDER,
    gfp_names,
)
from movable.mm.list import ListHead
from movable.mm.mmzone import ALLOC_CMA, ALLOC_HARDER, ALLOC_NO_WATERMARKS, WMARK_LOW, Zone
from movable.mm.page import (
    FIELD_POISON,
    MAPPED,
    PAGE_POISON,
    PAGE_SIZE,
    Page,
)
from movable.mm.page_alloc_watermarks import zone_watermark_ok
from movable.mm.page_flags import (
    ACTIVE,
    HEAD,
    HWPOISON,
    LRU,
    PAGE_MAPPING_FLAGS,
    PG_NAMES,
    UNEVICTABLE,
    PG_active,
    PG_locked,
    PG_lru,
    PG_mlocked,
    PG_private,
    PG_private_2,
    PG_reserved,
    PG_slab,
    PG_unevictable,
    PG_writeback,
)
from movable.mm.seam import held

if TYPE_CHECKING:
    from movable.mm.mmzone import Node
    from movable.mm.vm import VM

REFUSED_AT_FREE = (
    PG_lru,
    PG_locked,
    PG_private,
    PG_private_2,
    PG_writeback,
    PG_reserved,
    PG_slab,
    PG_active,
    PG_unevictable,
    PG_mlocked,
)
"""Flags that say that somebody still uses the page (PAGE_FLAGS_CHECK_AT_FREE)."""
CHECK_AT_FREE = sum(1 << bit for bit in REFUSED_AT_FREE)
LRU_AT_FREE = LRU | ACTIVE | UNEVICTABLE
SPECIAL_AT_FREE = CHECK_AT_FREE | HWPOISON
ZEROS = bytes(PAGE_SIZE)


# --- allocation ---


# The hottest path of the machine: what most requests need is unrolled here, without a call.
def alloc_pages(vm: VM, gfp: int, order: int = 0, nid: int | None = None) -> Page | None:
    """A block of ``1 << order`` frames with one reference, or None (__alloc_pages_nodemask).

    ``nid`` is the preferred node, None (or -1) the first. Raises UsageError for a node or an order that does not
    exist, and for GFP bits that contradict each other; SleepInAtomic where the request may wait and a spin lock is
    held.
    """
    try:
        context = vm.nodes[nid if nid and nid > 0 else 0].contexts[gfp]
    except (KeyError, IndexError):
        context = preferred_node(vm, nid).context(gfp)
    if order or vm.seam is not None or vm._task.atomic:
        return _alloc_block(vm, gfp, order, preferred_node(vm, nid))
    # Order 0 and nobody watching: the same as get_page_from_freelist and prep_new_page, unrolled.
    candidates, migratetype, zero = context.fast
    for zone, floor in candidates:
        if zone.nr_free <= floor:
            continue
        blocks = zone.free_lists[migratetype]
        if blocks:
            pfn = blocks.popitem()[0]
            del zone.buddy[pfn]
            zone.nr_free -= 1
        else:
            pfn = rmqueue(zone, 0, migratetype)
            if pfn < 0:
                continue
        page = vm.pages.get(pfn) or _first_use(vm, zone, pfn)
        if page._flags:
            if not check_new_pages(page, 0):
                return alloc_pages(vm, gfp, order, nid)
            prep_new_page(page, 0, gfp)
        else:
            page._refcount = 1
            page._mapcount = -1
            page._mapping = page._private = page._index = page.order = 0
            lru = page._lru
            if lru.next is not lru:
                _fresh_node(page)
        if zero and page._state & MAPPED:
            vm.map_page(page)[:] = ZEROS
        zone.pgalloc += 1
        return page
    return None if context.exhausted() and not vm._task.memalloc else _alloc_block(vm, gfp, 0, preferred_node(vm, nid))


def _first_use(vm: VM, zone: Zone, pfn: int) -> Page:
    """The page of a frame that nobody used before; made here, for an exception costs as much as the page."""
    page = vm.pages[pfn] = vm.page_class(pfn, zone, vm, None)
    return page


def preferred_node(vm: VM, nid: int | None) -> Node:
    """The node to begin with, the first for None and -1. Raises UsageError for one that does not exist."""
    number = nid if nid and nid > 0 else 0
    if number >= len(vm.nodes):
        raise UsageError(f"node {nid} does not exist; use 0 to {len(vm.nodes) - 1}")
    return vm.nodes[number]


def _alloc_block(vm: VM, gfp: int, order: int, node: Node) -> Page | None:
    """Any order, watched or not: the low watermark first, then whatever the request allows."""
    if not 0 <= order < MAX_ORDER:
        raise UsageError(f"order {order} does not exist; use 0 to {MAX_ORDER - 1}")
    _prepare(vm, gfp)
    page = get_page_from_freelist(vm, node, gfp, order, WMARK_LOW, 0)
    if page is None:
        from movable.mm.page_alloc_slowpath import alloc_pages_slowpath

        page = alloc_pages_slowpath(vm, node, gfp, order)
        if page is None and vm.seam is not None:
            vm.seam.alloc_failed()
        if page is None and order > PAGE_ALLOC_COSTLY_ORDER:
            from movable.mm.obstacles import note_failure

            note_failure(vm, "block", 0, 0, -ENOMEM, order)
    return page


def _prepare(vm: VM, gfp: int) -> None:
    """A scheduling point, an event for allocations inside a callback, and might_sleep (prepare_alloc_pages)."""
    if vm.seam is not None:
        vm.seam.alloc_pages(gfp)
    task = vm.current
    if task.atomic and gfp & GFP_DIRECT_RECLAIM:
        what = f"{task.name} allocates with {gfp_names(gfp)} while it holds {held(task)}"
        raise SleepInAtomic("D48", what, "no spin lock held, or a gfp such as GFP_ATOMIC")


def get_page_from_freelist(
    vm: VM, node: Node, gfp: int, order: int, mark: int, alloc_flags: int
) -> Page | None:
    """Try every zone of the zonelist once (get_page_from_freelist).

    ``mark`` says which watermark must hold, unless ALLOC_NO_WATERMARKS. A success with ALLOC_HARDER reserves the
    pageblock.
    """
    context = node.context(gfp)
    migratetype = context.migratetype
    if gfp & GFP_MOVABLE:
        alloc_flags |= ALLOC_CMA
    for zone in context.zones:
        if not alloc_flags & ALLOC_NO_WATERMARKS and not zone_watermark_ok(
            zone, order, zone.watermark[mark], context.classzone, alloc_flags
        ):
            continue
        pfn = rmqueue(zone, order, migratetype, alloc_flags)
        while pfn >= 0:
            page = vm.page(pfn)
            if check_new_pages(page, order):
                zone.pgalloc += 1 << order
                prep_new_page(page, order, gfp)
                if order and alloc_flags & ALLOC_HARDER:
                    reserve_highatomic_pageblock(zone, pfn)
                return page
            pfn = rmqueue(zone, order, migratetype, alloc_flags)
    return None


def check_new_pages(page: Page, order: int) -> bool:
    """Whether a block that left the free lists can be handed out (check_new_pages).

    A block with poisoned hardware in it is lost: all its frames land in ``vm.bad_pages``.
    """
    if not order and not page._flags & HWPOISON:
        return True
    frames = range(page.pfn, page.pfn + (1 << order))
    pages = page.vm.pages
    if not any(pfn in pages and pages[pfn]._flags & HWPOISON for pfn in frames):
        return True
    page.vm.bad_pages += [(pfn, "flag hwpoison set") for pfn in frames]
    return False


def prep_new_page(page: Page, order: int, gfp: int = 0) -> None:
    """Make the first frame of a block that left the free lists ready for an owner (prep_new_page).

    It gets one reference and fresh fields. With __GFP_ZERO the content becomes zeros, with __GFP_COMP a larger block a
    compound page. The other frames stay without references.
    """
    if page.seam is not None:
        page.seam.prep_new_page(page, order, gfp)
    page._flags = 0
    page._refcount = 1
    page._mapcount = -1
    page._mapping = 0
    page._private = 0
    page._index = 0
    page.order = order
    if page._lru.next is not page._lru:
        _fresh_node(page)
    if order and gfp & GFP_COMP:
        page._flags = HEAD
    if gfp & GFP_ZERO:
        _clear_block(page, order)


def _fresh_node(page: Page) -> None:
    """A node that is still linked is left behind, so that whoever walks that list is caught."""
    lru = page._lru
    if lru.list is None:
        lru.next = lru.prev = lru
    else:
        page._lru = ListHead("lru", page)


def _clear_block(page: Page, order: int) -> None:
    pages = page.vm.pages
    for pfn in range(page.pfn, page.pfn + (1 << order)):
        part = pages.get(pfn)
        if part is not None and part._state & MAPPED:
            part.vm.map_page(part)[:] = ZEROS


# --- free ---


# Unrolled as alloc_pages is, for the same reason.
def free_pages_ok(vm: VM, page: Page) -> None:
    """Take back a block whose last reference is gone (__free_pages_ok)."""
    zone = page.zone
    flags = page._flags
    if flags & LRU_AT_FREE and page.seam is None and vm.userspace is not None:
        vm.userspace.release_lru_page(page)
        flags = page._flags
    if (
        page.order
        or page.seam is not None
        or page._refcount
        or flags & SPECIAL_AT_FREE
        or (page._mapcount != -1 and (page._mapcount > -1 or not vm.types_stay))
    ):
        _free_block(page)
        return
    # An ordinary page and nobody watching: the same as free_pages_prepare and free_one_page, unrolled.
    if page._mapping:
        if not page._mapping & PAGE_MAPPING_FLAGS:
            _free_block(page)
            return
        page._mapping = 0
    page._flags = 0
    page._mapcount = -1
    page._private = page._index = FIELD_POISON
    if page._state & MAPPED and vm.page_poisoning:
        vm.map_page(page)[:] = PAGE_POISON
    zone.pgfree += 1
    pfn = page.pfn
    buddy = zone.buddy
    if buddy.get(pfn ^ 1, 8) < 8:
        free_one_page(zone, pfn, 0)  # the other half is free too
        return
    migratetype = zone.pageblocks[(pfn >> zone.pageblock_order) - zone.base]
    if migratetype != MIGRATE_ISOLATE:
        zone.nr_free += 1
    buddy[pfn] = migratetype
    blocks = zone.free_lists[migratetype]
    blocks[pfn] = None
    if 8 <= buddy.get(pfn & ~1 ^ 2, 0) < 16:
        blocks.move_to_end(pfn, False)


def _free_block(page: Page) -> None:
    if page.seam is not None:
        page.seam.free_pages(page)
    if page.vm.userspace is not None and page._flags & LRU_AT_FREE:
        page.vm.userspace.release_lru_page(page)
    if free_pages_prepare(page):
        order = page.order
        page.order = 0
        page.zone.pgfree += 1 << order
        free_one_page(page.zone, page.pfn, order)


def free_pages_prepare(page: Page) -> bool:
    """Check and wipe a block that is about to be freed; False when it must not be used again (free_pages_prepare).

    A movable tag goes first, then the page is judged as ``free_pages_check`` does. A bad one lands in ``vm.bad_pages``.
    """
    seam = page.seam
    if seam is not None:
        seam.event("free_page", page, order=page.order)
    if page._flags & HWPOISON and page.vm.era.keeps_poisoned_source:
        return False  # as it is: who retires the frame keeps it
    if page._mapcount < -1 and page.vm.types_stay:
        page._mapcount = -1
    if page._mapping & PAGE_MAPPING_FLAGS:
        if seam is not None:
            seam.change(page, "mapping")  # and scanners look at the tag without holding anything
        page._mapping = 0
    if page._mapping or page._refcount or page._mapcount != -1 or page._flags & CHECK_AT_FREE:
        bad_page(page, free_pages_check(page))
        return False
    _wipe(page)
    if page.order:
        pages = page.vm.pages
        for pfn in range(page.pfn + 1, page.pfn + (1 << page.order)):
            tail = pages.get(pfn)
            if tail is not None:
                _wipe(tail)
    return True


def _wipe(page: Page) -> None:
    """Only PG_hwpoison survives; content and owner fields are poisoned, so that a late use is seen."""
    page._flags &= HWPOISON
    page._private = page._index = FIELD_POISON
    if page._state & MAPPED and page.vm.page_poisoning:
        page.vm.map_page(page)[:] = PAGE_POISON


def free_pages_check(page: Page) -> str:
    """What is wrong with a page that is freed, in words; empty when nothing is (free_pages_check)."""
    if page._mapcount != -1:
        return f"mapcount {page._mapcount} instead of -1"
    if page._mapping:
        return f"mapping {page._mapping:#x} instead of none"
    if page._refcount:
        return f"{page._refcount} references left"
    return ", ".join(f"flag {PG_NAMES[bit]} set" for bit in REFUSED_AT_FREE if page._flags >> bit & 1)


def bad_page(page: Page, reason: str) -> None:
    """Keep the block that a page heads out of circulation and say why (bad_page)."""
    if page.seam is not None:
        page.seam.event("bad_page", page, reason=reason)
    page.vm.bad_pages += [(pfn, reason) for pfn in range(page.pfn, page.pfn + (1 << page.order))]


# --- the reserve for atomic requests ---


def reserve_highatomic_pageblock(zone: Zone, pfn: int) -> None:
    """Keep the pageblock for atomic requests of higher order; at most 1 % of the zone and one pageblock."""
    size = 1 << zone.pageblock_order
    if zone.nr_reserved_highatomic >= zone.managed_pages // 100 + size:
        return
    if zone.pageblock_type(pfn) in (MIGRATE_HIGHATOMIC, MIGRATE_ISOLATE, MIGRATE_CMA):
        return
    zone.reserve_highatomic(size)
    zone.set_pageblock_migratetype(pfn, MIGRATE_HIGHATOMIC)
    move_freepages_block(zone, pfn, MIGRATE_HIGHATOMIC)


def unreserve_highatomic_pageblock(node: Node, gfp: int, force: bool) -> bool:
    """Give a reserved pageblock with free frames to the request's type; the last one of a zone only with ``force``."""
    context = node.context(gfp)
    for zone in context.zones:
        size = 1 << zone.pageblock_order
        if not force and zone.nr_reserved_highatomic <= size:
            continue
        for area in zone.free_area:
            pfn = area.first(MIGRATE_HIGHATOMIC)
            if pfn < 0:
                continue
            if zone.pageblock_type(pfn) == MIGRATE_HIGHATOMIC:
                zone.reserve_highatomic(-min(size, zone.nr_reserved_highatomic))
            zone.set_pageblock_migratetype(pfn, context.migratetype)
            if move_freepages_block(zone, pfn, context.migratetype):
                return True
    return False
