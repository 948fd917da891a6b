"""Z09 and Z11: zsmalloc's books, and what it asks the allocator for."""

from __future__ import annotations

from movable import GFP_HIGHUSER_MOVABLE, Page
from movable.contract.museum import Exhibit
from movable.museum.bases.pool import Pool, PoolWorkload


class ForgetsTheZone(Pool):
    def account(self, newpage: Page, page: Page) -> None:
        pass  # one page before, one page after


class AlwaysMovable(Pool):
    def allocation_flags(self) -> int:
        return GFP_HIGHUSER_MOVABLE


class PoolInEveryBuild(PoolWorkload):
    """With compaction in the kernel, and without."""

    variants = ({"migratable": True}, {"migratable": False})
    zone_counters = ()


EXHIBITS = (
    Exhibit(
        id="Z09",
        slug="zs-zone-stat",
        year=2019,
        commit="ac8f05da5174",
        layer="driver zsmalloc",
        title="the count of a zone's pages stays behind when a page moves to another zone",
        story="""
            Allocation adds one to the counter of the page's zone, and freeing takes one from the counter of the zone that the
            page is in by then. Migration in between may have moved it: one zone's counter grows for ever, another's goes below
            zero. Compaction stays inside a zone and never shows it; offlining and NUMA do.
        """,
        fix="In migratepage, when the zones differ, take one from the old zone's counter and add one to the new one's.",
        rules=("D40",),
        broken=ForgetsTheZone,
        twin=Pool,
        workload=PoolWorkload,
    ),
    Exhibit(
        id="Z11",
        slug="zs-gfp-movable-lie",
        year=2025,
        commit="694d6b99923e",
        layer="driver zsmalloc",
        title="movable memory is asked for in a kernel that cannot move it",
        story="""
            In a kernel without compaction the function that marks a page does nothing. The pool still asks for movable memory,
            and its pages go where only movable pages may lie. There they stay: memory cannot be taken offline, and contiguous
            allocations fail.
        """,
        fix="Ask for movable memory only where the pages will be marked.",
        rules=("D45",),
        broken=AlwaysMovable,
        twin=Pool,
        workload=PoolInEveryBuild,
    ),
)
