"""Distrusts everything: counts the machine again from its parts and says which two things disagree.

Usable at any quiescent point; what is legal only in the middle of an operation (a locked page, an isolated one) is checked when
``quiescent`` is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from movable.errors import InvalidState
from movable.mm.gfp import MIGRATE_CMA, MIGRATE_ISOLATE, MIGRATETYPE_NAMES
from movable.mm.list import ListHead
from movable.mm.page import FIELD_POISON, FROZEN, MAPPED, PAGE_POISON, Page
from movable.mm.page_flags import (
    HWPOISON,
    ISOLATED,
    LOCKED,
    PAGE_MAPPING_FLAGS,
    PAGE_MAPPING_MOVABLE,
    PG_slab,
)

if TYPE_CHECKING:
    from movable.mm.mmzone import Zone
    from movable.mm.vm import VM


Finding = tuple[str, str]
"""The number of the rule that is broken, and what disagrees."""


def validate_vm(vm: VM, *, quiescent: bool = True, content: bool = False, owner_refs: int | None = None) -> None:
    """Check the census of frames, lists, counters, references and marks of a machine.

    ``quiescent`` also asks that no page is locked or isolated and no lock is held. ``content`` also reads every freed frame for
    writes after it was freed. ``owner_refs`` is how many references each owner holds on a movable page, where that is known.
    Raises InvalidState with every finding.
    """
    findings = list(_findings(vm, quiescent, content, owner_refs))
    if findings:
        raise InvalidState([text for _, text in findings], [rule for rule, _ in findings])


def _findings(vm: VM, quiescent: bool, content: bool, owner_refs: int | None) -> Iterator[Finding]:
    for text in _books(vm):
        yield "V32", text
    bad = {pfn for pfn, _ in vm.bad_pages}
    for page in list(vm.pages.values()):
        if page._refcount > 0:
            if quiescent or page._mapping or page._private is FIELD_POISON or page._index is FIELD_POISON:
                yield from _allocated(page, quiescent, owner_refs)
        elif page._refcount < 0:
            yield "D18", f"{page!r} has a negative reference count"
        elif (
            page._mapping or page._flags & ~HWPOISON or page._mapcount != -1 or page._lru._list is not None
        ) and page.pfn not in bad:
            yield "D46", f"{page!r} is free but still marked, mapped, linked or flagged"
    yield from _lists(vm)
    for text in _ledger(vm):
        yield "V12", text
    for text in vm.userspace.findings(quiescent) if vm.userspace is not None else ():
        yield "V32", text
    for text in _poison(vm) if content else ():
        yield "D46", text
    if quiescent and vm.current.held:
        yield "D47", f"task {vm.current.name} still holds {', '.join(map(str, vm.current.held))}"


def _books(vm: VM) -> Iterator[str]:
    """The allocator's own: frames, free lists and counters."""
    yield from _census(vm)
    for zone in vm.zones:
        yield from _zone(zone)
        yield from _free_lists(zone)
        yield from _pageblocks(zone)


def _census(vm: VM) -> Iterator[str]:
    """Every frame is in exactly one place: free, allocated, offline, or lost as a bad page."""
    places = _places(vm)
    places.sort()
    end, before = 0, ""
    for pfn, frames, what in places:
        if pfn < end:
            yield f"frame {pfn} is {before} and also {what}"
        elif pfn > end:
            page = vm.pages.get(end)
            state = "never used" if page is None else repr(page)
            yield f"frame {end} ({state}) is nowhere: neither free, allocated, offline nor bad"
        end, before = max(end, pfn + frames), what
    counted = sum(frames for _, frames, _ in places)
    if counted != vm.nr_frames:
        yield f"{vm.nr_frames} frames in the machine, {counted} accounted for"


def _places(vm: VM) -> list[tuple[int, int, str]]:
    """(first frame, frames, what it is) of everything that takes up frames."""
    places = [(pfn, 1 << (code >> 3), "on a free list") for zone in vm.zones for pfn, code in zone.buddy.items()]
    for zone in vm.zones:
        if zone.offline:
            places += [(start, end - start, "offline") for start, end in zone.offline_ranges()]
    places += [(page.pfn, 1 << page.order, "allocated") for page in vm.pages.values() if page._refcount > 0]
    places += [(pfn, 1, "lost as a bad page") for pfn, _ in vm.bad_pages]
    return places


def _zone(zone: Zone) -> Iterator[str]:
    """Counters of the zone against its lists, and the pages behind its free blocks."""
    counted = 0
    pages, types, shift, base = zone.vm.pages, zone.pageblocks, zone.pageblock_order, zone.base
    for pfn, code in zone.buddy.items():
        if types[(pfn >> shift) - base] != MIGRATE_ISOLATE:
            counted += 1 << (code >> 3)
        page = pages.get(pfn)
        if page is None:
            continue
        if page._refcount:
            yield f"{page!r} heads a free block of order {code >> 3} and has references"
    if counted != zone.nr_free:
        yield f"zone {zone.name} of node {zone.node.nid}: nr_free says {zone.nr_free}, its lists hold {counted} frames"


def _free_lists(zone: Zone) -> Iterator[str]:
    """The free lists against the free blocks; blocks are aligned, and none was left beside a buddy to merge with."""
    where = f"zone {zone.name} of node {zone.node.nid}"
    lists, buddy, largest = zone.free_lists, zone.buddy, zone.pageblock_order
    listed = 0
    for pfn, code in buddy.items():
        order = code >> 3
        size = 1 << order
        if pfn in lists[code]:
            listed += 1
        else:
            yield f"{where}: the free block of order {order} and type {code & 7} at frame {pfn} is not on its list"
        if pfn & (size - 1):
            yield f"{where}: the free block of order {order} at frame {pfn} is not aligned"
        elif pfn & size and order < largest and buddy.get(pfn ^ size, -1) >> 3 == order:
            yield f"{where}: the free blocks of order {order} at frames {pfn ^ size} and {pfn} are buddies and did not merge"
    if sum(map(len, lists)) != listed:
        for code, blocks in enumerate(lists):
            for pfn in blocks:
                if buddy.get(pfn) != code:
                    kind = f"order {code >> 3} and type {code & 7}"
                    yield f"{where}: frame {pfn} is on the free list of {kind}, but no such free block begins there"


def _pageblocks(zone: Zone) -> Iterator[str]:
    """What the zone counts about its pageblocks against the pageblocks."""
    where = f"zone {zone.name} of node {zone.node.nid}"
    types = zone.pageblocks
    for name, counter, kind in (
        ("nr_isolate_pageblock", zone.nr_isolate_pageblock, MIGRATE_ISOLATE),
        ("nr_cma_blocks", zone.nr_cma_blocks, MIGRATE_CMA),
    ):
        if counter != types.count(kind):
            yield f"{where}: {name} says {counter}, {types.count(kind)} pageblocks are {MIGRATETYPE_NAMES[kind]}"
    if max(types, default=0) >= len(MIGRATETYPE_NAMES):
        yield f"{where}: a pageblock has type {max(types)}, the last one is {len(MIGRATETYPE_NAMES) - 1}"
    present = zone.spanned_pages - sum(end - start for start, end in zone.offline_ranges())
    if zone.present_pages != present:
        yield f"{where}: present_pages says {zone.present_pages}, {present} frames are not offline"


def _allocated(page: Page, quiescent: bool, owner_refs: int | None) -> Iterator[Finding]:
    word = page._mapping
    marked = word & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE and word != PAGE_MAPPING_MOVABLE
    if page._flags & ISOLATED:
        if (quiescent or owner_refs is not None) and page._refcount < 1 + marked:
            yield "D22", f"{page!r} is isolated, and nobody holds the reference of {'its owner' if marked else 'its isolation'}"
    elif marked and quiescent and owner_refs is not None and page._refcount != owner_refs:
        yield "D44", f"{page!r} has {page._refcount} references, and its owner holds {owner_refs}"
    if word and not word & PAGE_MAPPING_FLAGS and not page._flags >> PG_slab & 1 and word not in page.vm.address_spaces:
        yield "D5", f"{page!r} has a mapping that leads nowhere"
    if marked:
        if word - PAGE_MAPPING_MOVABLE not in page.vm.address_spaces:
            yield "D41", f"{page!r} is marked movable by an owner that is gone"
        if page.order:
            yield "D42", f"{page!r} is marked movable and is a block of order {page.order}"
    if page._private is FIELD_POISON or page._index is FIELD_POISON:
        yield "V27", f"{page!r} is allocated and still holds the poison of a freed page"
    if quiescent and page._state & FROZEN:
        yield "D47", f"{page!r} has a frozen reference count and nobody is at work"
    if quiescent and page._flags & LOCKED:
        yield "D47", f"{page!r} is locked and nobody is at work"
    if quiescent and page._flags & ISOLATED:
        yield "V19", f"{page!r} is isolated and nobody is at work"


def _lists(vm: VM) -> Iterator[Finding]:
    """Every linked page stands between neighbours that agree, on the list that it names."""
    heads: dict[int, ListHead] = {}
    linked: dict[int, int] = {}
    broken: set[int] = set()
    for page in vm.pages.values():
        node = page._lru
        head = node.list
        if head is None:
            continue
        heads[id(head)] = head
        linked[id(head)] = linked.get(id(head), 0) + 1
        if node.next.prev is not node or node.prev.next is not node:
            broken.add(id(head))
            rule = "D12" if page._flags & ISOLATED else "D54"
            yield rule, f"{page!r} on list {head.name!r}: its neighbours do not lead back to it"
    for key, head in heads.items():
        if key in broken:
            continue
        found = len(head)
        if found != linked[key]:
            yield "D54", f"list {head.name!r}: {linked[key]} pages say they are on it, walking it finds {found}"


def _ledger(vm: VM) -> Iterator[str]:
    """Every isolation ended exactly once, or is still going on."""
    stat = vm.vmstat
    going_on = len([None for page in vm.pages.values() if page._flags & ISOLATED and page._refcount > 0])
    ended = stat["movable_migrated"] + stat["movable_putback"] + stat["movable_released_isolated"]
    if stat["movable_isolated"] != ended + going_on:
        parts = f"{stat['movable_migrated']} migrated + {stat['movable_putback']} put back"
        parts += f" + {stat['movable_released_isolated']} released + {going_on} going on"
        yield f"{stat['movable_isolated']} isolations, but {parts} = {ended + going_on}"


def _poison(vm: VM) -> Iterator[str]:
    for page in vm.pages.values():
        if page._refcount == 0 and page._state & MAPPED and vm.page_poisoning and page._private is FIELD_POISON:
            now = vm.map_page(page).tobytes()
            if now != PAGE_POISON:
                at = next(i for i, byte in enumerate(now) if byte != PAGE_POISON[i])
                yield f"{page!r} was written after it was freed, at byte {at}"


__all__ = ["validate_vm"]
