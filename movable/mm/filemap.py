"""Waiting for bits of a page: its lock, and the end of a write to disk (mm/filemap.c, include/linux/pagemap.h).

The page cache, which the kernel has in the same file, is in filemap_cache.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.errors import DeadlockError, VMBug
from movable.mm.page_flags import LOCKED, WAITERS, WRITEBACK, change_flags

if TYPE_CHECKING:
    from movable.mm.page import Page
    from movable.mm.seam import Seam


def trylock_page(page: Page) -> bool:
    """Take the page lock if it is free; never waits."""
    if page.seam is not None:
        page.seam.trylock_page(page)
    flags = page._flags
    if flags & LOCKED:
        return False
    page._flags = flags | LOCKED
    return True


def lock_page(page: Page) -> None:
    """Take the page lock, waiting for it. Raises DeadlockError where the wait could never end."""
    if page.seam is not None:
        _lock_page_watched(page, page.seam)
        return
    if page._flags & LOCKED:
        _await_unlocked(page)
    page._flags |= LOCKED


def _await_unlocked(page: Page) -> None:
    """Nobody else runs: only work of the machine, such as the end of a read, can unlock the page."""
    if not any(queue._items for queue in page.vm.workqueues):
        raise DeadlockError(f"task main waits for the lock of {page!r} for ever: nobody else runs who could unlock it")
    page.vm.wait(("page", page.pfn, "lock"), lambda: not page._flags & LOCKED, f"the page lock of page {page.pfn}")


def _lock_page_watched(page: Page, seam: Seam) -> None:
    """The slow path too: sleepers set PG_waiters, and are woken only by an unlock that sees it."""
    seam.point("lock", ("page", page.pfn, "lock"))
    while page._flags & LOCKED:
        seam.change(page, "flags")
        seam.peek(page, "lock")  # the lock bit is in the same word, and unlocking looks at ours
        if page._flags & LOCKED:
            page._flags |= WAITERS
            _sleep_on_page(page)
    seam.event("lock_page", page)
    page._flags |= LOCKED
    page.lock_owner = seam.task.name


def _sleep_on_page(page: Page) -> None:
    wakes = page.vm.page_wakes
    before = wakes.get(page.pfn, 0)
    page.vm.wait(
        ("page", page.pfn, "lock"),
        lambda: wakes.get(page.pfn, 0) != before,
        f"the page lock of page {page.pfn}, held by {page.lock_owner or 'nobody'}",
        lambda: not page._flags & LOCKED,
    )


def spin_on_page_locked(page: Page) -> None:
    """Wait until the page is unlocked as a loop around ``trylock_page`` and ``cond_resched`` does: no sleeper is queued.

    For who may not touch PG_waiters, which the core loses where it sets PG_isolated without atomic operations. The caller
    holds a reference. Raises DeadlockError where the loop could never end.
    """
    page.vm.wait(("page", page.pfn, "lock"), lambda: not page._flags & LOCKED, f"page {page.pfn} to be unlocked")


def unlock_page(page: Page) -> None:
    """Release the page lock and wake who sleeps for it. Raises VMBug when it is not locked."""
    if page.seam is not None:
        page.seam.unlock_page(page)
    if not page._flags & LOCKED:
        raise VMBug("D29", "unlock_page of an unlocked page", "the page lock to be held", page)
    page._flags &= ~LOCKED


def wait_on_page_writeback(page: Page) -> None:
    """Sleep until PG_writeback clears. Raises DeadlockError when nobody else runs who could clear it."""
    page.vm.wait(
        ("page", page.pfn, "writeback"),
        lambda: not page._flags & WRITEBACK,
        f"the end of writeback of page {page.pfn}",
    )


def end_page_writeback(page: Page) -> None:
    """The write has ended: who waits for it goes on."""
    change_flags(page, 0, WRITEBACK, "writeback")
