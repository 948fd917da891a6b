"""Pages that locked areas map: unevictable while there is one (mm/mlock.c). The system calls are in mlock_calls.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.mm.page_flags import MLOCKED, UNEVICTABLE
from movable.mm.swap import set_lru_flags

if TYPE_CHECKING:
    from movable.mm.page import Page
    from movable.mm.userspace import Userspace


def mlock_page(user: Userspace, page: Page) -> None:
    """One more locked area maps the page: it is unevictable while there is one."""
    user.mlock_count[page.pfn] = user.mlock_count.get(page.pfn, 0) + 1
    set_lru_flags(page, page._flags | MLOCKED | UNEVICTABLE)


def munlock_page(user: Userspace, page: Page) -> None:
    """One locked area less maps the page."""
    left = user.mlock_count.pop(page.pfn, 1) - 1
    if left > 0:
        user.mlock_count[page.pfn] = left
    else:
        set_lru_flags(page, page._flags & ~(MLOCKED | UNEVICTABLE))
