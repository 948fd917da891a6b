"""Taking pages in tests: one that must be there, or all that are."""

from __future__ import annotations

from movable.mm.gfp import GFP_KERNEL
from movable.mm.page import Page
from movable.mm.vm import VM


def take_all(vm: VM, gfp: int = GFP_KERNEL, nid: int | None = None) -> list[Page]:
    """Every page that requests of this kind can get."""
    pages: list[Page] = []
    for _ in range(vm.nr_frames + 1):
        page = vm.alloc_page(gfp, nid)
        if page is None:
            return pages
        pages.append(page)
    raise AssertionError("more pages than frames")


def alloc(vm: VM, gfp: int = GFP_KERNEL, order: int = 0, nid: int | None = None) -> Page:
    page = vm.alloc_pages(gfp, order, nid)
    assert page is not None
    return page
