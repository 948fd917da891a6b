"""Counts a pool again from its parts: chains, slots, free lists, handles, fullness lists, statistics. For quiescent points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from movable import InvalidState, PageIsolated, PageMovableHint, PG_owner_priv_1, PG_private, page_count, test_page_flag
from movable_zsmalloc.obj import heads_in_page, slot_link
from movable_zsmalloc.zspage import Zspage

if TYPE_CHECKING:
    from movable import Page
    from movable_zsmalloc.pool import Pool
    from movable_zsmalloc.ways import Way
    from movable_zsmalloc.zspage import SizeClass


def validate_pool(pool: Pool) -> None:
    """Check everything that must hold while nothing is going on inside the pool; pages may be isolated.

    Raises InvalidState with every finding.
    """
    findings = list(_findings(pool))
    if findings:
        raise InvalidState(findings)


def _findings(pool: Pool) -> Iterator[str]:
    zspages = _zspages(pool)
    for zspage in zspages:
        yield from _chain(zspage)
        if len(list(zspage.pages())) == zspage.size_class.pages:
            yield from _slots(pool, zspage)
    for size_class in pool.size_classes():
        yield from _class(pool.way, size_class, [zspage for zspage in zspages if zspage.size_class is size_class])
    yield from _sums(pool, zspages)


def _zspages(pool: Pool) -> list[Zspage]:
    """Every zspage that a page of the machine belongs to, isolated ones included."""
    found: dict[Zspage, None] = {}
    for page in pool.vm.pages.values():
        if page_count(page) and isinstance(page.private, Zspage) and page.private.size_class in pool.size_classes():
            found[page.private] = None
    return list(found)


def _chain(zspage: Zspage) -> Iterator[str]:
    pages = list(zspage.pages())
    size_class = zspage.size_class
    if len(pages) != size_class.pages:
        yield f"{zspage!r} has {len(pages)} pages, its class wants {size_class.pages}"
    for number, page in enumerate(pages):
        if page.private is not zspage:
            yield f"{page!r} is in the chain of {zspage!r} and names {page.private!r}"
        if test_page_flag(page, PG_private) != (number == 0):
            yield f"{page!r} is page {number} of its chain, and only the first has PG_private"
        if test_page_flag(page, PG_owner_priv_1) != (size_class.huge and zspage.pool.way.marks_huge):
            yield f"{page!r} of class {size_class.size} has the wrong mark of a huge object"
        if not PageMovableHint(page):
            yield f"{page!r} belongs to {zspage!r} and is not marked movable"


def _slots(pool: Pool, zspage: Zspage) -> Iterator[str]:
    """Allocated and free slots share out the zspage, and handles lead to theirs."""
    size_class = zspage.size_class
    pages = list(zspage.pages())
    used: set[int] = set()
    for number, page in enumerate(pages):
        for obj, handle in heads_in_page(size_class, page, number):
            used.add(obj)
            if handle not in pool.handles:
                yield f"slot {obj} of {zspage!r} names handle {handle:#x}, which is not live"
                continue
            cell = pool.handles[handle]
            if cell.word != size_class.form.encode(page.pfn, obj, size_class.index):
                yield f"slot {obj} of {zspage!r} is in page {page.pfn}, its handle leads to {cell.location}, word {cell.word:#x}"
    free: set[int] = set()
    obj = zspage.freeobj
    while 0 <= obj < size_class.objs and obj not in free:
        free.add(obj)
        obj = slot_link(size_class, zspage, obj)
    if len(used) != zspage.inuse:
        yield f"{zspage!r} counts {zspage.inuse} objects and holds {len(used)}"
    if used & free or len(used) + len(free) != size_class.objs:
        yield f"{zspage!r}: {len(used)} used and {len(free)} free slots, {len(used & free)} of them both; it has {size_class.objs}"


def _class(way: Way, size_class: SizeClass, zspages: list[Zspage]) -> Iterator[str]:
    listed = [zspage for zspages in size_class.lists for zspage in zspages]
    for group, members in enumerate(size_class.lists):
        for zspage in members:
            if zspage.fullness != group or size_class.groups[zspage.inuse] != group:
                yield f"{zspage!r} is on the list {size_class.group_names[group]} with {zspage.inuse} objects"
    for zspage in zspages:
        isolated = sum(1 for page in zspage.pages() if PageIsolated(page))
        if way.counts_isolated and zspage.isolated != isolated:
            yield f"{zspage!r} counts {zspage.isolated} isolated pages, {isolated} of its pages are isolated"
        if (zspage in listed) != zspage.linked or zspage.linked == (way.unlists_isolated and zspage.isolated > 0):
            yield f"{zspage!r}: linked {zspage.linked}, on a list {zspage in listed}, {zspage.isolated} pages isolated"
    if size_class.objs_allocated != len(zspages) * size_class.objs:
        yield f"class {size_class.size}: {size_class.objs_allocated} slots counted, {len(zspages)} zspages"
    if size_class.objs_used != sum(zspage.inuse for zspage in zspages):
        yield f"class {size_class.size}: {size_class.objs_used} objects counted, its zspages hold others"


def _sums(pool: Pool, zspages: list[Zspage]) -> Iterator[str]:
    pages: list[Page] = [page for zspage in zspages for page in zspage.pages()]
    if pool.pages_allocated.read() != len(pages):
        yield f"pool {pool.name} counts {pool.pages_allocated.read()} pages and has {len(pages)}"
    isolated = sum(1 for zspage in zspages if zspage.isolated)
    if pool.way.waits_for_isolated and pool.isolated.read() != isolated:
        yield f"pool {pool.name} counts {pool.isolated.read()} isolated zspages and has {isolated}"
    if len(pool.handles) != sum(zspage.inuse for zspage in zspages):
        yield f"pool {pool.name} has {len(pool.handles)} handles, and its zspages hold others"
    here = Counter(page.zone for page in pages)
    for zone in pool.vm.zones:
        if zone.vmstat["nr_zspages"] < here[zone]:
            yield f"zone {zone.name} of node {zone.node.nid}: nr_zspages is {zone.vmstat['nr_zspages']}, it holds {here[zone]}"
