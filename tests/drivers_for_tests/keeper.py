"""A driver for the tests of compaction and its kin: it knows what each of its pages must hold, and does as it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import movable
from movable import (
    GFP_HIGHUSER_MOVABLE,
    GFP_MEMALLOC,
    VM,
    AddressSpace,
    ClearPageMovable,
    Page,
    PageIsolated,
    SetPageMovable,
    copy_highpage,
    get_page,
    lock_page,
    page_count,
    put_page,
    unlock_page,
)
from movable.mm.validate import validate_vm


class Keeper:
    """Owns pages and a number in each. ``answer(page)`` is what migratepage returns, ``on_isolate(page)`` runs in isolate_page."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.mapping = vm.address_space(self, "keeper")
        self.pages: dict[Page, int] = {}
        self.isolated: dict[Page, int] = {}
        self.calls: list[tuple[str, int]] = []
        self.answer: Callable[[Page], int] = lambda page: 0
        self.on_isolate: Callable[[Page], object] = lambda page: None
        self.next = 1

    def adopt(self, page: Page) -> Page:
        """Write the next number into a page that the caller allocated, and mark it movable."""
        page.data[:] = self.next.to_bytes(8, "little") * (len(page.data) // 8)
        lock_page(page)
        SetPageMovable(page, self.mapping)
        unlock_page(page)
        self.pages[page] = self.next
        self.next += 1
        return page

    def release(self, page: Page) -> None:
        """Give a page up, isolated or not."""
        lock_page(page)
        ClearPageMovable(page)
        unlock_page(page)
        (self.isolated if page in self.isolated else self.pages).pop(page)
        put_page(page)

    def count(self, callback: str, pfn: int | None = None) -> int:
        """How often a callback was made, for one page or for all."""
        return sum(1 for name, number in self.calls if name == callback and pfn in (None, number))

    def check(self, content: bool = True) -> None:
        """Every page holds its number and one reference, none is isolated, and the machine adds up."""
        assert not self.isolated
        for page, number in self.pages.items():
            assert page_count(page) == 1
            assert not PageIsolated(page)
            assert page.data.tobytes() == number.to_bytes(8, "little") * (len(page.data) // 8)
        validate_vm(self.vm, content=content)

    @movable.hookimpl
    def isolate_page(self, page: Page, mode: int) -> bool:
        self.calls.append(("isolate", page.pfn))
        self.on_isolate(page)
        self.isolated[page] = self.pages.pop(page)
        return True

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        self.calls.append(("migrate", page.pfn))
        rc = self.answer(page)
        if rc:
            return rc
        copy_highpage(newpage, page)
        get_page(newpage)
        SetPageMovable(newpage, mapping)
        ClearPageMovable(page)
        self.pages[newpage] = self.isolated.pop(page)
        put_page(page)
        return 0

    @movable.hookimpl
    def putback_page(self, page: Page) -> None:
        self.calls.append(("putback", page.pfn))
        self.pages[page] = self.isolated.pop(page)


def machine(frames: int, pageblock_order: int = 4, zones: int = 1) -> VM:
    """A machine whose frames are all allocated but not yet anybody's; see ``settle``."""
    return VM(layout=[(nid, "Normal", frames) for nid in range(zones)], pageblock_order=pageblock_order)


def settle(vm: VM, movable_pfns: Iterable[int], pinned: Iterable[int] = ()) -> Keeper:
    """Give exactly these frames to a keeper, make ``pinned`` plain allocations, leave every other frame free."""
    gfp = GFP_HIGHUSER_MOVABLE | GFP_MEMALLOC
    taken: dict[int, Page] = {}
    for _ in range(vm.nr_frames):
        page = vm.alloc_pages(gfp, 0)
        assert page is not None
        taken[page.pfn] = page
    assert len(taken) == vm.nr_frames
    keeper = Keeper(vm)
    for pfn in movable_pfns:
        keeper.adopt(taken.pop(pfn))
    for pfn in pinned:
        taken.pop(pfn)
    for pfn in sorted(taken):
        put_page(taken[pfn])
    return keeper


def free_frames(vm: VM) -> set[int]:
    """The numbers of the frames that are free, without those that were lost."""
    return {pfn + i for zone in vm.zones for pfn, order in zone.free_blocks() for i in range(1 << order)}
