"""Invented mistakes with references, lists, and pages that are given up."""

from __future__ import annotations

from movable import VM, AddressSpace, ClearPageMovable, Page, get_page, put_page
from movable.contract.museum import Exhibit
from movable.museum.bases.ring import Ring, RingWorkload


class FreesTheTarget(Ring):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        rc = super().migratepage(mapping, newpage, page, mode)
        if rc:
            put_page(newpage)
        return rc


class KeepsAReference(Ring):
    def count(self, newpage: Page, page: Page) -> None:
        get_page(newpage)


class ForgetsTheIsolation(Ring):
    def forget(self, page: Page) -> None:
        page.private = 0
        self.unshelve(page)
        ClearPageMovable(page)


class Bag(Ring):
    """A ring whose idle pages are in a plain Python list."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.bag: list[Page] = []

    def shelve(self, page: Page) -> None:
        self.bag.append(page)

    def unshelve(self, page: Page) -> None:
        self.bag.remove(page)


class PutsBackTwice(Bag):
    def putback_page(self, page: Page) -> None:
        super().putback_page(page)
        self.bag.append(page)


EXHIBITS = (
    Exhibit(
        id="N23",
        slug="put-back-twice",
        layer="driver",
        title="putback_page appends the page a second time",
        story="""
            Both the base class and the new version of the callback append the page to the list. Whoever empties the list
            later frees the page twice, or gives it to two users.
        """,
        fix="Append it once.",
        kin="akin to B12",
        rules=("D31",),
        broken=PutsBackTwice,
        twin=Bag,
        workload=RingWorkload,
    ),
    Exhibit(
        id="N28",
        slug="frees-the-target",
        layer="driver",
        title="migratepage frees the new page when it fails",
        story="""
            The driver refuses, and cleans up after itself: it drops the new page. But the new page came from the caller,
            who takes it back by itself. The page is freed twice.
        """,
        fix="On failure leave the new page as it came.",
        kin="the other callbacks of file systems do own their target",
        rules=("D27",),
        broken=FreesTheTarget,
        twin=Ring,
        workload=RingWorkload,
    ),
    Exhibit(
        id="N29",
        slug="reference-kept",
        layer="driver",
        title="the owner's reference on the old page is never dropped",
        story="""
            The driver takes its reference on the new page and forgets the one that it has on the old page. The core drops
            its own, one is left, and the old page is never freed.
        """,
        fix="put_page(page) before migratepage returns 0.",
        kin="akin to S03",
        rules=("D18",),
        broken=KeepsAReference,
        twin=Ring,
        workload=RingWorkload,
    ),
    Exhibit(
        id="N30",
        slug="frees-as-if-at-home",
        layer="driver",
        title="a page is given up as if it could not be isolated",
        story="""
            The user drops a slot. The driver unlinks its page, which is what one does with a page on a list. But the page
            is isolated, and the list is the core's, which finds its list cut.
        """,
        fix="Ask PageIsolated under the page lock, and leave lru alone if it is.",
        kin="akin to F11",
        rules=("D12",),
        broken=ForgetsTheIsolation,
        twin=Ring,
        workload=RingWorkload,
    ),
)
