"""Where the ``mapping`` of a page leads to (mm/util.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.mm.page_flags import PAGE_MAPPING_ANON, PAGE_MAPPING_FLAGS, PG_slab, PG_swapbacked, PG_swapcache

if TYPE_CHECKING:
    from movable.mm.address_space import AddressSpace
    from movable.mm.page import Page


def page_mapping(page: Page) -> AddressSpace | None:
    """What ``mapping`` leads to, with the tag masked off; None for slab, anonymous and unmarked pages.

    Stable only under the page lock.
    """
    if page.seam is not None:
        page.seam.peek(page, "mapping")
    flags = page._flags
    if flags >> PG_slab & 1:
        return None
    if flags >> PG_swapbacked & 1 and flags >> PG_swapcache & 1:
        return page.vm.swap_space
    word = page._mapping
    if word & PAGE_MAPPING_ANON:
        return None
    return page.vm.address_spaces.get(word & ~PAGE_MAPPING_FLAGS)
