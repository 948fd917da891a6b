"""A small, correct driver for tests: pages on a list, each with its own content."""

from __future__ import annotations

from errno import EINVAL

import movable
from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC_NO_COPY,
    VM,
    AddressSpace,
    ClearPageMovable,
    ListHead,
    Page,
    SetPageMovable,
    copy_highpage,
    get_page,
    list_add_tail,
    list_del,
    lock_page,
    put_page,
    unlock_page,
)


class Ring:
    """Pages on a list. ``answers`` may hold return codes for the next migrate calls; afterwards they succeed."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.pages = ListHead("ring pages")
        self.mapping = vm.address_space(self, "ring")
        self.answers: list[int] = []
        self.calls: list[tuple[str, int]] = []

    def add(self, fill: int = 0, nid: int | None = None) -> Page:
        """Allocate a page, fill it with a byte, mark it movable."""
        page = self.vm.alloc_page(GFP_HIGHUSER_MOVABLE, nid)
        assert page is not None
        page.data[:] = bytes([fill]) * len(page.data)
        lock_page(page)
        page.private = self
        list_add_tail(page.lru, self.pages)
        SetPageMovable(page, self.mapping)
        unlock_page(page)
        return page

    def release(self, page: Page, isolated: bool = False) -> None:
        """Give a page up, at any time (rules D21 and D22)."""
        lock_page(page)
        if not isolated:
            list_del(page.lru)
        page.private = 0
        ClearPageMovable(page)
        unlock_page(page)
        put_page(page)

    @movable.hookimpl
    def isolate_page(self, page: Page, mode: int) -> bool:
        self.calls.append(("isolate", page.pfn))
        list_del(page.lru)
        return True

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        self.calls.append(("migrate", page.pfn))
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        if self.answers:
            return self.answers.pop(0)
        copy_highpage(newpage, page)
        newpage.private = page.private
        list_add_tail(newpage.lru, self.pages)
        get_page(newpage)
        SetPageMovable(newpage, mapping)
        page.private = 0
        ClearPageMovable(page)
        put_page(page)
        return 0

    @movable.hookimpl
    def putback_page(self, page: Page) -> None:
        self.calls.append(("putback", page.pfn))
        list_add_tail(page.lru, self.pages)
