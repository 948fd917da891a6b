"""S01, S03, S04 and S07: the same callback in file systems."""

from __future__ import annotations

from movable import PAGE_SIZE, Page, PG_private, test_page_flag
from movable.contract.museum import Exhibit
from movable.museum.bases.buffers import Buffers, BuffersWorkload

PIECE = PAGE_SIZE // 4


class LeavesTheFlag(Buffers):
    def move_private(self, newpage: Page, page: Page) -> None:
        newpage.private = page.private
        page.private = 0


class CountsAReferenceThatNobodyTook(Buffers):
    def expected(self, page: Page) -> int:
        return 2 + test_page_flag(page, PG_private)


class LeavesTheBudget(Buffers):
    def move_private(self, newpage: Page, page: Page) -> None:
        super().move_private(newpage, page)
        newpage.private = 0


class CopiesInPieces(Buffers):
    """A page is large here: whoever copies it lets others run now and then."""

    def copy(self, newpage: Page, page: Page) -> None:
        self.copy_in_pieces(newpage, page)

    def copy_in_pieces(self, newpage: Page, page: Page) -> None:
        for start in range(0, PAGE_SIZE, PIECE):
            newpage.data[start : start + PIECE] = page.data[start : start + PIECE]
            self.vm.wait(("copy", page.pfn), lambda: True, "its turn to go on copying")


class CopiesUnderTheLock(CopiesInPieces):
    def copy(self, newpage: Page, page: Page) -> None:
        with self.lock:
            self.copy_in_pieces(newpage, page)


EXHIBITS = (
    Exhibit(
        id="S01",
        slug="ubifs-private-flag",
        year=2016,
        layer="fs ubifs",
        title="the flag that says that a page has private data stays on the old page",
        story="""
            The file system brings no migratepage of its own, and the core's copies the bytes and the flags that all file
            systems share. What PG_private means to this one it cannot know. The new page has lost its budget, and the old one is
            freed with a flag that the allocator does not accept.
        """,
        fix="A callback of its own that moves the flag too.",
        rules=("D20",),
        broken=LeavesTheFlag,
        twin=Buffers,
        workload=BuffersWorkload,
    ),
    Exhibit(
        id="S03",
        slug="iomap-private-ref",
        year=2018,
        commit="8e47a457321c",
        layer="fs iomap",
        title="a page with private data is expected to have one reference more than it has",
        story="""
            By an unwritten rule private data counts as a reference, and whoever moves a page expects to find it. A new
            implementation of private data did not take that reference. The count never matches, every attempt says that it will
            do later, and no page ever moves.
        """,
        fix="Take a reference when private data is attached; here, do not expect one.",
        rules=("D50",),
        broken=CountsAReferenceThatNobodyTook,
        twin=Buffers,
        workload=BuffersWorkload,
    ),
    Exhibit(
        id="S04",
        slug="hugetlb-private-dropped",
        year=2019,
        layer="fs hugetlbfs",
        title="the budget of a page is not carried over",
        story="""
            A page's private field says to which budget its price goes back when it is freed. Migration forgets the field. The
            new page is freed some day, and nothing is paid back: the file system fills up with nothing.
        """,
        fix="Carry the field over.",
        rules=("D44",),
        broken=LeavesTheBudget,
        twin=Buffers,
        workload=BuffersWorkload,
    ),
    Exhibit(
        id="S07",
        slug="bh-sleep-in-atomic",
        year=2025,
        commit="2d900efff915",
        layer="core buffer migration",
        title="a large page is copied under a spin lock",
        story="""
            To close a race with readers the copy was put under the lock that they take. That lock spins, and to copy a large
            page takes so long that the copy lets others run in between.
        """,
        fix="Hold the lock for the check alone, and keep readers out by other means; here, the page lock.",
        rules=("D48",),
        broken=CopiesUnderTheLock,
        twin=CopiesInPieces,
        workload=BuffersWorkload,
    ),
)
