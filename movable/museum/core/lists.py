"""B01 and C09: a core that takes driver pages for pages of its LRU lists when it puts them back."""

from __future__ import annotations

from movable import (
    ISOLATE_UNEVICTABLE,
    MIGRATE_SYNC,
    MR_MEMORY_HOTPLUG,
    VM,
    ListHead,
    Page,
    get_page_unless_zero,
    isolate_movable_page,
    list_add_tail,
    list_del,
    lock_page,
    migrate_pages,
    page_count,
    put_page,
    unlock_page,
)
from movable.contract.museum import Exhibit
from movable.mm.memory_hotplug import do_migrate_range
from movable.mm.migrate import end_isolation, finish_released, putback_movable_page
from movable.mm.page_flags import movable_owner
from movable.mm.page_isolation import new_node_page
from movable.mm.vmscan_isolate import putback_lru_page
from movable.museum.bases.balloon import Balloon, BalloonWorkload
from movable.museum.bases.ring import Ring, RingWorkload


def end_isolation_by_count(page: Page) -> None:
    lock_page(page)
    mapping = movable_owner(page)
    if page_count(page) != 1:  # a driver's page has one reference
        unlock_page(page)
        putback_lru_page(page)
        return
    if mapping is None:
        finish_released(page)
    else:
        putback_movable_page(page)
    unlock_page(page)
    put_page(page)


def migrate_range_of_lru_pages(vm: VM, start_pfn: int, end_pfn: int) -> int:
    source = ListHead("offline source")
    left = 256
    for pfn in range(start_pfn, end_pfn):
        page = vm.pages.get(pfn)
        if page is None or not get_page_unless_zero(page):
            continue
        isolated = not isolate_movable_page(page, ISOLATE_UNEVICTABLE)
        if isolated:
            list_add_tail(page.lru, source)
            left -= 1
        put_page(page)
    failed = migrate_pages(source, new_node_page, None, None, MIGRATE_SYNC, MR_MEMORY_HOTPLUG)
    for page in source:  # what is left goes back as pages of the LRU lists do
        list_del(page.lru)
        put_page(page)
    return 256 - left - failed if failed >= 0 else 0


EXHIBITS = (
    Exhibit(
        id="B01",
        slug="bal-lru-leak",
        year=2013,
        commit="117aad1e9e4d",
        layer="core migrate",
        title="a driver's page is put back on the LRU lists",
        story="""
            The core knew a balloon page by its single reference. But isolation takes a second one, and so the test fails for
            exactly those pages that must be put back. They are put on the LRU lists instead, where reclaim finds pages of
            nobody and crashes.
        """,
        fix="A test that is true of an isolated page too.",
        rules=("V21",),
        broken=Balloon,
        twin=Balloon,
        workload=BalloonWorkload,
        core_patch={end_isolation: end_isolation_by_count},
    ),
    Exhibit(
        id="C09",
        slug="core-callers-assume-lru",
        year=2017,
        layer="core memory_hotplug",
        title="a caller of migrate_pages puts back LRU pages only",
        story="""
            When drivers' pages learned to move, compaction was taught about them. Offlining and memory failure were not: what
            could not be moved they put back as pages of the LRU lists. The driver is never told, and its page stays isolated.
        """,
        fix="Put back every page with putback_movable_pages, which knows all kinds.",
        rules=("V19",),
        broken=Ring,
        twin=Ring,
        workload=RingWorkload,
        core_patch={do_migrate_range: migrate_range_of_lru_pages},
    ),
)
