"""Invented mistakes with the movable mark and PG_isolated."""

from __future__ import annotations

from movable import AddressSpace, ClearPageIsolated, ClearPageMovable, Page, SetPageMovable
from movable.contract.museum import Exhibit
from movable.museum.bases.ring import Ring, RingWorkload


class KeepsTheOldMark(Ring):
    def mark(self, mapping: AddressSpace, newpage: Page, page: Page) -> None:
        SetPageMovable(newpage, mapping)


class LeavesTheNewPagePlain(Ring):
    def mark(self, mapping: AddressSpace, newpage: Page, page: Page) -> None:
        ClearPageMovable(page)


class UnmarksWithoutTheLock(Ring):
    def give_up(self, slot: int, page: Page) -> bool:
        with self.lock:
            ours = self.slots[slot] is page
            if ours:
                self.slots[slot] = None
                self.forget(page)
        return ours


class EndsTheIsolationItself(Ring):
    def count(self, newpage: Page, page: Page) -> None:
        ClearPageIsolated(page)
        super().count(newpage, page)


EXHIBITS = (
    Exhibit(
        id="N04",
        slug="old-mark-stays",
        layer="driver",
        title="the old page keeps its mark",
        story="""
            The driver marks the new page and forgets that the old one is marked too. Until its last reference goes, a
            scanner may find it and ask the driver about a page that it no longer has.
        """,
        fix="__ClearPageMovable(page) before migratepage returns 0.",
        kin="akin to Z04",
        rules=("D19",),
        broken=KeepsTheOldMark,
        twin=Ring,
        workload=RingWorkload,
    ),
    Exhibit(
        id="N05",
        slug="new-page-unmarked",
        layer="driver",
        title="the new page is never marked",
        story="""
            Everything works, once. The new page carries no mark, so it can never move again, and the pageblock that it
            lies in can never be emptied. Nothing crashes, and the memory slowly fills with such pages.
        """,
        fix="__SetPageMovable(newpage, mapping), under its lock.",
        kin="akin to Z11",
        rules=("D16",),
        broken=LeavesTheNewPagePlain,
        twin=Ring,
        workload=RingWorkload,
    ),
    Exhibit(
        id="N06",
        slug="unmarked-without-lock",
        layer="driver",
        title="the mark is cleared without the page lock",
        story="""
            The driver gives a page up under its own lock and leaves the page lock out. A core that has just seen the
            mark, under that very lock, goes on with a page whose owner has left.
        """,
        fix="Lock the page around __ClearPageMovable.",
        kin="akin to F01",
        rules=("D21",),
        broken=UnmarksWithoutTheLock,
        twin=Ring,
        workload=RingWorkload,
    ),
    Exhibit(
        id="N22",
        slug="isolated-flag-borrowed",
        layer="driver",
        title="migratepage clears PG_isolated",
        story="""
            The move is done, so the driver tidies up and clears the flag that says who has the page. The flag is the
            core's own book-keeping. What it counts as isolated no longer matches, and it warns.
        """,
        fix="Leave PG_isolated alone.",
        kin="the documents forbid it and the core warns",
        rules=("D30",),
        broken=EndsTheIsolationItself,
        twin=Ring,
        workload=RingWorkload,
    ),
)
