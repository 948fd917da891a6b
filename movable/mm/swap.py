"""Where pages of the LRU lists enter the migration loop (mm/swap.c, mm/migrate.c).

Only what non-LRU migration touches is here: the detour of an unmarked target, and waiting for writeback. A page without a
movable mark that is found on a list to migrate is refused, which is what the loop does with a page it cannot handle.
"""

from __future__ import annotations

from errno import EBUSY
from typing import TYPE_CHECKING

from movable.mm.page import PG_lru, PG_writeback, put_page

if TYPE_CHECKING:
    from movable.mm.page import Page


def putback_lru_page(page: Page) -> None:
    """Send ``page`` through the LRU add batch and drop the caller's reference (mm/vmscan.c, putback_lru_page).

    Kernels up to 4.20 do this to a target that its driver left unmarked, or whose source was released: PG_lru shows on a page
    with no mapping, and goes again where the batch drops the last reference.
    """
    page._flags |= 1 << PG_lru
    if page.seam is not None:
        page.seam.event("touch", page, field="flag lru", write=True, changed=1 << PG_lru, list="")
    if page._refcount == 1:
        page._flags &= ~(1 << PG_lru)
    put_page(page)


def unmap_and_move_lru(newpage: Page, page: Page, mode: int) -> int:
    """Refuse a page that is neither movable by a driver nor, in this model, on an LRU list: -EBUSY."""
    return -EBUSY


def wait_on_page_writeback(page: Page) -> None:
    """Sleep until PG_writeback clears. Raises DeadlockError when nobody else runs who could clear it."""
    page.vm.wait(
        ("page", page.pfn, "writeback"),
        lambda: not page._flags >> PG_writeback & 1,
        f"the end of writeback of page {page.pfn}",
    )
