"""C04, C06 and C07: a core that counts wrongly what it has isolated."""

from __future__ import annotations

from hypothesis import strategies as st

from movable import (
    ClearPageIsolated,
    Page,
    PageMovableHint,
    SetPageIsolated,
    isolate_movable_page,
    list_add,
    mod_node_page_state,
)
from movable.contract import operation
from movable.contract.museum import Exhibit
from movable.mm.compaction_control import COMPACT_CLUSTER_MAX, CompactControl
from movable.mm.compaction_scan import isolate_migratepages_block
from movable.mm.page_alloc_contig import _migrate_range
from movable.museum.bases.balloon import Balloon, BalloonWorkload
from movable.museum.bases.ring import Ring, RingWorkload

UNSIGNED = 0xFFFFFFFF
"""A count of 32 bits without a sign."""


def set_isolated_and_count(page: Page) -> None:
    mod_node_page_state(page.zone.node, "nr_isolated_file", 1)
    SetPageIsolated(page)


def clear_isolated_and_count(page: Page) -> None:
    mod_node_page_state(page.zone.node, "nr_isolated_file", -1)
    ClearPageIsolated(page)


def reclaim_clean_pages() -> int:
    """How many pages came free that nobody had to move: here, one clean page of the range."""
    return 1


def migrate_range_unsigned(cc: CompactControl, start: int, end: int) -> int:
    node = cc.zone.node
    mod_node_page_state(node, "nr_isolated_file", 1)
    mod_node_page_state(node, "nr_isolated_file", -reclaim_clean_pages() & UNSIGNED)
    return _migrate_range(cc, start, end)


def migrate_range_signed(cc: CompactControl, start: int, end: int) -> int:
    node = cc.zone.node
    mod_node_page_state(node, "nr_isolated_file", 1)
    mod_node_page_state(node, "nr_isolated_file", -reclaim_clean_pages())
    return _migrate_range(cc, start, end)


def isolate_block_of_large_pages(cc: CompactControl, low_pfn: int, end_pfn: int, isolate_mode: int) -> int:
    pfn, pages = low_pfn, cc.migratepages
    while pfn < end_pfn and cc.nr_migratepages != COMPACT_CLUSTER_MAX:
        large = [cc.zone.vm.page(pfn), cc.zone.vm.page(pfn + 1)]
        taken = [page for page in large if PageMovableHint(page) and isolate_movable_page(page, isolate_mode) == 0]
        for page in taken:
            list_add(page.lru, pages)
        cc.nr_migratepages += bool(taken)  # a large page is one page
        pfn += len(large)
    too_many = f"others to put back some of {len(pages)} isolated pages"
    cc.zone.vm.wait(("isolated", cc.zone.name), lambda: len(pages) <= COMPACT_CLUSTER_MAX, too_many)
    return pfn


class LargeBalloon(BalloonWorkload):
    """Large pageblocks, and enough pages to fill a good part of one."""

    frames = 512
    pageblock_order = 6

    @operation(count=st.integers(30, 50))
    def inflate(self, count: int) -> None:
        self.driver.inflate(count)


EXHIBITS = (
    Exhibit(
        id="C04",
        slug="core-nr-isolated-nonlru",
        year=2016,
        commit="6afcf8ef0ca0",
        layer="core compaction",
        title="isolated pages of drivers are counted as isolated LRU pages",
        story="""
            Reclaim waits when more pages are isolated than a part of the LRU lists can explain. Pages of drivers are on no LRU
            list, and were counted all the same. With much compressed memory and few LRU pages, reclaim stands still and waits
            for nothing.
        """,
        fix="Count LRU pages only, at isolation and at both of its ends.",
        rules=("V20",),
        broken=Ring,
        twin=Ring,
        workload=RingWorkload,
        core_patch={SetPageIsolated: set_isolated_and_count, ClearPageIsolated: clear_isolated_and_count},
    ),
    Exhibit(
        id="C06",
        slug="core-stat-width",
        year=2020,
        commit="2da9f6305f30",
        layer="core vmscan",
        title="a count without a sign is negated and widened",
        story="""
            To make room for a contiguous range, clean pages are simply dropped, and their number is taken from a counter. The
            number came back in 32 bits without a sign. Negated and put into 64 bits it is not minus one but four thousand
            million, and whoever waits for the counter to fall waits for ever.
        """,
        fix="Signed numbers of full width on both sides of the call.",
        rules=("V20",),
        broken=Ring,
        twin=Ring,
        workload=RingWorkload,
        core_patch={_migrate_range: migrate_range_unsigned},
        twin_patch={_migrate_range: migrate_range_signed},
    ),
    Exhibit(
        id="C07",
        slug="core-isolate-overrun",
        year=2020,
        commit="38935861d85a",
        layer="core compaction",
        title="the isolating loop steps over its limit, and then waits for itself",
        story="""
            A batch ends when the number of isolated pages equals 32. A large page counted as one, so that far more pages were
            isolated. Then there were too many, and the loop waited for others to put some back; but it was the one that held
            them.
        """,
        fix="Count every page, test for at least 32, and do not wait while holding isolated pages oneself.",
        rules=("V34", "D49"),
        broken=Balloon,
        twin=Balloon,
        workload=LargeBalloon,
        core_patch={isolate_migratepages_block: isolate_block_of_large_pages},
    ),
)
