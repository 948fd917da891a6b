"""The dirty page and its way to the disk: who must write it, and that a write is under way (mm/page-writeback.c).

The end of a write is in filemap.py, as in the kernel, and so is waiting for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.mm.fs import file_of
from movable.mm.page_flags import DIRTY, WRITEBACK, change_flags
from movable.mm.rmap import page_mkclean

if TYPE_CHECKING:
    from movable.mm.page import Page


def set_page_dirty(page: Page) -> None:
    """The page holds what the file system has not written yet."""
    change_flags(page, DIRTY, 0)


def clear_page_dirty_for_io(page: Page) -> bool:
    """Take the dirty flag for a write, and every mapping's right to write; False when the page was clean.

    The caller holds the page lock. A process that writes from now on faults, and makes the page dirty again.
    """
    user = page.vm.userspace
    if user is not None and page._mapcount >= 0 and page_mkclean(user, page):
        change_flags(page, DIRTY, 0)
    if not page._flags & DIRTY:
        return False
    change_flags(page, 0, DIRTY)
    mapping = file_of(page)
    if mapping is not None and mapping.watch is not None:
        mapping.watch("write", page)
    if page.seam is not None:
        page.seam.event("clear_page_dirty_for_io", page)
    return True


def set_page_writeback(page: Page) -> None:
    """The write begins; the caller holds the page lock."""
    change_flags(page, WRITEBACK, 0, "writeback")
