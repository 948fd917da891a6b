"""N07: a driver that follows the old contract in a new kernel, where marks stay."""

from __future__ import annotations

from movable import AddressSpace, ClearPageMovable, Page, PageIsolated, SetPageMovable
from movable.contract.museum import Exhibit
from movable.museum.bases.ring import SLOTS, Ring, RingWorkload


class Sticky(Ring):
    """A mark stays until the page is free; the back pointer alone says whether a page is the ring's."""

    first = 1

    def registered(self) -> AddressSpace:
        error = self.vm.set_movable_ops(self, "zsmalloc", "ring")
        if error:
            raise OSError(-error, "the slot of the page type is taken")
        return self.operations()

    def operations(self) -> AddressSpace:
        found = self.vm.movable_ops_of("zsmalloc")
        assert found is not None
        return found

    def isolate_page(self, page: Page, mode: int) -> bool:
        return bool(page.private) and super().isolate_page(page, mode)

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        return self.migratepage(self.mapping, newpage, page, mode) if page.private else 0

    def putback_page(self, page: Page) -> None:
        if page.private:
            super().putback_page(page)

    def mark(self, mapping: AddressSpace, newpage: Page, page: Page) -> None:
        SetPageMovable(newpage, mapping)

    def forget(self, page: Page) -> None:
        page.private = 0
        if not PageIsolated(page):
            self.unshelve(page)

    def remove(self) -> None:
        for slot in range(SLOTS):
            self.drop(slot)


class TakesTheMarkBack(Sticky):
    def forget(self, page: Page) -> None:
        super().forget(page)
        ClearPageMovable(page)


class HearsNothing(Sticky):
    def registered(self) -> AddressSpace:
        self.vm.set_movable_ops(self, "zsmalloc", "ring")
        return self.operations()


EXHIBITS = (
    Exhibit(
        id="N07",
        slug="mark-taken-back",
        layer="driver",
        title="the mark is cleared, in a kernel where marks stay",
        story="""
            Until 6.16 an owner cleared the mark of a page before it gave it up. Since 6.17 mark and type stay until the page is
            free, and the core no longer looks twice. A driver that was ported without that in mind takes the mark away from under
            the core.
        """,
        fix="Do not clear it: that the back pointer is clear says it all.",
        kin="the other half of N30",
        rules=("D19b",),
        broken=TakesTheMarkBack,
        twin=Sticky,
        workload=RingWorkload,
        era="6.17",
    ),
    Exhibit(
        id="N40",
        slug="busy-not-heard",
        layer="driver",
        title="the answer of set_movable_ops is not looked at",
        story="""
            Since 6.17 operations belong to a page type, and there are two types. Who comes second is told so by -EBUSY. This driver
            goes on, and marks its pages for the operations of somebody else, who is then asked to move what it never had.
        """,
        fix="Give up where the slot is taken.",
        kin="a probe that ignores an error",
        rules=("D60",),
        broken=HearsNothing,
        twin=Sticky,
        workload=RingWorkload,
        era="6.17",
    ),
)
