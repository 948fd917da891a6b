"""Closing pageblocks to the allocator, so that a range can be emptied and stays empty (mm/page_isolation.c).

What is free in a closed (MIGRATE_ISOLATE) pageblock is not handed out and does not count as free; what is freed there stays there.
A free block that lies across the edge of the range is cut at the edge, which 4.19 avoids by closing more than it was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from movable.mm.buddy import del_from_free_list, free_one_page, move_freepages_block, pageblock_range
from movable.mm.gfp import (
    GFP_HIGHMEM,
    GFP_MOVABLE,
    GFP_RETRY_MAYFAIL,
    GFP_THISNODE,
    GFP_USER,
    MAX_ORDER,
    MIGRATE_CMA,
    MIGRATE_ISOLATE,
    ZONE_MOVABLE,
)
from movable.mm.page_flags import (
    PAGE_MAPPING_FLAGS,
    PAGE_MAPPING_MOVABLE,
    PG_lru,
    PG_reserved,
)

if TYPE_CHECKING:
    from movable.mm.mmzone import Zone
    from movable.mm.page import Page
    from movable.mm.vm import VM


def zone_lock_point(vm: VM) -> None:
    """Where the kernel takes ``zone->lock``: another task may run before, and none until the free lists agree again."""
    if vm.seam is not None:
        vm.seam.point("aw", ("buddy",))


def covering_free_block(zone: Zone, pfn: int, order: int = 0) -> int:
    """The first frame of the free block of at least ``order`` that holds ``pfn``, -1 when there is none."""
    for size in range(order, MAX_ORDER):
        head = pfn >> size << size
        if zone.buddy_order(head) >= size:
            return head
    return -1


def is_offline(zone: Zone, pfn: int) -> bool:
    """Whether the pageblock of ``pfn`` was taken offline."""
    return (pfn >> zone.pageblock_order) - zone.base in zone.offline


def change_pageblock_type(zone: Zone, pfn: int, migratetype: int) -> None:
    """Give a pageblock another type, move its free frames to that type's lists, and correct ``nr_free``.

    The caller announces that it takes the zone lock.
    """
    order = zone.pageblock_order
    head = covering_free_block(zone, pfn, order)
    was_isolated = zone.pageblock_type(pfn) == MIGRATE_ISOLATE
    if head >= 0:
        # Freed again in pageblocks, each part lands on its own type's list and merges as far as types allow.
        frames = 1 << del_from_free_list(zone, head)
        zone.nr_free -= 0 if was_isolated else frames
        zone.set_pageblock_migratetype(pfn, migratetype)
        for block in range(head, head + frames, 1 << order):
            free_one_page(zone, block, order)
        return
    zone.set_pageblock_migratetype(pfn, migratetype)
    moved = move_freepages_block(zone, pfn, migratetype)
    zone.nr_free += moved * (was_isolated - (migratetype == MIGRATE_ISOLATE))


def has_unmovable_pages(zone: Zone, pfn: int, migratetype: int) -> bool:
    """Whether something in the pageblock of ``pfn`` looks as if it would stay there for ever.

    A lockless look: a tag left by an owner who let go of the page passes for movable, and a frame without references for
    nothing at all. A CMA request believes a CMA pageblock unseen. Mirrors mm/page_alloc.c, has_unmovable_pages.
    """
    if migratetype == MIGRATE_CMA and zone.pageblock_type(pfn) == MIGRATE_CMA:
        return False
    pages = zone.vm.pages
    for number in range(*pageblock_range(zone, pfn)):
        page = pages.get(number)
        if page is None or not (page._refcount or page._flags >> PG_reserved & 1):
            continue
        if not _looks_movable(page):
            return True
    return False


def _looks_movable(page: Page) -> bool:
    """The test of PageMovableHint, but as it is done under the zone lock: no other task runs in between."""
    if page._flags >> PG_reserved & 1:
        return False
    return page._mapping & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE or bool(page._flags >> PG_lru & 1)


def start_isolate_page_range(zone: Zone, start: int, end: int, migratetype: int) -> dict[int, int] | None:
    """Close the pageblocks from ``start`` to ``end`` to the allocator; both lie on pageblock boundaries of ``zone``.

    Returns the types that they had, by first frame, for ``undo_isolate_page_range``. None, and nothing has changed, where the
    kernel returns -EBUSY: a pageblock is closed already, or holds something unmovable. Offline pageblocks are left out.
    """
    saved: dict[int, int] = {}
    for pfn in range(start, end, 1 << zone.pageblock_order):
        if is_offline(zone, pfn):
            continue
        zone_lock_point(zone.vm)
        old = zone.pageblock_type(pfn)
        if old == MIGRATE_ISOLATE or has_unmovable_pages(zone, pfn, migratetype):
            undo_isolate_page_range(zone, saved)
            return None
        change_pageblock_type(zone, pfn, MIGRATE_ISOLATE)
        saved[pfn] = old
    return saved


def undo_isolate_page_range(zone: Zone, saved: dict[int, int]) -> None:
    """Open the pageblocks again, with the types that they had."""
    for pfn, migratetype in saved.items():
        zone_lock_point(zone.vm)
        change_pageblock_type(zone, pfn, migratetype)


# --- targets for pages that must leave a closed range ---


def _new_page_gfp(page: Page) -> int:
    return GFP_USER | GFP_MOVABLE | GFP_RETRY_MAYFAIL | (GFP_HIGHMEM if page.zone.index == ZONE_MOVABLE else 0)


def alloc_migrate_target(page: Page, private: Any) -> Page | None:
    """A target for ``page``, from any node, its own first (the get_new_page of alloc_contig_range and soft offline)."""
    return page.vm.alloc_pages(_new_page_gfp(page), 0, page.zone.node.nid)


def new_node_page(page: Page, private: Any) -> Page | None:
    """A target on another node, the next one first; on its own where there is no other (mm/memory_hotplug.c, new_node_page)."""
    vm, nid = page.vm, page.zone.node.nid
    gfp = _new_page_gfp(page) | GFP_THISNODE
    nodes = vm.nodes[nid + 1 :] + vm.nodes[:nid]
    for node in [node for node in nodes if node.present_pages] or [vm.nodes[nid]]:
        newpage = vm.alloc_pages(gfp, 0, node.nid)
        if newpage is not None:
            return newpage
    return None
