"""Drivers for runs: one that is right, and others that are wrong in one way each."""

from __future__ import annotations

from errno import EAGAIN, EINVAL, ENOMEM
from typing import Any

import movable
from movable import GFP_HIGHUSER_MOVABLE, GFP_KERNEL, MIGRATE_SYNC_NO_COPY, VM, AddressSpace, ListHead, Page
from movable.mm.page_flags import SetPageIsolated
from movable_zsmalloc import Zsmalloc


class Pages:
    """Pages on a list; takes part in a run through ``populate``."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.held = ListHead("held")
        self.mapping = vm.address_space(self)

    def hold(self, page: Page) -> None:
        movable.list_add(page.lru, self.held)
        movable.SetPageMovable(page, self.mapping)

    def populate(self, count: int) -> Any:
        for got in range(count):
            page = self.vm.alloc_page(GFP_HIGHUSER_MOVABLE)
            if page is None:
                return got
            movable.lock_page(page)
            self.hold(page)
            movable.unlock_page(page)
        return count

    @movable.hookimpl
    def isolate_page(self, page: Page, mode: int) -> Any:
        movable.list_del(page.lru)
        return True

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> Any:
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        movable.copy_highpage(newpage, page)
        movable.get_page(newpage)
        self.hold(newpage)
        movable.ClearPageMovable(page)
        movable.put_page(page)
        return 0

    @movable.hookimpl
    def putback_page(self, page: Page) -> None:
        movable.list_add(page.lru, self.held)


class Blocks(Pages):
    """A cache of unmovable blocks of order 6, as a file system has for its nodes; none of them is marked."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.blocks: list[Page] = []

    def populate(self, count: int) -> int:
        got = 0
        while got + 64 <= count and (page := self.vm.alloc_pages(GFP_KERNEL, 6)) is not None:
            self.blocks.append(page)
            got += 64
        return got


class Late(Pages):
    """Makes its address space when it is first asked for pages."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.held = ListHead("held")

    def populate(self, count: int) -> Any:
        if not hasattr(self, "mapping"):
            self.mapping = self.vm.address_space(self)
        return super().populate(count)


class Removable(Pages):
    """Goes when it is told to, but for ``kept`` pages."""

    kept = 0

    def remove(self) -> None:
        for number, page in enumerate(self.held):
            if number < self.kept:
                continue
            movable.lock_page(page)
            movable.list_del(page.lru)
            movable.ClearPageMovable(page)
            movable.unlock_page(page)
            movable.put_page(page)


class Leaky(Removable):
    kept = 3


class KeepsOne(Pages):
    """Has a page of its own that it never marks, as for a header."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.header = vm.alloc_page(movable.GFP_KERNEL)


class MarksLater(Pages):
    """Marks every second page at once, and of the others one at every fourth migration."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.later: list[Page] = []
        self.moved = 0

    def populate(self, count: int) -> Any:
        for got in range(count):
            page = self.vm.alloc_page(GFP_HIGHUSER_MOVABLE)
            if page is None:
                return got
            self.later.append(page)
            if got % 2:
                self.mark()
        return count

    def mark(self) -> None:
        page = self.later.pop()
        movable.lock_page(page)
        self.hold(page)
        movable.unlock_page(page)

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> Any:
        self.moved += 1
        if self.later and self.moved % 4 == 0:
            self.mark()
        return super().migratepage(mapping, newpage, page, mode)


class KeepsOneAndLeaks(KeepsOne):
    """Forgets the old page of its first three migrations."""

    leaks = 3

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> Any:
        if self.leaks:
            self.leaks -= 1
            movable.get_page(page)
        return super().migratepage(mapping, newpage, page, mode)


class SetsIsolated(Pages):
    """Sets a flag that is the core's business."""

    @movable.hookimpl
    def isolate_page(self, page: Page, mode: int) -> Any:
        SetPageIsolated(page)
        return super().isolate_page(page, mode)


class Idle:
    """Never has a page."""

    def __init__(self, vm: VM) -> None:
        self.mapping = vm.address_space(self)

    def isolate_page(self, page: Page, mode: int) -> bool:
        return False

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return 0

    def putback_page(self, page: Page) -> None:
        pass


class Again(Pages):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> Any:
        return -EAGAIN


class Pinned(Pages):
    def isolate_page(self, page: Page, mode: int) -> Any:
        return False


class ReturnsNone(Pages):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> Any:
        return None


class Raises(Pages):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> Any:
        raise KeyError("no such page")


class Exits(Pages):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> Any:
        raise SystemExit(0)


class IsolatesWithOne(Pages):
    def isolate_page(self, page: Page, mode: int) -> Any:
        return 1


class PutbackRaises(Pages):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> Any:
        return -ENOMEM

    def putback_page(self, page: Page) -> None:
        raise ValueError("not mine\nreally")


class PopulateRaises(Pages):
    def populate(self, count: int) -> Any:
        raise OSError("broken")


class PopulateExits(Pages):
    def populate(self, count: int) -> Any:
        raise SystemExit


class PopulateReturnsNone(Pages):
    def populate(self, count: int) -> Any:
        return None


class PopulateReturnsTooMany(Pages):
    def populate(self, count: int) -> Any:
        return count + 1


class RemoveRaises(Pages):
    def remove(self) -> None:
        raise ZeroDivisionError


class RemoveExits(Pages):
    def remove(self) -> None:
        raise SystemExit(0)


class Quits(BaseException):
    """Nobody who catches exceptions catches this."""


class PopulateQuits(Pages):
    def populate(self, count: int) -> Any:
        raise GeneratorExit


class RemoveQuits(Pages):
    def remove(self) -> None:
        raise Quits("for good\nreally")


class QuitsWhenMade(Pages):
    def __init__(self, vm: VM) -> None:
        raise Quits("at once")


class ReaderLeft(Pages):
    """Raises what a closed pipe raises."""

    def remove(self) -> None:
        raise BrokenPipeError(32, "Broken pipe")


class KeepsALock(Pages):
    """Leaves a page locked behind."""

    def populate(self, count: int) -> Any:
        page = self.vm.alloc_page(GFP_HIGHUSER_MOVABLE)
        assert page is not None
        movable.lock_page(page)
        return 0


class NotMade(Pages):
    def __init__(self, vm: VM) -> None:
        raise RuntimeError("not today")


class ExitsWhenMade(Pages):
    def __init__(self, vm: VM) -> None:
        raise SystemExit(0)


class Corrupts(Zsmalloc):
    """Loses the last bytes of every fifth page that it moves; objects' headers never lie there."""

    moved = 0

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        rc = super().migratepage(mapping, newpage, page, mode)
        self.moved += 1
        if rc == 0 and self.moved % 5 == 0:
            newpage.data[-8:] = bytes(8)
        return rc


class ReadQuits(Zsmalloc):
    """What it stores cannot be read back."""

    def read(self, *arguments: Any, **options: Any) -> Any:
        if self.quitting:
            raise Quits("unreadable")
        return super().read(*arguments, **options)

    quitting = False

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        self.quitting = True
        return super().migratepage(mapping, newpage, page, mode)


class CorruptsAndRaises(Corrupts):
    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        rc = super().migratepage(mapping, newpage, page, mode)
        if self.moved == 150:
            raise RuntimeError("enough")
        return rc
