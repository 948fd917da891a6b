"""N07: a driver that follows the old contract in a new kernel. The machine runs as ever; the rules are those of 6.17."""

from __future__ import annotations

from movable import VM, AddressSpace, ClearPageMovable, Page, PageIsolated, SetPageMovable
from movable.contract.museum import Exhibit
from movable.museum.bases.ring import Ring, RingWorkload


class Sticky(Ring):
    """A mark stays until the page is free, and an isolated page is not given up."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.isolated = 0
        self.at_home = vm.wait_queue("ring pages at home")

    def isolate_page(self, page: Page, mode: int) -> bool:
        self.isolated += 1
        return super().isolate_page(page, mode)

    def publish(self, newpage: Page, page: Page) -> None:
        super().publish(newpage, page)
        self.came_home()

    def putback_page(self, page: Page) -> None:
        super().putback_page(page)
        self.came_home()

    def came_home(self) -> None:
        self.isolated -= 1
        self.at_home.wake_up()

    def mark(self, mapping: AddressSpace, newpage: Page, page: Page) -> None:
        SetPageMovable(newpage, mapping)

    def forget(self, page: Page) -> None:
        page.private = 0
        self.unshelve(page)

    def drop(self, slot: int) -> bool:
        page = self.slots[slot]
        return (page is None or not PageIsolated(page)) and super().drop(slot)

    def remove(self) -> None:
        self.at_home.wait_event(lambda: self.isolated == 0)
        super().remove()


class TakesTheMarkBack(Sticky):
    def forget(self, page: Page) -> None:
        super().forget(page)
        ClearPageMovable(page)


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
        fix="Do not clear it; and do not give up a page that is isolated.",
        kin="the other half of N30",
        rules=("D19b",),
        broken=TakesTheMarkBack,
        twin=Sticky,
        workload=RingWorkload,
        era="6.17",
    ),
)
