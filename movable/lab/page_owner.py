"""Who allocated the blocks that nobody marked, as the kernel's page_owner remembers it (mm/page_owner.c)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from movable.mm.page_flags import PAGE_MAPPING_FLAGS

if TYPE_CHECKING:
    from movable.mm.page import Page
    from movable.mm.vm import VM


class PageOwner:
    """Remembers for each block that a driver allocated while it was asked for something whose it is, by the block's first frame."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self._blocks: dict[int, tuple[int, int]] = {}
        self._shared: dict[tuple[int, int], tuple[int, int]] = {}  # one of each, for there are as many blocks as frames

    @contextmanager
    def allocating(self, kind: int) -> Iterator[None]:
        """What the machine hands out inside belongs to ``kind``."""
        names = ("alloc_pages", "alloc_page")
        for name in names:
            setattr(self.vm, name, partial(self._allocate, getattr(self.vm, name), kind))
        try:
            yield
        finally:
            for name in names:
                delattr(self.vm, name)

    def _allocate(self, allocate: Any, kind: int, *arguments: Any, **named: Any) -> Page | None:
        page: Page | None = allocate(*arguments, **named)
        if page is not None:
            block = page.order, kind
            self._blocks[page.pfn] = self._shared.setdefault(block, block)
        return page

    def kind_of(self, page: Page, owners: Mapping[int, int]) -> int | None:
        """The kind that has a page in use: by its mark where it has one, else by who allocated it; None for nobody known."""
        if page._mapping:
            return owners.get(page._mapping & ~PAGE_MAPPING_FLAGS)
        order, kind = self._blocks.get(page.pfn, (-1, -1))
        return kind if order == page.order else None
