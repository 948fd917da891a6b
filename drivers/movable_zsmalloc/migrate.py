"""The three callbacks of zsmalloc (mm/zsmalloc.c of 4.19, with the repairs of 5.4).

Lock order: page lock (the core's), zspage lock, class lock, pin bits (tried). ``zspage.isolated`` counts the pages of one zspage
that the core holds; the first takes the zspage off its list, the last puts it back. Both ends of an isolation owe the same
follow-up: an EMPTY zspage goes to the worker, since its page is locked here. The pool's count of isolated zspages drops only
when a callback has nothing more to do with the pool, because that lets the pool's destroyer go on.
"""

from __future__ import annotations

from errno import EAGAIN, EINVAL
from typing import TYPE_CHECKING

from movable import (
    MIGRATE_SYNC_NO_COPY,
    bit_spin_trylock,
    bit_spin_unlock,
    copy_highpage,
    get_page,
    mod_zone_page_state,
    put_page,
)
from movable_zsmalloc.handles import HANDLE_PIN_BIT, PINNED
from movable_zsmalloc.obj import heads_in_page
from movable_zsmalloc.zspage import ZS_EMPTY, get_zspage
from movable_zsmalloc.zspage_alloc import kick_deferred_free, replace_sub_page, reset_page

if TYPE_CHECKING:
    from movable import Page
    from movable_zsmalloc.handles import Handle
    from movable_zsmalloc.pool import Pool
    from movable_zsmalloc.zspage import SizeClass, Zspage


def zs_page_isolate(pool: Pool, page: Page, mode: int) -> bool:
    """Count the page as isolated, and take its zspage off its list; refuse while that is empty or ``zs_compact`` works on it."""
    zspage = get_zspage(page)
    size_class = zspage.size_class
    with size_class.lock:
        if not zspage.inuse or not (zspage.linked or zspage.isolated):
            return False
        if not zspage.isolated:
            pool.isolated.add(1)
            size_class.remove_zspage(zspage)
        zspage.isolated += 1
    return True


def zs_page_migrate(pool: Pool, newpage: Page, page: Page, mode: int) -> int:
    """Copy a page and lead every handle, link and count to the copy.

    Returns 0, -EINVAL when asked not to copy, and -EAGAIN while an object of the zspage is mapped or one that begins in the page
    is pinned. A mapped object is not waited for: where nobody else runs, the one who mapped it never gets to unmap it.
    """
    if mode == MIGRATE_SYNC_NO_COPY:
        return -EINVAL
    zspage = get_zspage(page)
    if not zspage.lock.write_trylock():
        return -EAGAIN
    size_class = zspage.size_class
    done = False
    with size_class.lock:
        pinned = _pin_objects(pool, size_class, zspage, page)
        if pinned is not None:
            copy_highpage(newpage, page)
            for cell in pinned:
                cell.word = cell.form.encode(newpage.pfn, cell.location[1]) | PINNED
            replace_sub_page(pool, zspage, newpage, page)
            get_page(newpage)
            done = _end_isolation(pool, size_class, zspage)
            if newpage.zone is not page.zone:
                mod_zone_page_state(page.zone, "nr_zspages", -1)
                mod_zone_page_state(newpage.zone, "nr_zspages", 1)
            reset_page(page)
            put_page(page)
            for cell in pinned:
                bit_spin_unlock(HANDLE_PIN_BIT, cell)
    zspage.lock.write_unlock()
    if done:
        _forget_isolated(pool)
    return 0 if pinned is not None else -EAGAIN


def zs_page_putback(pool: Pool, page: Page) -> None:
    """The isolation of one page came to nothing; the last one puts the zspage back on its list."""
    zspage = get_zspage(page)
    size_class = zspage.size_class
    with size_class.lock:
        done = _end_isolation(pool, size_class, zspage)
    if done:
        _forget_isolated(pool)


def _pin_objects(pool: Pool, size_class: SizeClass, zspage: Zspage, page: Page) -> list[Handle] | None:
    """Pin every object that begins in a page; None, and nothing pinned, when one of them is in use."""
    pinned: list[Handle] = []
    for _, handle in heads_in_page(size_class, page, zspage.number_of(page)):
        cell = pool.handles[handle]
        if not bit_spin_trylock(HANDLE_PIN_BIT, cell):
            for taken in pinned:
                bit_spin_unlock(HANDLE_PIN_BIT, taken)
            return None
        pinned.append(cell)
    return pinned


def _end_isolation(pool: Pool, size_class: SizeClass, zspage: Zspage) -> bool:
    """One page of the zspage less is isolated; True when it was the last. The caller holds the class lock."""
    zspage.isolated -= 1
    if zspage.isolated:
        return False
    if size_class.insert_zspage(zspage) == ZS_EMPTY:
        kick_deferred_free(pool)
    return True


def _forget_isolated(pool: Pool) -> None:
    """One zspage less is isolated; whoever destroys the pool waits for the last."""
    if pool.isolated.add(-1) == 0 and pool.destroying.read():
        pool.migration_wait.wake_up()
