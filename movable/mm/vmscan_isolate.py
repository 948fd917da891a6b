"""Taking pages off the LRU lists, and back: what reclaim and migration begin and end with (mm/vmscan.c).

Whoever isolates a page takes a reference and its PG_lru, and counts it in ``nr_isolated`` of its node until the page is put back or
moved.
"""

from __future__ import annotations

from errno import EBUSY
from typing import TYPE_CHECKING

from movable.mm.page import get_page, put_page
from movable.mm.page_flags import LRU, PAGE_MAPPING_ANON, SWAPBACKED, UNEVICTABLE, PageMovableHint, PG_writeback
from movable.mm.swap import del_page_from_lru_list, lru_cache_add, lruvec, page_is_file_lru

if TYPE_CHECKING:
    from movable.mm.page import Page
    from movable.mm.seam import Seam
    from movable.mm.userspace import Userspace

ISOLATE_ASYNC_MIGRATE, ISOLATE_UNEVICTABLE = 0x4, 0x8


def isolate_lru_page(page: Page) -> int:
    """Take a page off its list, with a reference; the caller counts it in ``nr_isolated``.

    Returns 0, or -EBUSY when it is on no list: in a batch, or somebody else's. Mirrors mm/vmscan.c, isolate_lru_page.
    """
    seam = page.seam
    if seam is not None:
        return _isolate_watched(page, seam)
    if not page._flags & LRU:
        return -EBUSY
    get_page(page)
    del_page_from_lru_list(page)
    return 0


def _isolate_watched(page: Page, seam: Seam) -> int:
    """The flag is tested, cleared and the reference taken in one step, so that only one of two tasks gets the page."""
    seam.isolate_lru_page(page)
    if not page._flags & LRU or not page._refcount:
        return -EBUSY
    page._refcount += 1
    seam.event("isolate_lru_page", page)
    del_page_from_lru_list(page)
    return 0


def isolate_lru_for_compaction(page: Page, mode: int) -> bool:
    """Take a page off its list for compaction, and count it; ``mode`` is a set of ISOLATE_* bits (__isolate_lru_page).

    An unevictable page goes only where the mode says so; who must not wait leaves pages under writeback alone. A page that has
    more references than mappings and its cache explain will not move, and stays.
    """
    flags = page._flags
    if not flags & LRU or (flags & UNEVICTABLE and not mode & ISOLATE_UNEVICTABLE):
        return False
    if mode & ISOLATE_ASYNC_MIGRATE and flags >> PG_writeback & 1:
        return False
    if page._mapping & PAGE_MAPPING_ANON and page._refcount > page._mapcount + 1:
        user = page.vm.userspace
        if user is not None:
            user.lru_tally["refused"] += 1
        return False
    if isolate_lru_page(page):
        return False
    count_isolated(page, 1)
    return True


def count_isolated(page: Page, change: int) -> None:
    """Add to NR_ISOLATED_ANON or NR_ISOLATED_FILE of the page's node."""
    lruvec(page.zone.node).nr_isolated[page_is_file_lru(page)] += change
    if change and page.seam is not None:
        page.seam.event("mod_nr_isolated", page, node=page.zone.node.nid, change=change)


def putback_lru_page(page: Page) -> None:
    """Send ``page`` to the lists through the add batch and drop the caller's reference (mm/vmscan.c, putback_lru_page).

    Kernels up to 4.20 also do this to a target that its driver left unmarked, or whose source was released: PG_lru shows on a
    page that belongs to nobody, and goes again where the batch drops the last reference.
    """
    user = page.vm.userspace
    if user is not None and (page._mapping or page._flags & SWAPBACKED):
        _back_to_lists(user, page)
        return
    page._flags |= LRU
    if page.seam is not None:
        page.seam.event("touch", page, field="flag lru", write=True, changed=LRU, list="")
    if page._refcount == 1:
        page._flags &= ~LRU
    put_page(page)


def _back_to_lists(user: Userspace, page: Page) -> None:
    if page.seam is not None:
        page.seam.event("putback_lru_page", page)
    lru_cache_add(user, page, user.cpu)
    put_page(page)


def end_lru_isolation(page: Page, moving: bool = True) -> None:
    """A page that did not move, unlinked by the caller, goes back to the lists, and counts as isolated no more.

    ``moving`` says that it was to move, and not to be reclaimed.
    That its file was cut off meanwhile does not matter: it goes from the lists with its last reference.
    """
    user = page.vm.userspace
    assert user is not None
    count_isolated(page, -1)
    user.lru_tally["putback"] += moving
    _back_to_lists(user, page)


def release_isolated_lru_page(page: Page, moving: bool = True) -> None:
    """Nobody uses an isolated page any more: it counts as isolated no more, and goes with the caller's reference.

    ``moving`` says that it was to move, and not to be reclaimed.
    """
    count_isolated(page, -1)
    if page.vm.userspace is not None:
        page.vm.userspace.lru_tally["released"] += moving
    if page.seam is not None:
        page.seam.event("released_lru_page", page)


def is_lru_page(page: Page) -> bool:
    """Whether a page on a list to migrate is one of the LRU lists: not a driver's, in a machine that has such pages."""
    return page.vm.userspace is not None and not PageMovableHint(page)


def move_lru_page(newpage: Page, page: Page, mode: int) -> int:
    """Move one locked page of the LRU lists into a locked target (migrate_lru.py); -EBUSY in a machine without such pages."""
    user = page.vm.userspace
    return -EBUSY if user is None else user.move_lru_page(newpage, page, mode)
