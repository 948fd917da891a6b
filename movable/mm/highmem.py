"""The content of whole pages, copied and cleared (include/linux/highmem.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.mm.page import PAGE_SIZE

if TYPE_CHECKING:
    from movable.mm.page import Page


def copy_highpage(to: Page, source: Page) -> None:
    """Copy the 4096 bytes of ``source`` into ``to``."""
    if to.seam is None:
        to.vm.copy_frame(to, source)
    else:
        to.vm.map_page(to)[:] = to.seam.copy_page(to, source)


def clear_highpage(page: Page) -> None:
    """Fill the page with zeros."""
    if page.seam is not None:
        page.seam.write_data(page)
    page.vm.map_page(page)[:] = bytes(PAGE_SIZE)
