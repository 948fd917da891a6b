"""Whole zspages: their pages come from the allocator, are marked movable, and go back (mm/zsmalloc.c).

A page that somebody else has locked cannot be freed under the class lock, where nobody may sleep. Such a zspage stays on the
EMPTY list until the worker takes it from there. Lock order: page lock, zspage lock, class lock; inside a spin lock a page lock
is only tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable import (
    ClearPageMovable,
    DeadlockError,
    PageMovable,
    PG_owner_priv_1,
    PG_private,
    SetPageMovable,
    clear_page_flag,
    get_page,
    mod_zone_page_state,
    put_page,
    set_page_flag,
    spin_on_page_locked,
    trylock_page,
    unlock_page,
)
from movable_zsmalloc.obj import init_zspage
from movable_zsmalloc.zspage import ZS_EMPTY, Zspage

if TYPE_CHECKING:
    from movable import Page
    from movable_zsmalloc.pool import Pool
    from movable_zsmalloc.zspage import SizeClass

LOCK_TRIES = 10_000
"""How often the worker may find a page of one zspage locked before that counts as endless."""


def alloc_zspage(pool: Pool, size_class: SizeClass, gfp: int) -> Zspage | None:
    """A chain of fresh pages with its free list written, on no list yet; None when a page cannot be had."""
    pages: list[Page] = []
    for _ in range(size_class.pages):
        page = pool.vm.alloc_page(gfp)
        if page is None:
            for taken in pages:
                mod_zone_page_state(taken.zone, "nr_zspages", -1)
                put_page(taken)
            return None
        mod_zone_page_state(page.zone, "nr_zspages", 1)
        pages.append(page)
    zspage = Zspage(size_class, f"{pool.name} zspage {next(pool.zspage_numbers)}", pool)
    create_page_chain(size_class, zspage, pages)
    init_zspage(size_class, zspage)
    return zspage


def create_page_chain(size_class: SizeClass, zspage: Zspage, pages: list[Page]) -> None:
    """Tie the pages together and to their zspage (create_page_chain)."""
    zspage.first_page = first = pages[0]
    set_page_flag(first, PG_private)
    if size_class.huge and pool_marks_huge(zspage):
        set_page_flag(first, PG_owner_priv_1)
    following: Page | None = None
    for page in reversed(pages):
        page.private = zspage
        page.index = following
        following = page


def pool_marks_huge(zspage: Zspage) -> bool:
    """Whether a page flag marks a huge object; later kernels keep the bit in the zspage."""
    return bool(zspage.pool.way.marks_huge)


def set_zspage_movable(pool: Pool, zspage: Zspage) -> None:
    """Mark every page, once everything that the callbacks read is in place (SetZsPageMovable).

    Nobody else knows the page yet, except by its frame number: where such a one has it locked, the page stays unmovable, which
    the contract allows and waiting under the class lock does not.
    """
    for page in zspage.pages():
        if trylock_page(page):
            SetPageMovable(page, pool.mapping)
            unlock_page(page)


def trylock_zspage(zspage: Zspage) -> bool:
    """Lock every page of a zspage, or none."""
    locked: list[Page] = []
    for page in zspage.pages():
        if not trylock_page(page):
            for held in reversed(locked):
                unlock_page(held)
            return False
        locked.append(page)
    return True


def free_zspage(pool: Pool, size_class: SizeClass, zspage: Zspage) -> None:
    """Free an EMPTY zspage that is on its list, or leave it to the worker. The caller holds the class lock."""
    if not trylock_zspage(zspage):
        kick_deferred_free(pool)
        return
    size_class.remove_zspage(zspage)
    free_locked_zspage(pool, size_class, zspage)


def free_locked_zspage(pool: Pool, size_class: SizeClass, zspage: Zspage) -> None:
    """Give back the pages of an unlinked zspage; all are locked (__free_zspage)."""
    for page in list(zspage.pages()):
        reset_page(page)
        unlock_page(page)
        mod_zone_page_state(page.zone, "nr_zspages", -1)
        put_page(page)
    zspage.first_page = None
    size_class.objs_allocated -= size_class.objs
    pool.pages_allocated.add(-size_class.pages)


def reset_page(page: Page) -> None:
    """Take the mark and every trace of the zspage off a locked page, so that the allocator accepts it."""
    if not page.vm.era.sticky_mark and PageMovable(page):
        ClearPageMovable(page)
    clear_page_flag(page, PG_private)
    clear_page_flag(page, PG_owner_priv_1)
    page.private = 0
    page.index = 0


def kick_deferred_free(pool: Pool) -> None:
    """Have the worker free what is EMPTY. Never waits."""
    pool.free_queue.queue_work(pool.free_work)


def async_free_zspage(pool: Pool) -> None:
    """The worker: free every EMPTY zspage that no page of is isolated. May sleep."""
    empty: list[Zspage] = []
    for size_class in pool.size_classes():
        with size_class.lock:
            for zspage in list(size_class.lists[ZS_EMPTY]):
                size_class.remove_zspage(zspage)
                empty.append(zspage)
    for zspage in empty:
        lock_zspage(zspage)
        size_class = zspage.size_class
        with size_class.lock:
            free_locked_zspage(pool, size_class, zspage)


def lock_zspage(zspage: Zspage) -> None:
    """Lock every page of a zspage in chain order, waiting for each.

    The zspage lock keeps the chain from being rebuilt under the walk. It spins, so it is dropped to wait for a page; that page
    may have left the chain by then, so the walk goes on from the last page that is locked, which cannot leave. A sleeper would
    set PG_waiters, which the core can lose when it clears PG_isolated, so the wait is a loop.
    """
    last: Page | None = None
    zspage.lock.read_lock()
    for _ in range(LOCK_TRIES):
        page = _page_after(zspage, last)
        if page is None:
            zspage.lock.read_unlock()
            return
        if trylock_page(page):
            last = page
            continue
        get_page(page)
        zspage.lock.read_unlock()
        spin_on_page_locked(page)
        put_page(page)
        zspage.lock.read_lock()
    zspage.lock.read_unlock()
    raise DeadlockError(f"the pages of {zspage!r} were found locked {LOCK_TRIES} times")


def _page_after(zspage: Zspage, last: Page | None) -> Page | None:
    if last is None:
        return zspage.first_page
    return None if zspage.size_class.huge else last.index


def replace_sub_page(pool: Pool, zspage: Zspage, newpage: Page, page: Page) -> None:
    """Put ``newpage`` in the place of ``page`` in its chain and mark it movable. Both are locked, as are zspage and class."""
    number = zspage.number_of(page)
    newpage.private = zspage
    newpage.index = page.index
    if number == 0:
        set_page_flag(newpage, PG_private)
        zspage.first_page = newpage
    else:
        zspage.page_at(number - 1).index = newpage
    if zspage.size_class.huge and pool_marks_huge(zspage):
        set_page_flag(newpage, PG_owner_priv_1)
    SetPageMovable(newpage, pool.mapping)
