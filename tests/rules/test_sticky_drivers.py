"""Drivers for kernels whose marks stay: each goes wrong in one way that is wrong there, and the rule that says so."""

from __future__ import annotations

from errno import EAGAIN, EBUSY, ENOMEM
from typing import Any

import pytest
from hypothesis import strategies as st

from movable import (
    GFP_HIGHUSER_MOVABLE,
    VM,
    ClearPageBalloon,
    ClearPageMovable,
    Page,
    PG_owner_priv_1,
    SetPageMovableOps,
    SetPageOffline,
    SetPageZsmalloc,
    UsageError,
    clear_page_flag,
    copy_highpage,
    get_page,
    lock_page,
    put_page,
    set_page_flag,
    trylock_page,
    unlock_page,
)
from movable.contract import Workload, check, handle, operation
from movable.mm.movable_ops import PageMovableOpsIsolated
from movable.mm.page_flags import PG_swapbacked, PG_uptodate


class Boxes:
    """Numbered boxes, a page each: a typed page with a back pointer, and nothing that older kernels want."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.lock = vm.spinlock("boxes")
        self.boxes: dict[int, Page] = {}
        if self.register():
            raise UsageError("the slot is taken (-EBUSY)")

    def register(self) -> int:
        return self.vm.set_movable_ops(self, "offline", "boxes")

    def mark(self, page: Page) -> None:
        SetPageOffline(page)
        SetPageMovableOps(page)

    def fill(self, page: Page, number: int) -> None:
        page.private = number + 1
        self.boxes[number] = page
        self.mark(page)

    def store(self, number: int, data: bytes) -> bool:
        page = self.boxes.get(number)
        if page is None:
            page = self.vm.alloc_page(GFP_HIGHUSER_MOVABLE)
            if page is None:
                return False
            lock_page(page)
            self.fill(page, number)
            unlock_page(page)
        page.data[: len(data)] = data
        return True

    def drop(self, number: int) -> None:
        page = self.boxes[number]
        lock_page(page)
        self.release(page, number)
        unlock_page(page)
        put_page(page)

    def release(self, page: Page, number: int) -> None:
        del self.boxes[number]
        page.private = 0

    def remove(self) -> None:
        for number in list(self.boxes):
            self.drop(number)

    def isolate_page(self, page: Page, mode: int) -> bool:
        return bool(page.private)

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        return self.move(newpage, page) if page.private else 0

    def move(self, newpage: Page, page: Page) -> int:
        copy_highpage(newpage, page)
        get_page(newpage)
        self.fill(newpage, page.private - 1)
        self.retire(page)
        put_page(page)
        return 0

    def retire(self, page: Page) -> None:
        page.private = 0

    def putback_page(self, page: Page) -> None:
        pass


class BoxesWorkload(Workload):
    @operation(number=st.integers(0, 3), data=st.binary(min_size=1, max_size=4))
    def store(self, number: int, data: bytes) -> None:
        if self.driver.store(number, data):
            self.model[number] = data

    @operation(number=handle())
    def drop(self, number: int) -> None:
        self.driver.drop(number)
        del self.model[number]

    def read(self, key: int) -> bytes:
        return bytes(self.driver.boxes[key].data[: len(self.model[key])])


def boxes(**ways: Any) -> type[Boxes]:
    """The driver with some of its ways changed."""
    return type("Odd", (Boxes,), ways)


def flagged(self: Boxes, page: Page, number: int, *bits: int) -> None:
    for bit in bits:
        set_page_flag(page, bit)
    Boxes.fill(self, page, number)


def answers(hurried: int, released: int = 0) -> Any:
    """A migrate callback with an answer for the part in a hurry, and one for a page that is nobody's."""
    return lambda self, newpage, page, mode: (
        released if not page.private else hurried if mode == 0 and hurried else self.move(newpage, page)
    )


def typed_too_early(self: Boxes, newpage: Page, page: Page, mode: int) -> int:
    if page.private and mode == 0:
        self.mark(newpage)
        return -EAGAIN
    return Boxes.migrate_page(self, newpage, page, mode)


def another(self: Boxes, page: Page) -> Page | None:
    return next((other for other in self.boxes.values() if other is not page), None)


def waits_for_another(self: Boxes, newpage: Page, page: Page, mode: int) -> int:
    other = another(self, page) if page.private else None
    if other is not None:
        lock_page(other)
        unlock_page(other)
    return Boxes.migrate_page(self, newpage, page, mode)


def tries_another(self: Boxes, newpage: Page, page: Page, mode: int) -> int:
    other = another(self, page) if page.private else None
    if other is not None and not trylock_page(other):
        return -EAGAIN
    if other is not None:
        unlock_page(other)
    return Boxes.migrate_page(self, newpage, page, mode)


def frees_in_putback(self: Boxes, page: Page) -> None:
    if page.private:
        del self.boxes[page.private - 1]
        put_page(page)


def drops_unlocked(self: Boxes, number: int) -> None:
    page = self.boxes[number]
    self.release(page, number)
    put_page(page)


def drops_two(self: Boxes, page: Page, number: int) -> None:
    Boxes.release(self, page, number)
    if PageMovableOpsIsolated(page):
        put_page(page)


def adopts(target: bool) -> Any:
    """A migrate callback that gives nobody's page a back pointer again, or its target one."""

    def migrate_page(self: Boxes, newpage: Page, page: Page, mode: int) -> int:
        if page.private:
            return self.move(newpage, page)
        (newpage if target else page).private = 9
        return 0

    return migrate_page


def adopts_in_putback(self: Boxes, page: Page) -> None:
    page.private = page.private or 9


def then(way: Any, more: Any) -> Any:
    """What the driver does, and something more with the page."""

    def both(self: Boxes, page: Page, *rest: Any) -> None:
        way(self, page, *rest)
        more(page)

    return both


WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "as it should": ("", {}),
    "a final error in a hurry is asked again": ("", {"migrate_page": answers(-EBUSY)}),
    "-ENOMEM ends that page only": ("", {"migrate_page": answers(-ENOMEM)}),
    "the flags of the swap cache": ("", {"fill": lambda self, *page: flagged(self, *page, PG_swapbacked, PG_owner_priv_1)}),
    "another page is only tried": ("", {"migrate_page": tries_another}),
    "PG_uptodate by hand": ("D7", {"fill": lambda self, *page: flagged(self, *page, PG_uptodate)}),
    "a type without operations": ("D7", {"mark": then(lambda self, page: SetPageZsmalloc(page), SetPageMovableOps)}),
    "no type": ("D7", {"mark": lambda self, page: SetPageMovableOps(page)}),
    "the mark is taken back": ("D19b", {"retire": then(Boxes.retire, ClearPageMovable)}),
    "its bit is cleared": ("D19b", {"retire": then(Boxes.retire, lambda page: clear_page_flag(page, PG_uptodate))}),
    "the type is taken back": ("D19b", {"release": then(Boxes.release, ClearPageBalloon)}),
    "nobody's page is refused": ("D56", {"migrate_page": answers(0, released=-EAGAIN)}),
    "nobody's page is adopted in migrate_page": ("D56", {"migrate_page": adopts(False)}),
    "its target is adopted": ("D56", {"migrate_page": adopts(True)}),
    "nobody's page is adopted in putback_page": ("D56", {"putback_page": adopts_in_putback}),
    "an isolated page is freed": ("D22", {"release": drops_two}),
    "the target is marked before it is sure": ("D58", {"migrate_page": typed_too_early}),
    "put-back frees with the pointer set": ("D59", {"putback_page": frees_in_putback}),
    "a release without the page lock": ("D59", {"drop": drops_unlocked}),
    "-EBUSY is ignored": ("D60", {"register": lambda self: self.vm.set_movable_ops(self, "offline", "boxes") * 0}),
    "another page's lock is waited for": ("D49", {"migrate_page": waits_for_another}),
    "a positive answer": ("D23", {"migrate_page": lambda self, newpage, page, mode: 5 if page.private else 0}),
}
WAYS["the target has a type and no mark"] = (
    "D16", {"fill": lambda self, page, number: (Boxes.fill if number not in self.boxes else untold)(self, page, number)}
)  # fmt: skip


def untold(self: Boxes, page: Page, number: int) -> None:
    page.private = number + 1
    self.boxes[number] = page
    SetPageOffline(page)


@pytest.mark.parametrize("way", WAYS)
def test_one_way(way: str) -> None:
    rule, ways = WAYS[way]
    programs, until = (300, [rule]) if rule else (40, [])
    report = check(boxes(**ways), BoxesWorkload, era="7.3", examples=programs, interleavings=0, isolate=False, until=until)
    assert (rule in report.broken) if rule else not report.broken, report.broken


@pytest.mark.parametrize("era", ["4.19", "6.1"])
def test_kernels_without_slots_refuse_them(era: str) -> None:
    page = VM(era=era).alloc_page()
    assert page is not None
    with pytest.raises(UsageError, match="has no page type zsmalloc"):
        SetPageZsmalloc(page)
    with pytest.raises(UsageError, match="has no SetPageMovableOps; mark pages with SetPageMovable"):
        SetPageMovableOps(page)
    with pytest.raises(UsageError, match="has no set_movable_ops"):
        check(Boxes, BoxesWorkload, era=era, examples=1, interleavings=0, isolate=False)
